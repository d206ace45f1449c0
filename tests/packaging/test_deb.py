"""A Debian package: the same whoever builds it, in order for dpkg, and only what it says."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

from provisioner.report.night_units import NightUnits
from scripts.packaging.deb import DISTRIBUTIONS, TEXTS, Deb, Distribution
from scripts.packaging.units import units
from tests.packaging.journey import ROOT
from tests.packaging.small_wheels import VERSION, needed, program, write_wheel
from tests.packaging.test_python_files import MOMENT

TWELVE = DISTRIBUTIONS[0]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def built(folder: Path, *, version: str = VERSION, machine: str = "x86_64", on: Distribution = TWELVE) -> Deb:
    fonts = write_wheel(folder, "reportlab", {"reportlab/__init__.py": "", "reportlab/fonts/gpl.pfb": ""})
    wheels = [program(folder), *needed(folder, on.python), fonts]
    return Deb(ROOT, wheels, version, MOMENT, on, machine)


def field(package: Path, name: str) -> str:
    argv = ["dpkg-deb", "--field", str(package), name]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def entries(package: Path) -> list[list[str]]:
    argv = ["dpkg-deb", "--contents", str(package)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"}).stdout
    return [line.split(maxsplit=5) for line in lines.splitlines()]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deb")
    with umask(0o022):
        return built(folder / "wheels").build(folder)


def test_folder_and_umask_make_no_difference(package: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with umask(0o077):
        other = built(tmp_path / "w").build(tmp_path / "out")
    assert other.name == package.name
    assert other.read_bytes() == package.read_bytes()


def test_everything_is_roots_and_of_the_commits_time(package: Path) -> None:
    for mode, owner, _, day, moment, name in entries(package):
        assert (owner, day, moment) == ("root/root", "2021-05-03", "00:00"), name
        assert mode in {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}, name


def test_it_says_what_it_needs_and_for_which_debian_it_is(package: Path) -> None:
    assert field(package, "Package") == "provisioner"
    assert field(package, "Version") == f"{VERSION}-1~deb12"
    assert field(package, "Architecture") == "amd64"
    assert "python3 (>= 3.11~), python3 (<< 3.12~)" in field(package, "Depends")
    assert package.name == f"provisioner_{VERSION}-1~deb12_amd64.deb"


def test_it_brings_pages_completion_units_and_its_licence(package: Path) -> None:
    files = {entry[5].removeprefix("./").partition(" -> ")[0] for entry in entries(package) if entry[0][0] != "d"}
    assert files >= {
        "usr/bin/provisioner",
        "usr/lib/provisioner/bin/provisioner",
        "usr/lib/provisioner/bin/python3",
        "usr/lib/provisioner/lib/python3.11/site-packages/needed.py",
        "usr/share/man/man1/provisioner.1.gz",
        "usr/share/bash-completion/completions/provisioner",
        "usr/share/zsh/vendor-completions/_provisioner",
        "usr/share/fish/vendor_completions.d/provisioner.fish",
        "usr/lib/systemd/system/provisioner-nightly@.timer",
        "usr/lib/sysusers.d/provisioner.conf",
        "usr/share/doc/provisioner/copyright",
        "usr/share/doc/provisioner/html/index.html",
        "usr/share/doc/provisioner/changelog.gz",
        "usr/share/doc/provisioner/changelog.Debian.gz",
    }
    assert {file.split("/")[0] for file in files} == {"usr"}
    assert not [file for file in files if file.startswith("usr/lib/provisioner/share")]
    assert not [file for file in files if "__pycache__" in file]


def test_fonts_that_nobody_uses_and_that_are_under_the_gpl_stay_out(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    libraries = tmp_path / "usr/lib/provisioner/lib/python3.11/site-packages"
    assert [path.name for path in (libraries / "reportlab").iterdir()] == ["__init__.py"]
    (record,) = libraries.glob("reportlab-*/RECORD")
    lines = record.read_text(encoding="utf-8").splitlines()
    named = {line.partition(",")[0] for line in lines}
    assert "reportlab/__init__.py" in named
    assert all((libraries / name).exists() for name in named)


def test_the_program_runs_by_the_debians_python(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    assert str((tmp_path / "usr/bin/provisioner").readlink()) == "../lib/provisioner/bin/provisioner"
    python = tmp_path / "usr/lib/provisioner/bin/python3"
    assert os.path.normpath(python.parent / python.readlink()) == str(tmp_path / "usr/bin/python3.11")
    first = (tmp_path / "usr/lib/provisioner/bin/provisioner").read_text(encoding="utf-8").splitlines()[0]
    assert first == "#!/usr/lib/provisioner/bin/python3"
    assert "needed 1.2.0" in (tmp_path / "usr/share/doc/provisioner/copyright").read_text(encoding="utf-8")
    with subprocess.Popen(["dpkg-deb", "--ctrl-tarfile", str(package)], stdout=subprocess.PIPE) as control:
        subprocess.run(["tar", "-C", str(tmp_path), "-x"], stdin=control.stdout, check=True)
    subprocess.run(["md5sum", "--check", "--quiet", "md5sums"], cwd=tmp_path, check=True)


def test_dpkg_orders_versions_as_they_are_meant() -> None:
    on = DISTRIBUTIONS
    wanted = [
        ("1.1.9", on[1]),
        ("1.2.0a1", on[0]),
        ("1.2.0rc1", on[1]),
        ("1.2.0", on[0]),
        ("1.2.0", on[1]),
        ("1.2.1", on[0]),
    ]
    versions = [Deb(ROOT, [], version, 0, one, "x86_64").debian_version for version, one in wanted]
    for older, newer in pairwise(versions):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_what_runs_at_an_installation_is_a_script_of_any_shell(name: str) -> None:
    for shell in ("sh", "bash"):
        subprocess.run([shell, "-n", str(TEXTS / name)], check=True)
    assert "\nset -e\n" in (TEXTS / name).read_text(encoding="utf-8")


#: A systemctl that writes down what it was asked, says what runs, and kills its script at one of its words.
SAYS = """#!/bin/sh
echo "$*" >>"$ASKED"
if [ "$1" = list-units ]; then
	for unit in $RUNNING; do
		echo "$unit loaded active running $unit"
	done
fi
[ "$1" != "$KILLED_AT" ] || kill -9 0
"""
AGENT, NODE = "provisioner-agent@bac-giang.service", "provisioner-node@vnpt.service"


def asked_by(
    name: str, word: str, folder: Path, running: Sequence[str] = (AGENT, NODE), *, killed_at: str = ""
) -> list[str]:
    """What one of the scripts asks of systemctl, on a machine that a folder stands for."""
    for place in ("bin", "lib/lib", "run/systemd/system"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "bin/systemctl").write_text(SAYS, encoding="utf-8")
    (folder / "bin/systemctl").chmod(0o755)
    asked = folder / "asked"
    asked.unlink(missing_ok=True)
    text = (TEXTS / name).read_text(encoding="utf-8").replace("/usr/lib/provisioner", str(folder / "lib"))
    script = folder / name
    script.write_text(text.replace("/run/", f"{folder}/run/"), encoding="utf-8")
    environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "ASKED": str(asked), "RUNNING": " ".join(running)}
    environment["KILLED_AT"] = killed_at
    argv = ["sh", str(script), word]
    done = subprocess.run(argv, env=environment, check=False, capture_output=True, start_new_session=True)
    assert done.returncode == (-9 if killed_at else 0), done.stderr
    return asked.read_text(encoding="utf-8").splitlines() if asked.exists() else []


def test_what_runs_all_the_time_stands_still_while_files_are_exchanged_and_is_started_anew(tmp_path: Path) -> None:
    before, after = asked_by("prerm", "upgrade", tmp_path), asked_by("postinst", "configure", tmp_path)
    stopped = [line.split()[1:] for line in before if line.startswith("stop ")]
    assert stopped == [[f"provisioner-{one}@*.service" for one in ("agent", "node", "watch")]]
    started = [line for line in after if " start " in line]
    assert started == [f"--no-block start {AGENT}", f"--no-block start {NODE}"]
    assert not [line for line in asked_by("postinst", "configure", tmp_path) if " start " in line], (
        "once, and not again"
    )


def test_an_upgrade_that_fails_leaves_nothing_stopped(tmp_path: Path) -> None:
    asked_by("prerm", "upgrade", tmp_path)
    assert started(asked_by("postinst", "abort-upgrade", tmp_path)) == [AGENT, NODE]


def started(asked: Sequence[str]) -> list[str]:
    return [line.split()[-1] for line in asked if " start " in line]


@pytest.mark.parametrize("killed_at", ["stop", "list-units"])
@pytest.mark.parametrize("still", [(), (NODE,), ("provisioner-watch@bac-giang.service", NODE)])
def test_an_upgrade_that_is_killed_and_begun_again_starts_what_ran_before_it(
    still: tuple[str, ...], killed_at: str, tmp_path: Path
) -> None:
    asked_by("prerm", "upgrade", tmp_path, killed_at="stop")
    asked_by("prerm", "upgrade", tmp_path, still[:1], killed_at=killed_at)
    asked_by("prerm", "upgrade", tmp_path, still)
    assert started(asked_by("postinst", "configure", tmp_path)) == sorted({AGENT, NODE, *still})
    assert not started(asked_by("postinst", "configure", tmp_path))


def test_a_removal_stops_all_that_runs(tmp_path: Path) -> None:
    (stopped,) = (line for line in asked_by("prerm", "remove", tmp_path) if line.startswith("stop "))
    ends = {name.partition("@")[2].rpartition(".")[2] and name for name in stopped.split()[1:]}
    units_of = {name.replace("@", "@*") for name in units() if not name.startswith("provisioner-nightly@.service")}
    assert ends == units_of


# --- units ----------------------------------------------------------------------------------------
def test_systemd_finds_nothing_wrong_with_the_units_of_an_inventory(tmp_path: Path) -> None:
    assert shutil.which("systemd-analyze"), "systemd-analyze is missing: apt-get install systemd"
    paths = []
    for name, text in units().items():
        path = tmp_path / name.replace("@", "@bac-giang")
        path.write_text(text.replace("/usr/bin/provisioner", "/bin/true"), encoding="utf-8")
        paths.append(str(path))
    argv = ["systemd-analyze", "verify", "--recursive-errors=no", *paths]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_user_that_units_run_as_is_made_by_systemd(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    argv = ["systemd-sysusers", f"--root={tmp_path}", str(TEXTS / "provisioner.sysusers")]
    subprocess.run(argv, check=True, capture_output=True)
    (user,) = (tmp_path / "etc/passwd").read_text(encoding="utf-8").splitlines()
    assert user.startswith("provisioner:")
    assert user.endswith(":/var/lib/provisioner:/usr/sbin/nologin")
    services = [text for name, text in units().items() if name.endswith(".service")]
    assert all("\nUser=provisioner\n" in text for text in services)


def test_a_night_and_a_watch_are_shut_in_alike() -> None:
    texts = units()
    shut_in = [settings(texts[f"provisioner-{name}@.service"]) for name in ("nightly", "watch")]
    assert shut_in[0] == shut_in[1]
    printed = NightUnits("x", PurePosixPath("/srv/provisioner/x"), PurePosixPath("/usr/bin/provisioner"))
    ours = {line for line in settings(printed.service) if not line.startswith("LoadCredential=")}
    assert ours <= shut_in[0]
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} <= shut_in[0]


def test_a_node_is_shut_in_as_they_are_and_has_no_secret_of_an_inventory() -> None:
    texts = units()
    node, watch = (settings(texts[f"provisioner-{name}@.service"]) for name in ("node", "watch"))
    folders = ("StateDirectory", "CacheDirectory", "RuntimeDirectory", "ReadWritePaths")
    own = ("LoadCredential=", "Environment=", "WatchdogSec", "TimeoutStopSec", *folders)
    assert {line for line in node if not line.startswith(own)} == {
        line for line in watch if not line.startswith((*own, "#"))
    }
    assert "StateDirectory=provisioner-node/%i" in node


def settings(unit: str) -> set[str]:
    """What a service may do and has: all of it but what it runs and when it is run again."""
    service = unit.partition("[Service]\n")[2].partition("\n[Install]")[0]
    about = (
        "Type",
        "ExecStart",
        "SuccessExitStatus",
        "TimeoutStartSec",
        "Restart=",
        "RestartSec",
        "Environment=PORT",
        "#",
    )
    return {line for line in service.splitlines() if line and not line.startswith(about)}


def test_nothing_of_one_inventory_is_anothers() -> None:
    for name, text in units().items():
        assert "INVENTORY" not in text, name
        if name == "provisioner-node@.service":
            assert "node run /etc/provisioner-node/%i/node.toml" in text
            assert "LoadCredential" not in text
        elif name.endswith(".service"):
            assert ("-i /srv/provisioner/%i " in text) or ("agent /etc/provisioner-agent/%i/" in text)
            assert set(re.findall(r"^LoadCredential=.*:(.*)$", text, re.MULTILINE)) == {
                "/etc/provisioner/%i/vault-password",
                "/etc/provisioner/%i/ssh-key",
            }
    assert "Unit=provisioner-nightly@%i.service" in units()["provisioner-nightly@.timer"]
