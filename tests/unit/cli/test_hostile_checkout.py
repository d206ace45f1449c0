"""Real commands in a checkout full of files that would run, were they taken for programs, modules or settings."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from provisioner.cli.main import run
from tests.hostile import LOCAL_USER, MERGE_REQUEST

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "inventories/example"
SCRIPTS = Path(sys.executable).parent
MODULES = (
    *("ansible", "ansible_runner", "base64", "click", "concurrent", "ctypes", "email", "json", "logging", "orjson"),
    *("multiprocessing", "pydantic", "re", "requests", "select", "shutil", "sitecustomize", "ssl", "subprocess"),
    *("tarfile", "tempfile", "typing", "usercustomize", "yaml"),
)
PROGRAMS = ("ansible-playbook", "env", "git", "nft", "python", "python3", "sh", "ssh", "ssh-agent", "sshpass", "sudo")
GIT_SETTINGS = ("core.fsmonitor", "core.sshCommand", "core.pager", "core.askPass", "core.gitProxy", "diff.external")
MATTERS = {
    "validate": (),
    "plan": ("--offline", "--against", "HEAD~1"),
    "status": (),
    "drift": ("--limit", "host=relay-viettel-1"),
    "verify": ("--limit", "host=relay-viettel-1"),
    "keys": ("init",),
    "contacts": ("check",),
    "render": ("--out", "{out}"),
    "apply": ("--yes", "--limit", "host=relay-viettel-1"),
}
CODES = {"drift": 5, "verify": 1, "keys": 5, "apply": 5}


Done = subprocess.CompletedProcess[str]


class Written(io.TextIOWrapper):
    """What was written, as bytes too."""

    buffer: io.BytesIO


def written() -> Written:
    return Written(io.BytesIO(), encoding="utf-8", write_through=True)


@dataclass
class HostileCheckout:
    """A checkout of an inventory, a folder of its in which a person works, and the marks of what was run."""

    top: Path
    home: Path
    marks: Path

    @property
    def inventory(self) -> Path:
        return self.top / "inventory"

    @property
    def executed(self) -> list[str]:
        return sorted(path.name for path in self.marks.iterdir())

    @property
    def environment(self) -> dict[str, str]:
        keys = sorted((EXAMPLE / ".contacts-passwords").iterdir())
        listed = [f"contacts-{path.name}@{path}" for path in keys]
        return {
            "ANSIBLE_VAULT_IDENTITY_LIST": ",".join([*listed, f"secrets@{EXAMPLE / '.vault-password'}"]),
            "HOME": str(self.home),
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_STATE_HOME": str(self.home / "state"),
        }

    def run(self, *argv: str, program: str = "provisioner", more: Mapping[str, str] | None = None) -> Done:
        first, *rest = program.split()
        named = () if "-i" in argv else ("-i", ".")
        return subprocess.run(
            [str(SCRIPTS / first), *rest, *named, *argv],
            cwd=self.inventory,
            env=self.environment | dict(more or {}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def call(self, *argv: str, more: Mapping[str, str] | None = None) -> Done:
        """The same in this process, which takes no module from there."""
        named = () if "-i" in argv else ("-i", ".")
        environment, out, err = self.environment | dict(more or {}), written(), written()
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            chdir(self.inventory),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run([*named, *argv], environment)
        return Done(argv, code, *(text.buffer.getvalue().decode() for text in (out, err)))

    def program(self, path: Path, name: str = "") -> Path:
        """A program that leaves a mark."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n: > {self.marks}/{name or path.name}\nexit 0\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def module(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(self.marks / path.name)!r}, 'w').close()\nraise SystemExit(99)\n", encoding="utf-8")

    def git(self, *words: str, folder: Path | None = None) -> None:
        argv = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *words]
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        subprocess.run(argv, cwd=folder or self.top, env=env, check=True, capture_output=True)

    def plant_modules(self, *, package: bool) -> None:
        """Modules by the names of those that a controller imports; its own package is one that hides it altogether."""
        for name in MODULES:
            self.module(self.inventory / f"{name}.py")
        if package:
            self.module(self.inventory / "provisioner/__init__.py")
            self.module(self.inventory / "provisioner/hosts/ansible/child.py")

    def plant_programs(self) -> None:
        for name in PROGRAMS:
            self.program(self.inventory / name)

    def plant_repository(self, folder: Path) -> None:
        """A bare repository as committed files, whose settings run programs."""
        hook = self.program(self.home / "elsewhere/hook", "from-the-settings-of-git")
        self.git("init", "--bare", "-q", str(self.home / "bare"))
        for entry in ("HEAD", "objects", "refs", "hooks"):
            source = self.home / "bare" / entry
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / entry)
        names = [name.removeprefix("core.") for name in GIT_SETTINGS if name.startswith("core.")]
        settings = "".join(f"\t{name} = {hook}\n" for name in names)
        text = f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n{settings}"
        text += '[remote "origin"]\n\turl = ext::sh -c true\n\tpromisor = true\n'
        (folder / "config").write_text(text, encoding="utf-8")
        for keep in ("objects", "refs"):
            (folder / keep / "keep").touch()

    def commit(self) -> None:
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "-m", "a proposal")


@pytest.fixture
def checkout(tmp_path: Path) -> HostileCheckout:
    made = HostileCheckout(tmp_path / "checkout", tmp_path / "home", tmp_path / "marks")
    made.home.mkdir()
    made.marks.mkdir()
    shutil.copytree(EXAMPLE, made.inventory)
    for file in [*(made.inventory / "carriers").iterdir(), *(made.inventory / "centres").iterdir()]:
        # Hosts that refuse at once; where sites reach a relay, and where a jump host comes from, stay as they were.
        text = file.read_text(encoding="utf-8")
        if "relays:" in text and "endpoint:" not in text:
            text = re.sub(r"( +)(address: )(\S+)", r"\g<0>\n\g<1>endpoint: \g<3>", text, count=1)
        text = re.sub(r"(\njump:\n  )(address: )(\S+)", r"\g<0>\n  inside: \g<3>", text)
        text = re.sub(r"\b(address: )\d+\.\d+\.\d+\.", r"\g<1>127.0.0.", text)
        file.write_text(text, encoding="utf-8")
    made.git("init", "-q")
    made.commit()
    made.git("commit", "-q", "--allow-empty", "-m", "another")
    return made


@pytest.fixture
def planted(checkout: HostileCheckout) -> HostileCheckout:
    checkout.plant_modules(package=True)
    checkout.plant_programs()
    checkout.plant_repository(checkout.inventory)
    checkout.plant_repository(checkout.inventory / "contacts")
    (checkout.inventory / "ansible.cfg").write_text("[defaults]\naction_plugins = .\n", encoding="utf-8")
    (checkout.inventory / ".gitattributes").write_text("* filter=x diff=x\n", encoding="utf-8")
    checkout.commit()
    return checkout


@MERGE_REQUEST
@pytest.mark.parametrize("command", sorted(MATTERS))
def test_a_file_in_the_checkout_is_never_run(planted: HostileCheckout, command: str) -> None:
    words = [word.format(out=planted.home / "out") for word in MATTERS[command]]
    more = {"PATH": f".::{SCRIPTS}:/usr/bin:/bin"} | hostile_git(planted)
    done = planted.run(command, *words, more=more)
    assert planted.executed == [], done.stderr
    assert done.returncode == CODES.get(command, 0), done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def hostile_git(checkout: HostileCheckout) -> dict[str, str]:
    """What a caller's environment tells Git, e.g. inside of a hook: another repository, and more settings."""
    hook = str(checkout.program(checkout.home / "elsewhere/hook", "from-the-settings-of-git"))
    listed: dict[str, str] = {}
    for number, name in enumerate(GIT_SETTINGS):
        listed |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": hook}
    folders = {"GIT_DIR": str(checkout.inventory), "GIT_WORK_TREE": str(checkout.inventory)}
    return {"GIT_CONFIG_COUNT": str(len(GIT_SETTINGS)), "GIT_EXTERNAL_DIFF": hook, "GIT_SSH": hook, **folders, **listed}


@MERGE_REQUEST
def test_a_module_in_the_checkout_is_not_taken_by_the_interpreter_for_hosts(checkout: HostileCheckout) -> None:
    checkout.plant_modules(package=True)
    done = checkout.run("drift", "--limit", "host=relay-viettel-1")
    assert checkout.executed == []
    assert "could not be reached" in done.stderr


@MERGE_REQUEST
@pytest.mark.parametrize("command", ["validate", "status", "drift"])
def test_a_module_beside_the_inventory_is_not_taken_by_python_dash_m(checkout: HostileCheckout, command: str) -> None:
    checkout.plant_modules(package=False)
    done = checkout.run(command, program="python -m provisioner")
    assert checkout.executed == []
    assert done.returncode == CODES.get(command, 0), done.stderr


@MERGE_REQUEST
def test_a_pythonpath_into_the_checkout_does_not_reach_what_is_started_for_hosts(checkout: HostileCheckout) -> None:
    for name in ("ansible_runner", "ansible", "sitecustomize"):
        checkout.module(checkout.inventory / f"{name}.py")
    # The caller's own interpreter takes `sitecustomize` from there before anything of ours: it is not what is tried.
    (checkout.inventory / "sitecustomize.py").unlink()
    done = checkout.run("drift", "--limit", "host=relay-viettel-1", more={"PYTHONPATH": str(checkout.inventory)})
    assert checkout.executed == []
    assert "could not be reached" in done.stderr


@MERGE_REQUEST
@pytest.mark.parametrize("path", [".", "/nowhere:", "../inventory"])
def test_a_relative_pythonpath_leads_to_no_module_of_the_checkout(checkout: HostileCheckout, path: str) -> None:
    for name in ("ansible_runner", "click", "pydantic", "subprocess", "yaml"):
        checkout.module(checkout.inventory / f"{name}.py")
    done = checkout.run("validate", more={"PYTHONPATH": path})
    assert checkout.executed == []
    assert done.returncode == 0, done.stderr


@MERGE_REQUEST
def test_the_commit_is_that_of_the_checkout_whatever_repository_lies_in_it(planted: HostileCheckout) -> None:
    from provisioner.inventory.files.revision import commit_of  # noqa: PLC0415

    assert len(commit_of(planted.inventory)) == 40
    planted.git("gc", "-q")
    assert planted.executed == []


# --- the vault's passwords --------------------------------------------------------------------------
def read_with(checkout: HostileCheckout, password: Path | str) -> Done:
    more = {"ANSIBLE_VAULT_IDENTITY_LIST": "", "ANSIBLE_VAULT_PASSWORD_FILE": str(password)}
    return checkout.call("validate", more=more)


@MERGE_REQUEST
@pytest.mark.parametrize("how", ["tracked", "ignored", "relative", "a link to it", "a link in it", "a folder"])
def test_a_program_of_the_checkout_is_never_asked_for_the_password(checkout: HostileCheckout, how: str) -> None:
    program = checkout.program(checkout.top / "tools/vault-client")
    named: Path | str = program
    if how == "ignored":
        (checkout.top / ".gitignore").write_text("tools/\n", encoding="utf-8")
        checkout.git("add", ".gitignore")
    elif how == "relative":
        named = "../tools/vault-client"
    elif how == "a link to it":
        named = checkout.home / "password"
        (checkout.home / "password").symlink_to(program)
    elif how == "a link in it":
        outside = checkout.program(checkout.home / "bin/chosen")
        named = checkout.top / "password"
        (checkout.top / "password").symlink_to(outside)
    elif how == "a folder":
        (checkout.home / "tools").symlink_to(checkout.top / "tools")
        named = checkout.home / "tools/vault-client"
    if how != "ignored":
        checkout.commit()
    done = read_with(checkout, named)
    assert checkout.executed == []
    assert done.returncode == 12
    assert "of the checkout" in done.stderr
    assert "move it to a folder of your own" in done.stderr


@MERGE_REQUEST
def test_a_password_that_git_has_is_refused_and_one_that_it_has_not_is_taken(checkout: HostileCheckout) -> None:
    password = checkout.top / "password"
    password.write_text("canary-kgTq6cWd\n", encoding="utf-8")
    untracked = read_with(checkout, password)
    assert "no vault password fits" in untracked.stderr
    checkout.commit()
    tracked = read_with(checkout, password)
    assert tracked.returncode == 12
    assert "is a file of the checkout" in tracked.stderr
    assert "canary" not in untracked.stdout + untracked.stderr + tracked.stdout + tracked.stderr


@MERGE_REQUEST
def test_a_persons_own_program_starts_where_it_lies_and_without_the_callers_python(checkout: HostileCheckout) -> None:
    program = checkout.home / "bin/vault-program"
    program.parent.mkdir()
    text = f'#!/bin/sh\n{{ pwd; env; }} > {checkout.home}/seen\necho "$CHOSEN"\n'
    program.write_text(text, encoding="utf-8")
    program.chmod(0o700)
    word = (EXAMPLE / ".vault-password").read_text(encoding="utf-8").strip()
    more = {"CHOSEN": word, "PYTHONPATH": "/nowhere", "GIT_DIR": "/nowhere", "PATH": f".:/usr/bin:/bin:{SCRIPTS}"}
    done = checkout.run("validate", more=more | {"ANSIBLE_VAULT_IDENTITY_LIST": f"secrets@{program}"})
    assert done.returncode == 0, done.stderr
    seen = (checkout.home / "seen").read_text(encoding="utf-8").splitlines()
    assert seen[0] == str(program.parent)
    assert not [line for line in seen if line.startswith(("PYTHON", "GIT_"))]
    assert f"PATH=/usr/bin:/bin:{SCRIPTS}" in seen


@LOCAL_USER
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_git_is_not_asked_about_another_users_checkout_unless_it_is_trusted(checkout: HostileCheckout) -> None:
    hook = checkout.program(checkout.home / "elsewhere/hook", "from-the-settings-of-git")
    checkout.git("config", "core.fsmonitor", str(hook))
    for path in (checkout.top, checkout.top / ".git"):
        os.chown(path, 12345, 12345)
    refused = checkout.call("plan", "--offline", "--against", "HEAD~1")
    assert refused.returncode == 2
    assert "belongs to another user" in refused.stderr
    (checkout.home / ".gitconfig").write_text(f"[safe]\n\tdirectory = {checkout.top}\n", encoding="utf-8")
    trusted = checkout.call("plan", "--offline", "--against", "HEAD~1")
    assert trusted.returncode == 0, trusted.stderr
    assert checkout.executed == []


# --- what is kept between runs ----------------------------------------------------------------------
@MERGE_REQUEST
@pytest.mark.parametrize("how", ["the folder", "a file in it", "a link to it"])
def test_a_history_that_git_has_is_not_believed(checkout: HostileCheckout, how: str) -> None:
    folder = checkout.top / "state"
    (folder / "example").mkdir(parents=True)
    (folder / "example/state.db").write_bytes(b"")
    named = {"the folder": folder, "a file in it": folder / "example", "a link to it": checkout.home / "link"}[how]
    (checkout.home / "link").symlink_to(folder)
    checkout.commit()
    done = checkout.call("status", more={"PROVISIONER_STATE": str(named)})
    assert done.returncode == 13
    assert "its history may be made up" in done.stderr


@MERGE_REQUEST
def test_a_cache_that_git_has_is_not_used(checkout: HostileCheckout) -> None:
    cache = checkout.top / ".cache"
    checkout.call("validate", more={"XDG_CACHE_HOME": str(cache)})
    (kept,) = (cache / "provisioner/inventories").iterdir()
    assert checkout.call("validate", more={"XDG_CACHE_HOME": str(cache)}).returncode == 0
    checkout.commit()
    for file in kept.iterdir():
        os.utime(file, (1, 1))
    facility = checkout.inventory / "facilities/bac-giang/kcl-bg-001.yml"
    facility.write_text(facility.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert checkout.call("validate", more={"XDG_CACHE_HOME": str(cache)}).returncode == 0
    assert {file.stat().st_mtime for file in kept.iterdir()} == {1}, "nothing is kept there"


def test_a_state_folder_in_the_checkout_that_git_has_not_is_taken(checkout: HostileCheckout) -> None:
    assert checkout.call("status", more={"PROVISIONER_STATE": "../state"}).returncode == 0


@MERGE_REQUEST
@pytest.mark.parametrize("git_has_it", ["submodule", "worktree"])
def test_a_password_program_of_the_outer_checkout_is_refused_too(checkout: HostileCheckout, git_has_it: str) -> None:
    program = checkout.program(checkout.top / "tools/vault-client")
    inner = checkout.top / "inner"
    if git_has_it == "submodule":
        checkout.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(checkout.top), "inner")
    else:
        checkout.git("worktree", "add", "-q", str(inner))
    more = {"ANSIBLE_VAULT_IDENTITY_LIST": "", "ANSIBLE_VAULT_PASSWORD_FILE": str(program)}
    done = checkout.call("-i", str(inner / "inventory"), "validate", more=more)
    assert done.returncode == 12, done.stderr
    assert checkout.executed == []


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("way", "words"),
    [
        # Every command that starts a program, and every way to the folder once: one function answers for all of them.
        ("bin", "drift --limit host=relay-viettel-1"),
        ("inventory/bin", "apply --yes --limit host=relay-viettel-1"),
        ("link", "hosts scan-key relay-viettel-1"),
        ("link-in", "sign-off kcl-bg-001 --by dic --on 2021-05-08 --source minutes --key {home}/key"),
        ("bin", "nightly --print-units service"),
    ],
)
def test_a_folder_of_programs_in_the_checkout_is_unused(checkout: HostileCheckout, way: str, words: str) -> None:
    folder = checkout.top / ("bin" if way.startswith("link") else way)
    for name in (*PROGRAMS, "less", "provisioner", "ssh-add", "ssh-keygen", "ssh-keyscan", "systemctl"):
        checkout.program(folder / name)
    (checkout.home / "link").symlink_to(folder)
    (checkout.top / "link").symlink_to(checkout.home / "link")
    searched = {"link": checkout.home / "link", "link-in": checkout.top / "link"}.get(way, folder)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", checkout.home / "key"], check=True)
    more = {"PATH": f"{searched}:/usr/bin:/bin", "SSH_AUTH_SOCK": str(checkout.home / "agent")}
    done = checkout.run(*words.format(home=checkout.home).split(), more=more)
    assert "internal error" not in done.stderr
    assert checkout.executed == [], done.stderr
    assert str(searched) not in done.stdout


@MERGE_REQUEST
def test_a_folder_of_programs_in_the_checkout_is_not_searched_for_git(checkout: HostileCheckout) -> None:
    checkout.program(checkout.top / "bin/git")
    done = checkout.run("plan", "--offline", "--against", "HEAD~1", more={"PATH": f"{checkout.top}/bin:/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert checkout.executed == []


@MERGE_REQUEST
def test_names_of_files_do_not_speak_to_the_terminal(checkout: HostileCheckout) -> None:
    folder = checkout.inventory / "facilities/bac-giang"
    for name in ("x\x1b]0;canary\x07.yml", "y\n::error::canary.yml", "\u202ecanary.yml"):
        (folder / name).touch()
    for output in ("text", "json"):
        done = checkout.call("--output", output, "validate")
        assert done.returncode == 3
        assert not set("\x1b\x07\u202e") & set(done.stdout + done.stderr)
        assert "\n::error" not in done.stdout


@MERGE_REQUEST
def test_folders_that_are_nested_without_end_are_told_in_a_sentence(checkout: HostileCheckout) -> None:
    depth = os.open(checkout.inventory / "facilities", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=depth)
        below = os.open("d", os.O_RDONLY, dir_fd=depth)
        os.close(depth)
        depth = below
    os.close(depth)
    try:
        done = checkout.call("validate")
    finally:  # what pytest itself removes is not so deep
        subprocess.run(["rm", "-rf", str(checkout.inventory / "facilities")], check=True)
    assert done.returncode == 3
    assert "is not a file of an inventory" in done.stdout


# --- other users of this machine --------------------------------------------------------------------
@LOCAL_USER
@pytest.mark.parametrize("kind", ["a link to nowhere", "a link to a folder", "a file", "a folder"])
def test_what_others_put_beside_the_private_folder_is_left_alone(tmp_path: Path, kind: str) -> None:
    from provisioner.hosts.ansible import private_folder as private  # noqa: PLC0415

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kept").touch()
    beside = tmp_path / "provisioner-999999999-1-x"
    if kind.startswith("a link"):
        beside.symlink_to(mine if kind == "a link to a folder" else tmp_path / "nowhere")
    elif kind == "a file":
        beside.touch()
    else:
        beside.mkdir()
    private._sweep(tmp_path)  # noqa: SLF001
    assert (mine / "kept").exists()
    assert beside.is_symlink() or beside.exists() == (kind != "a folder")


@LOCAL_USER
def test_a_cache_that_is_somebody_elses_is_not_tidied(tmp_path: Path) -> None:
    from provisioner.inventory.loader.cache import cache_of  # noqa: PLC0415

    mine = tmp_path / "mine"
    for number in range(20):
        (mine / f"{number}").mkdir(parents=True)
    (tmp_path / "cache/provisioner").mkdir(parents=True)
    (tmp_path / "cache/provisioner/inventories").symlink_to(mine)
    assert cache_of(EXAMPLE, {"XDG_CACHE_HOME": str(tmp_path / "cache")}) is None
    assert all((mine / f"{number}").is_dir() for number in range(20))
