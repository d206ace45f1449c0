"""`hosts prepare`: a bare host is made ready by one command, says before what that is, and nothing else is touched."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.desired.names import ALONE
from provisioner.hosts.preparation import rule_for_all, rule_for_program
from provisioner.hosts.runner import HostAnswer, HostCall
from tests.bare_machine import PEER, BareMachine
from tests.hostile import MERGE_REQUEST, RELAY
from tests.simulated import SimulatedHosts
from tests.unit.cli import test_init
from tests.unit.cli.test_plan import RELAY as HOST
from tests.unit.cli.test_plan import Terminal, call  # noqa: F401 (the fixture)

KEY, OTHER = test_init.KEY, test_init.OTHER
ALL_LINE = "deploy ALL=(root) NOPASSWD: ALL"
SUDOERS = ALONE.rule_file.lstrip("/")
AUTHORIZED = "home/deploy/.ssh/authorized_keys"
ESCAPES = "\x1b[2J\x1b]0;title\x07"
CANARY = "canary-of-a-private-key"

Known = tuple[Terminal, BareMachine, tuple[str, ...]]


def on(terminal: Terminal, machine: BareMachine) -> Known:
    """Let a machine be the relay, and this machine's key be in a file."""
    machine.keys.add(KEY)
    terminal.hosts.read_script = machine.read_script
    file = terminal.root / "id.pub"
    file.write_text(f"{KEY} noc@example.com\n", encoding="utf-8")
    return terminal, machine, ("hosts", "prepare", HOST, "--public-key", str(file))


@pytest.fixture
def bare(call: Terminal, tmp_path: Path) -> Known:  # noqa: F811
    """A relay on which a Debian was installed, and nothing else."""
    return on(call, BareMachine.debian(tmp_path / "machine", has=("systemd", "iproute2")))


def contacted(machine: BareMachine) -> None:
    """What the first contact leaves there."""
    machine.write("etc/provisioner/keys/identity", "x")
    machine.program(machine.root / ALONE.host_program.lstrip("/"), ":")


def own_mark(terminal: Terminal) -> str:
    return json.dumps(terminal.hosts.hosts[HOST].owner)


# --- what is said, and what is done -----------------------------------------------------------------
def test_a_dry_run_says_all_of_it_and_changes_nothing(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    before = machine.files()
    code, out, err = call(*words, "--user", "root", "--dry-run")
    assert (code, err) == (0, "")
    assert machine.files() == before
    assert [line for line in machine.done if not line.endswith("--audit")] == []
    first, *lines = out.splitlines()
    assert first.startswith(f"{HOST}: debian 12, x86_64; root@203.0.113.11:22, host key ssh-ed25519 SHA256:")
    assert lines[0] == (
        "  packages  lacks dbus, ffmpeg, nftables, python3, sudo, wireguard-go, wireguard-tools → these are installed,"
        " and what they need; nothing is removed"
    )
    assert lines[2] == "  user      deploy is not there → is made: a group and a home of its own, no password"
    assert lines[3].endswith("does not log deploy in → is added to its authorized_keys")
    assert lines[4].endswith(f"may do anything by {ALONE.rule_file}, as the first contact needs it")
    assert lines[-1] == f"no changes were made; to make them: provisioner hosts prepare {HOST} --user root"


def test_all_of_it_is_done_once_and_proved_by_its_own_user(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    code, out, err = call(*words, "--user", "root", "--yes")
    assert code == 0, out + err
    assert out.splitlines()[0] == (
        f"{HOST} is ready: deploy was logged in from here, and may do anything by sudo until it has made its keys"
    )
    assert machine.read(AUTHORIZED) == f"{KEY}\n"
    assert machine.read(SUDOERS).splitlines()[1:] == [ALL_LINE]
    assert machine.scripts[-1][0] == "deploy", "the last word is its own user's"
    changed, files = len(machine.done), machine.files()
    assert call(*words, "--user", "root", "--yes", "-q")[2] == ""
    for login in (("--user", "root"), ()):
        code, out, _ = call(*words, *login)
        assert (code, "→" in out) == (0, False), "nobody is asked where nothing is to be done"
    assert machine.files() == files
    assert {line for line in machine.done[changed:] if not line.endswith("--audit")} == set()


def test_a_host_that_has_made_its_keys_leaves_its_user_two_words(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    assert call(*words, "--user", "root", "--yes")[0] == 0
    contacted(machine)
    machine.write("var/lib/provisioner/owner.json", own_mark(call))
    code, out, err = call(*words, "--yes")
    assert (code, out.splitlines()[-1]) == (0, "next: provisioner plan"), out + err
    assert "which is enough from now on" in err
    assert machine.read(SUDOERS).strip() == rule_for_program("deploy")
    # From now on it may not even be looked at by that user, and is ready all the same: it says so by its program.
    files = machine.files()
    code, out, err = call(*words)
    assert (code, out.splitlines()[-1:]) == (0, ["next: provisioner plan"]), out + err
    assert "only another login can see: --user root" in err
    assert machine.files() == files


def test_the_narrow_rule_waits_until_the_host_proves_itself(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    assert call(*words, "--user", "root", "--yes")[0] == 0
    contacted(machine)
    machine.write("var/lib/provisioner/owner.json", own_mark(call))
    call.hosts.hosts[HOST].proves = False
    assert call(*words, "--yes")[0] == 0
    assert machine.read(SUDOERS).strip() == rule_for_all("deploy")


def test_a_host_that_lost_its_key_has_its_user_do_anything_once_more(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    assert call(*words, "--user", "root", "--yes")[0] == 0
    machine.write(SUDOERS, rule_for_program("deploy"))
    assert call(*words, "--user", "root", "--yes")[0] == 0
    assert machine.read(SUDOERS).strip() == rule_for_all("deploy")


def test_what_is_there_stays_and_is_said(call: Terminal, tmp_path: Path) -> None:  # noqa: F811
    machine = BareMachine.whole(tmp_path / "machine")
    terminal, _, words = on(call, machine)
    machine.write("etc/passwd", f"deploy:x:1000:1000::{machine.root}/home/deploy:/bin/bash\n")
    machine.write(AUTHORIZED, f"# {KEY}\n{OTHER}")
    machine.write("etc/sudoers.d/90-cloud-init-users", f"{ALL_LINE}\n")
    code, out, _ = terminal(*words, "--user", "root", "--yes")
    assert code == 0, out
    assert machine.read(AUTHORIZED) == f"# {KEY}\n{OTHER}\n{KEY}\n", "a line that has no end does not swallow the next"
    assert machine.read(SUDOERS) == "", "another rule lets it do anything already"
    assert [line.split()[0] for line in machine.done if not line.endswith("--audit")] == []


def test_a_document_has_all_of_it(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    code, document = call.document(*words, "--user", "root", "--dry-run")
    assert (code, document["ready"], document["changed"], document["login"]) == (0, False, False, "root")
    assert [step["thing"] for step in document["steps"]] == ["packages", "bus", "user", "key", "sudo"]
    assert all(step["after"] for step in document["steps"])
    code, done = call.document(*words, "--user", "root", "--yes")
    assert (code, done["ready"], done["changed"]) == (0, True, True)
    assert (done["packages"], done["steps"]) == (document["packages"], document["steps"])
    assert call.document(*words)[1]["ready"]
    assert machine.read(SUDOERS) != ""


def test_of_an_inventory_that_has_no_keys_yet_the_next_command_is_keys_init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    hosts, machine = SimulatedHosts(), BareMachine.debian(tmp_path / "machine")
    machine.keys.add(KEY)
    hosts.read_script = machine.read_script
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    key = tmp_path / "id"
    key.write_text(CANARY, encoding="utf-8")
    key.with_suffix(".pub").write_text(f"{KEY}\n", encoding="utf-8")
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PROVISIONER_SSH_KEY": str(key)}
    assert run(["init", "first", *test_init.WORDS, *test_init.KNOWN], env) == 0
    *_, bare_line, last = capsys.readouterr().out.splitlines()
    assert bare_line == (
        "a host that is bare yet is made ready first (centre-hn, relay-1): provisioner hosts prepare HOST --user root"
    )
    assert last == "next: provisioner keys init --allow trust=2"
    assert run(["hosts", "prepare", "relay-1", "--user", "root", "--yes"], env) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "next: provisioner keys init --allow trust=2"
    assert CANARY not in out + "".join(text for _, text in machine.scripts) + "".join(machine.files().values())
    # Whose it is nobody can say without a key: somebody's mark is somebody else's.
    machine.write("var/lib/provisioner/owner.json", json.dumps({"inventory": "first", "key": "0" * 32}))
    assert run(["hosts", "prepare", "relay-1", "--user", "root", "--yes"], env) == 6


# --- what is refused --------------------------------------------------------------------------------
def test_nobody_is_there_to_answer(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    before = machine.files()
    assert call(*words, "--user", "root")[0] == 2
    assert call.document(*words, "--user", "root")[0] == 2
    assert machine.files() == before


@MERGE_REQUEST
@pytest.mark.parametrize(
    "mark",
    [
        '{"inventory": "other", "key": "' + "0" * 32 + '", "at": "2021-05-20T01:30:00Z"}',
        "",
        ESCAPES,
        "[" * 5000,
        '{"inventory": "other", "key": "0", "at": "", "released": true}',
    ],
    ids=["another inventory's", "nobody's", "escapes", "deep", "of no form"],
)
def test_a_host_of_another_inventory_stays_as_it_is(bare: Known, mark: str) -> None:
    call, machine, words = bare  # noqa: F811
    machine.write("var/lib/provisioner/owner.json", mark)
    before = machine.files()
    code, out, err = call(*words, "--user", "root", "--yes")
    assert (code, f"{HOST} belongs to" in err, f"provisioner hosts adopt {HOST}" in err) == (6, True, True)
    assert "\x1b" not in out + err
    assert machine.files() == before


@MERGE_REQUEST
def test_a_host_that_somebody_takes_meanwhile_is_left_to_them(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    read = machine.read_script

    def taken(of: HostCall) -> HostAnswer:
        assert of.script is not None
        if "mode=make" in of.script.text:
            machine.write("var/lib/provisioner/owner.json", own_mark(call))
        return read(of)

    call.hosts.read_script = taken
    code, _, err = call(*words, "--user", "root", "--yes")
    assert (code, "has changed since it was looked at" in err) == (6, True)
    assert (machine.read(SUDOERS), machine.read("etc/passwd").count("deploy")) == ("", 0)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("etc/os-release", "debian", "arch", "it calls itself arch, which is none of the systems known here"),
        ("etc/os-release", "ID=debian", f"ID='{ESCAPES}'", "which is none of the systems known here"),
        ("arch", "x86_64", "riscv64", "it is a riscv64"),
        ("sshd", "pubkeyauthentication yes", "pubkeyauthentication no", "its SSH server takes no keys"),
        ("sshd", ".ssh/authorized_keys ", "/etc/ssh/keys/%u ", "does not read .ssh/authorized_keys"),
        ("etc/passwd", "root:", "deploy:x:0:0::/root:/bin/sh\nroot:", "the inventory's user deploy is root"),
        ("etc/passwd", "root:", "deploy:x:9:9::/:/usr/sbin/nologin\nroot:", "which takes no command"),
    ],
)
def test_what_only_a_person_can_do_is_named_and_nothing_is_begun(
    bare: Known, file: str, old: str, new: str, said: str
) -> None:
    call, machine, words = bare  # noqa: F811
    machine.write(file, machine.read(file).replace(old, new))
    before = machine.files()
    code, out, err = call(*words, "--user", "root", "--yes")
    assert (code, machine.files()) == (5, before)
    assert said in err
    assert f"{HOST} is not ready" in out.splitlines()[0]
    assert "\x1b" not in out + err
    code, document = call.document(*words, "--user", "root", "--dry-run")
    assert (code, document["ready"], len(document["by_hand"])) == (5, False, 1)


def test_an_old_python_is_no_python(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    machine.program(machine.root / "usr/bin/python3", "echo 3.7")
    code, _, err = call(*words, "--user", "root", "--yes")
    assert (code, "its python3 is 3.7" in err) == (5, True)


def test_sources_of_others_are_not_added_and_the_rest_is_done(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    machine.write("etc/os-release", 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n')
    machine.program(machine.root / "bin/rpm", "exit 1")
    code, out, err = call(*words, "--user", "root", "--yes")
    assert code == 5, out + err
    assert "RPM Fusion" in err
    (installed,) = [line for line in machine.done if line.startswith("dnf")]
    assert installed.endswith("dbus nftables python3 sudo wireguard-tools")
    assert machine.read(SUDOERS).splitlines()[1:] == [ALL_LINE]
    assert f"{HOST} is not ready: it lacks wireguard-go" in out
    machine.program(machine.root / "bin/rpm", "exit 0")
    machine.program(machine.root / "bin/wireguard-go", "exit 0")
    code, out, err = call(*words, "--user", "root", "--yes")
    assert code == 0, out + err


def test_a_login_that_may_not_use_sudo_is_told_to_name_another(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    code, _, err = call(*words, "--yes")
    assert (code, "it refused the login" in err, "--user" in err) == (5, True, True)
    machine.logins.add("debian")
    code, _, err = call(*words, "--user", "debian", "--yes")
    assert (code, "could not be looked at: sudo: a password is required" in err) == (5, True)
    assert call(*words, "--user", "-o", "--yes")[0] == 2


@pytest.mark.parametrize("agent", ["", f"{KEY} a\n{OTHER} b\n"], ids=["no key", "several keys"])
def test_the_key_of_a_users_login_is_never_guessed(bare: Known, monkeypatch: pytest.MonkeyPatch, agent: str) -> None:
    call, machine, words = bare  # noqa: F811
    keys = tuple(" ".join(line.split()[:2]) for line in agent.splitlines())
    monkeypatch.setattr("provisioner.operations.hosts.prepare.own_public_keys", lambda _environment: keys)
    code, _, err = call(*words[:3], "--user", "root", "--yes")
    assert (code, "--public-key FILE.pub" in err) == (2, True)
    assert machine.read("etc/passwd").count("deploy") == 0


def test_what_is_no_public_key_is_refused_and_not_repeated(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    file = call.root / "id"
    file.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n", encoding="utf-8")
    code, out, err = call(*words[:3], "--public-key", str(file), "--user", "root", "--yes")
    assert (code, CANARY in out + err, machine.scripts) == (2, False, [])


# --- what goes wrong half way -----------------------------------------------------------------------
def test_packages_that_cannot_be_had_are_an_error_and_the_same_command_goes_on(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    machine.write("complaint", f"E: Unable to locate package ffmpeg{ESCAPES}\n")
    code, out, err = call(*words, "--user", "root", "--yes")
    assert code == 5
    assert "its packages could not be installed: " in err
    assert "E: Unable to locate package ffmpeg" in err
    assert "\x1b" not in out + err
    assert machine.read("etc/passwd").count("deploy") == 0, "nothing is done behind what failed"
    (machine.root / "complaint").unlink()
    machine.write("half", " nftables  a package that was left\n")
    code, out, err = call(*words, "--user", "root", "--yes")
    assert code == 0, out + err
    assert "what is half installed is finished, then" in err


def test_a_rule_that_sudo_would_not_read_is_not_written(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    machine.program(machine.root / "packages/sudo/bin/visudo", "echo 'syntax error'; exit 1")
    code, _, err = call(*words, "--user", "root", "--yes")
    assert (code, "the rule could not be written: syntax error" in err) == (5, True)
    assert not list((machine.root / "etc/sudoers.d").iterdir())
    assert not list((machine.root / "tmp").iterdir())


def test_a_user_that_is_not_let_in_afterwards_is_no_success(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    machine.keys.clear()
    code, out, err = call(*words, "--user", "root", "--yes")
    assert (code, "ready" in out) == (5, False)
    assert "all is done there, and deploy is not logged in: it refused the login" in " ".join(err.split())


def test_notes_hold_nothing_back(bare: Known) -> None:
    call, machine, words = bare  # noqa: F811
    text = (
        machine.read("sshd")
        .replace("port 22", "port 2222")
        .replace("passwordauthentication no", "passwordauthentication yes")
    )
    machine.write("sshd", text)
    code, document = call.document(*words, "--user", "root", "--yes")
    assert (code, document["ready"]) == (0, True)
    said = "\n".join(document["notes"])
    assert "takes passwords" in said
    assert "listens at 2222, and the inventory says 22" in said
    assert f"comes from {PEER}, which is in no management network" not in said


@RELAY
@pytest.mark.parametrize(
    "reply",
    [
        "",
        "{",
        '{"ok": true, "answer": {}}',
        '{"ok": true, "answer": {"said": "id 00;id 00;"}}',
        '{"ok": true, "answer": {"said": "id 0"}}',
        '{"ok": true, "answer": {"said": ["id"]}}',
        '{"ok": true, "answer": {"said": "' + "id 00;" * 100_000 + '"}}',
        '{"ok": false, "error": "' + "\\u001b[2J" * 1000 + '"}',
    ],
)
def test_whatever_a_host_answers_is_its_own_error(bare: Known, reply: str) -> None:
    call, machine, words = bare  # noqa: F811
    machine.reply = reply
    code, out, err = call(*words, "--user", "root", "--yes")
    assert (code, "\x1b" in out + err, len(err) < 4000) == (5, False, True)
    assert len(machine.scripts) == 1, "nothing is done on what cannot be read"


Touch = Callable[[BareMachine], object]


@pytest.mark.parametrize(
    "touch",
    [
        lambda machine: machine.install("python3"),
        lambda machine: machine.install("sudo", "nftables", "dbus"),
        lambda machine: machine.write("etc/passwd", f"deploy:x:1000:1000::{machine.root}/home/deploy:/bin/sh\n"),
        lambda machine: machine.write("etc/sudoers.d/provisioner.new", "half a rule"),
        lambda machine: machine.write(AUTHORIZED, KEY[:30]),
    ],
)
def test_wherever_it_was_cut_off_the_same_command_ends_the_same(bare: Known, touch: Touch) -> None:
    call, machine, words = bare  # noqa: F811
    touch(machine)
    code, out, err = call(*words, "--user", "root", "--yes")
    assert code == 0, out + err
    assert machine.read(SUDOERS).splitlines()[1:] == [ALL_LINE]
    assert machine.read(AUTHORIZED).splitlines()[-1] == KEY
    assert [path.name for path in (machine.root / "etc/sudoers.d").iterdir()] == ["provisioner"]
