"""Everything that users install, made as a release is, and installed in bare containers without a network."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.packaging.deb import ARCHITECTURES, DISTRIBUTIONS, Deb
from scripts.packaging.image import base_image
from scripts.packaging.wheelhouse import MACHINES, NEWER, NEWER_LIBC, PYTHONS, Target, collect, collect_some, entries
from tests.lab.docker_cli import docker
from tests.lab.docker_daemon import DockerDaemon
from tests.packaging.journey import EXAMPLE, ROOT, RULES, SCRIPT, assert_came_far, assert_has_rules

pytestmark = pytest.mark.soak

MACHINE = platform.machine()
SUITES = {12: "bookworm", 13: "trixie"}
SHUT_IN = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")  # noqa: S108
# What dpkg and the kernel keep for themselves.
NOT_LISTED = ("/proc", "/sys", "/dev", "/tmp", "/var/lib/dpkg", "/var/log", "/var/cache/ldconfig")  # noqa: S108

Shell = Callable[..., str]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit: a release writes below its own out/, and nowhere else."""
    folder = tmp_path_factory.mktemp("clone") / "provisioner"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def release(checkout: Path) -> Iterator[Path]:
    """The folder of a rehearsed release for this machine; `REHEARSED` names one that is there already."""
    DockerDaemon.ensure()
    if made := os.environ.get("REHEARSED"):
        yield Path(made)
        return
    before = state_of(checkout)
    command = [sys.executable, "-m", "scripts.packaging.release", "--rehearse", "--machine", MACHINE]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=2400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a rehearsal: nothing of this is a release" in done.stdout
    assert "the same byte for byte" in done.stdout
    assert state_of(checkout) == before
    yield checkout / "out/rehearsal"
    shutil.rmtree(checkout)


def version_in(checkout: Path) -> str:
    return (checkout / "provisioner/__init__.py").read_text(encoding="utf-8").split('"')[-2]


def state_of(checkout: Path) -> tuple[str, ...]:
    """All that Git knows of a checkout, and all its files outside of out/."""
    said = [
        subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True).stdout
        for words in (("status", "--porcelain"), ("show-ref",), ("log", "-1", "--format=%H"))
    ]
    files = (path.relative_to(checkout) for path in checkout.rglob("*"))
    kept = [str(path) for path in files if path.parts[0] not in {"out", ".git"} and "__pycache__" not in path.parts]
    return (*said, *sorted(kept))


@contextmanager
def container(image: str, *options: str) -> Iterator[Shell]:
    """A container without a network; what is called runs a command in it and returns what it printed."""
    name = docker("run", "--detach", "--rm", "--network", "none", *options, image, "sleep", "1200").stdout.strip()

    def call(script: str, *words: str) -> str:
        return docker("exec", *words, name, "sh", "-euc", script, timeout=400).stdout

    try:
        yield call
    finally:
        docker("rm", "--force", name, check=False)


def listing(shell: Shell) -> list[str]:
    """Every file of a container with its mode, owner, target and content, but for what nobody installs."""
    left_out = " -o ".join(f"-path {path}" for path in NOT_LISTED)
    names = shell(f"find / -xdev \\( {left_out} \\) -prune -o -printf '%p %y %m %U %G %l\\n'")
    sums = shell(f"find / -xdev \\( {left_out} \\) -prune -o -type f -print0 | xargs -0 sha256sum")
    return sorted((names + sums).splitlines())


def shared(*paths: Path) -> list[str]:
    """Options that show files to a container under their own names in `/shared`, read-only."""
    return [word for path in paths for word in ("--volume", f"{path}:/shared/{path.name}:ro")]


def packages_of(release: Path) -> dict[int, Path]:
    """By Debian's release, its package."""
    return {
        one.release: next(release.glob(f"provisioner_*~deb{one.release}_{ARCHITECTURES[MACHINE]}.deb"))
        for one in DISTRIBUTIONS
    }


# --- the whole ----------------------------------------------------------------------------------------
def test_a_release_has_everything_and_sums_that_fit(release: Path) -> None:
    subprocess.run(["sha256sum", "--strict", "--quiet", "--check", "SHA256SUMS"], cwd=release, check=True)
    listed = {line.split()[1] for line in (release / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
    assert listed | {"SHA256SUMS"} == {path.name for path in release.iterdir()}
    version = version_in(release.parents[1])
    assert listed == {
        f"provisioner-{version}-py3-none-any.whl",
        f"provisioner-{version}.tar.gz",
        f"provisioner-{version}.cdx.json",
        f"provisioner-{version}-offline-{MACHINE}.tar",
        f"provisioner-{version}-image-{MACHINE}.tar.gz",
        f"provisioner-{version}-image-{MACHINE}.cdx.json",
        *(package.name for package in packages_of(release).values()),
    }


def test_the_bills_of_materials_are_valid_and_complete(release: Path) -> None:
    lock = (ROOT / "scripts/packaging/runtime.lock").read_text(encoding="utf-8")
    lock += entries((ROOT / "requirements.lock").read_text(encoding="utf-8"), NEWER)
    locked = {tuple(line.split()[0].split("==")) for line in lock.splitlines() if "==" in line}
    for bill in release.glob("*.cdx.json"):
        text = bill.read_text(encoding="utf-8")
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        components = json.loads(text)["components"]
        assert {(one["name"], one["version"]) for one in components if one["purl"].startswith("pkg:pypi")} == locked
        has_debian = any(one["purl"].startswith("pkg:deb/debian/openssh-client@") for one in components)
        assert has_debian == ("-image-" in bill.name)


# --- Debian's package ---------------------------------------------------------------------------------
@pytest.mark.parametrize("number", sorted(SUITES))
def test_a_debian_package_runs_and_leaves_nothing_when_it_goes(release: Path, number: int) -> None:
    package = packages_of(release)[number]
    options = shared(package, EXAMPLE, SCRIPT, RULES)
    with container(base_image(SUITES[number]), *options) as shell:
        before = listing(shell)
        # The base leaves documentation out; a machine of a person does not.
        shell(f"dpkg --path-include='/usr/share/*' --install /shared/{package.name}")
        assert_came_far(shell("sh /shared/journey.sh /shared/example", "--user", "nobody"))
        assert_has_rules(shell("sh /shared/rules.sh /shared/example", "--user", "nobody"))
        shell(
            "provisioner --version && ls /usr/share/man/man1/provisioner-plan.1.gz /usr/share/doc/provisioner/copyright"
        )
        words = "COMP_WORDS='provisioner val' COMP_CWORD=1 _PROVISIONER_COMPLETE=bash_complete provisioner"
        assert shell(words) == "plain,validate\n"
        shell("bash -euc '. /usr/share/bash-completion/completions/provisioner; complete -p provisioner'")
        assert shell("find /usr/lib/provisioner -name '*.pyc' | wc -l").strip() != "0"
        assert shell("find /etc/systemd -name '*provisioner*'") == "", "a unit is enabled"
        assert shell("dpkg --verify provisioner") == ""
        # The same version again is what an upgrade does.
        shell(f"dpkg --path-include='/usr/share/*' --install /shared/{package.name}")
        shell("dpkg --remove provisioner")
        shell("dpkg --purge provisioner")
        assert listing(shell) == before


def test_what_runs_is_started_anew_by_an_upgrade_and_stopped_by_a_removal(release: Path) -> None:
    package = packages_of(release)[12]
    says = "mkdir -p /run/systemd/system; printf '#!/bin/sh\\necho \"$*\" >>/tmp/asked\\n' >/usr/bin/systemctl"
    with container(base_image(SUITES[12]), *shared(package)) as shell:
        shell(f"{says}; chmod +x /usr/bin/systemctl; dpkg --install /shared/{package.name}; rm /tmp/asked")
        shell(f"dpkg --install /shared/{package.name}")
        asked = shell("cat /tmp/asked; rm /tmp/asked").splitlines()
        running = "provisioner-agent@*.service provisioner-node@*.service provisioner-watch@*.service"
        assert [line for line in asked if line.startswith("stop")] == [f"stop {running}"]
        assert f"--no-block try-restart {running}" in asked
        assert not [line for line in asked if "enable" in line]
        shell("dpkg --purge provisioner")
        assert f"stop {running} provisioner-nightly@*.timer" in shell("cat /tmp/asked").splitlines()


def test_a_history_of_runs_outlives_the_package_and_says_so(release: Path) -> None:
    package = packages_of(release)[12]
    with container(base_image(SUITES[12]), *shared(package)) as shell:
        shell(f"dpkg --install /shared/{package.name}; mkdir -p /var/lib/provisioner/x /var/cache/provisioner")
        said = shell("dpkg --purge provisioner")
        assert "/var/lib/provisioner stays" in said
        assert shell("ls /var/lib/provisioner") == "x\n"
        assert shell("ls /var/cache | grep provisioner || true") == ""


def test_lintian_has_nothing_to_say(release: Path) -> None:
    package = packages_of(release)[12]
    argv = ["lintian", "--allow-root", "--fail-on", "error,warning", str(package)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stdout.splitlines() if line[:2] in {"E:", "W:"}]) == (0, [])


# --- what is not for this machine ------------------------------------------------------------------------
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_locked_package_has_a_wheel_wherever_it_is_promised(tmp_path: Path, python: str, machine: str) -> None:
    lock = ROOT / "scripts/packaging/runtime.lock"
    wheels = collect(lock, Target(python, machine), tmp_path)
    assert len(wheels) == lock.read_text(encoding="utf-8").count("==")
    newer = Target(python, machine, NEWER_LIBC)
    assert len(collect_some(ROOT / "requirements.lock", NEWER, newer, tmp_path / "newer")) == len(NEWER)


def test_a_package_for_another_machine_has_its_programs_and_none_of_ours(release: Path, tmp_path: Path) -> None:
    other = next(machine for machine in MACHINES if machine != MACHINE)
    wheels = [
        *collect(ROOT / "scripts/packaging/runtime.lock", Target("3.13", other), tmp_path),
        *release.glob("*.whl"),
    ]
    package = Deb(ROOT, wheels, "1.2.0", 1_620_000_000, DISTRIBUTIONS[1], other).build(tmp_path)
    argv = ["dpkg-deb", "--contents", str(package)]
    names = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert f"-{other}-linux-gnu.so" in names
    assert f"-{MACHINE}-linux-gnu.so" not in names
    assert package.name == f"provisioner_1.2.0-1~deb13_{ARCHITECTURES[other]}.deb"


# --- the bundle ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", sorted(SUITES))
def test_the_bundle_installs_and_runs_without_a_network(release: Path, number: int) -> None:
    (bundle,) = release.glob("*-offline-*.tar")
    with container(base_image(SUITES[number]), *shared(bundle, EXAMPLE, SCRIPT, RULES)) as shell:
        shell(f"tar -C /opt -xf /shared/{bundle.name}; mv /opt/provisioner-* /opt/bundle; chmod -R go-w /opt/bundle")
        # Into a folder of one's own it needs no root.
        said = shell("/opt/bundle/install --prefix /tmp/own", "--user", "nobody")
        assert "installed as /tmp/own/bin/provisioner" in said
        assert_came_far(shell("PATH=/tmp/own/bin:$PATH sh /shared/journey.sh /shared/example", "--user", "nobody"))
        assert "are not evaluated" not in said
        assert_has_rules(shell("PATH=/tmp/own/bin:$PATH sh /shared/rules.sh /shared/example", "--user", "nobody"))
        # Without a library of the machine's no rule is passed over: each command says what is missing.
        shell("rm /usr/lib/*/libatomic.so.1*")
        said = shell("/opt/bundle/install --prefix /tmp/other", "--user", "nobody")
        assert "(policy/*.rego) are not evaluated before libatomic and libstdc++ are there" in said
        rules = "PATH=/tmp/other/bin:$PATH sh /shared/rules.sh /shared/example 2>&1 || echo ended with $?"
        said = shell(rules, "--user", "nobody")
        assert "regopy is there and cannot be loaded: libatomic.so.1: cannot open shared object file" in said
        assert "apt-get install libatomic1 libstdc++6" in said
        assert "passed" not in said
        assert "ended with 3" in said


# --- the image ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def loaded(release: Path) -> Iterator[str]:
    """The image as a user gets it: loaded from its file. A release leaves none behind."""
    tag = f"provisioner:{version_in(release.parents[1])}-rehearsal"
    assert docker("image", "ls", "--quiet", tag).stdout == ""
    (archive,) = release.glob("*-image-*.tar.gz")
    assert tag in docker("load", "--input", str(archive), timeout=300).stdout
    yield tag
    docker("image", "rm", "--force", tag, check=False)


def version_of(tag: str) -> str:
    return tag.partition(":")[2].removesuffix("-rehearsal")


def in_image(tag: str, *words: str, options: tuple[str, ...] = (), entry: str = "") -> str:
    entrypoint = ("--entrypoint", entry) if entry else ()
    return docker(
        "run", "--rm", "--network", "none", *SHUT_IN, *options, *entrypoint, tag, *words, timeout=300
    ).stdout  # fmt: skip


def test_the_image_runs_shut_in(loaded: str) -> None:
    assert in_image(loaded, "--version") == f"provisioner {version_of(loaded)}\n"
    inventory = (
        "--volume",
        f"{EXAMPLE}:/inventory:ro",
        "--env",
        "ANSIBLE_VAULT_PASSWORD_FILE=/inventory/.vault-password",
    )
    assert in_image(loaded, "validate", options=inventory).startswith("valid: ")
    # Whoever runs it may be anybody who asks no host.
    assert in_image(loaded, "validate", options=(*inventory, "--user", "4321:4321")).startswith("valid: ")


def test_a_new_user_comes_as_far_as_a_plan_in_the_image(loaded: str) -> None:
    options = tuple(shared(EXAMPLE, SCRIPT, RULES))
    assert_came_far(in_image(loaded, "/shared/journey.sh", "/shared/example", options=options, entry="sh"))
    assert_has_rules(in_image(loaded, "/shared/rules.sh", "/shared/example", options=options, entry="sh"))


def test_the_image_has_no_tools_to_build_with_and_one_place_to_write(loaded: str) -> None:
    script = """
    id -u
    for tool in pip pip3 cc gcc make ld apt-key uv; do command -v $tool || true; done
    for module in pip setuptools; do
        ! /opt/provisioner/*/bin/python3 -c "import $module" 2>/dev/null || echo $module
    done
    find / -xdev -type d -writable -not -path '/proc/*' 2>/dev/null
    find / -xdev -perm /6000 -user provisioner 2>/dev/null || true
    """
    assert in_image(loaded, "-c", script, entry="sh").splitlines() == ["10001", "/tmp"]  # noqa: S108
    about = json.loads(docker("image", "inspect", loaded).stdout)[0]
    labels = about["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == version_of(loaded)
    assert len(labels["org.opencontainers.image.revision"]) == len("0" * 40)
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert about["Config"]["User"] == "10001:10001"
    assert about["Size"] < 450e6


def test_what_a_run_remembers_is_in_the_volume(loaded: str, tmp_path: Path) -> None:
    os.chown(tmp_path, 10_001, 10_001)
    options = ("--volume", f"{tmp_path}:/var/lib/provisioner", "--volume", f"{EXAMPLE}:/inventory:ro")
    in_image(loaded, "-c", "touch /var/lib/provisioner/here", options=options, entry="sh")
    assert (tmp_path / "here").stat().st_uid == 10_001
