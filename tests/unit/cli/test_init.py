"""`init`: from an empty folder to an inventory that the next command can go on with, or nothing at all."""

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest

from provisioner.base.git import OWN_HOOK
from provisioner.base.ssh_signature import fingerprint_of
from provisioner.cli.main import run
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.inventory.files.yaml import parse
from provisioner.nodes import settings
from provisioner.nodes.controller import RoutedRunner
from provisioner.operations.apply import execution
from provisioner.operations.edit.init import EXAMPLE
from provisioner.report.exports import REPORTS
from tests import inventories as make
from tests.simulated import SimulatedHosts
from tests.unit.cli.test_facility_next import CANARY, Keyboard

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLxxTLNWIvTOqfEHsYPptl1mrfK9Gmz7ymtR1zfHdv5"
WORDS = (
    *("--carrier", "viettel=Viettel", "--province", "bac-ninh", "--source", "Annex 1", "--user", "deploy"),
    *("--management", "198.51.100.0/27", "--centre", "centre-hn@203.0.113.31", "--relay", "relay-1@203.0.113.11"),
)
KNOWN = ("--host-key", f"centre-hn={OTHER}", "--host-key", f"relay-1={KEY}")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text("[user]\n\tname = P\n\temail = p@example.com\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def call(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the program; on its PATH `ssh-keyscan` shows a key of every host."""
    programs = tmp_path / "bin"
    programs.mkdir()
    scan = programs / "ssh-keyscan"
    scan.write_text(f"#!/bin/sh\necho '# a banner'\necho \"x {KEY}\"\necho 'x ssh-rsa !!!'\n", encoding="utf-8")
    scan.chmod(0o755)

    def answer(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        nodes = {name: value for name, value in os.environ.items() if name == "PROVISIONER_NODES"}
        code = run(list(words), {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", **nodes})
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return answer


def test_all_of_it_is_there_and_the_password_is_nobody_elses(call: Call, home: Path, tmp_path: Path) -> None:
    code, out, err = call("init", "first", *WORDS, *KNOWN)
    assert code == 0, err
    root = tmp_path / "first"
    password = home / ".config/provisioner/vault/first"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert password.read_text(encoding="utf-8").strip() not in out + err
    assert out.splitlines()[-1] == "next: provisioner keys init --allow trust=2"
    log = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert log.stdout == ""
    # The configuration knows the inventory from here on; what is left to do is what keys init does.
    code, out, _ = call("--output", "json", "validate")
    problems = json.loads(out)["problems"]
    assert {problem["code"] for problem in problems} == {"host-keys-missing", "secrets-missing"}


def test_an_endpoint_and_a_jump_host_are_written_and_the_jump_host_s_key_is_compared(
    call: Call, tmp_path: Path
) -> None:
    more = ("--endpoint", "relay-1=203.0.113.12", "--jump", "viettel=ops@198.51.100.7:2222")
    scanned = ("--host-key", f"198.51.100.7={fingerprint_of(KEY)}")
    code, out, err = call("init", "first", *WORDS, *KNOWN, *more, *scanned)
    assert code == 0, out + err
    document = parse((tmp_path / "first/carriers/viettel.yml").read_bytes()).value
    assert isinstance(document, dict)
    assert document["jump"] == {"address": "198.51.100.7", "ssh": {"user": "ops", "port": 2222, "host_key": KEY}}
    assert document["relays"][0]["endpoint"] == "203.0.113.12"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((*KNOWN, "--endpoint", "relay-2=203.0.113.12"), "--endpoint names relay-2, which is no relay here"),
        ((*KNOWN, "--host-key", f"relay-2={KEY}"), "--host-key names relay-2, which is no host here"),
        ((*KNOWN, "--host-key", f"198.51.100.7={KEY}"), "--host-key names 198.51.100.7, which is no host here"),
        ((*KNOWN, "--jump", "vnpt=ops@198.51.100.7", "--host-key", f"198.51.100.7={KEY}"), "is no carrier here"),
        ((*KNOWN, "--jump", "viettel=ops@198.51.100.7"), "nobody is here to compare the key of 198.51.100.7"),
        ((*KNOWN[:2], "--jump", "viettel=ops@198.51.100.7", "--host-key", f"198.51.100.7={KEY}"), "whole host key"),
    ],
)
def test_an_endpoint_or_a_jump_host_that_cannot_be_is_refused(
    call: Call, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    code, _, err = call("init", "first", *WORDS, *more)
    assert (code, said in err, (tmp_path / "first").exists()) == (2, True, False), err


def test_a_secret_in_the_clear_is_not_committed_and_an_encrypted_one_is(call: Call, tmp_path: Path) -> None:
    assert call("init", "first", *WORDS, *KNOWN)[0] == 0
    root = tmp_path / "first"
    (root / "secrets").mkdir()

    def commit(text: str) -> subprocess.CompletedProcess[str]:
        (root / "secrets/x.yml").write_text(text, encoding="utf-8")
        subprocess.run(["git", "-C", str(root), "add", "-A"], check=True)
        return subprocess.run(
            ["git", "-C", str(root), "commit", "-m", "x"], capture_output=True, text=True, check=False
        )

    refused = commit("password: 1\n")
    assert (refused.returncode, "secrets/x.yml is not encrypted" in refused.stderr) == (1, True)
    assert commit("$ANSIBLE_VAULT;1.2;AES256;secrets\n00\n").returncode == 0
    (root / "contacts").mkdir()
    (root / "contacts/bac-ninh.yml").write_text("version: 1\n", encoding="utf-8")
    of_contacts = "ansible-vault encrypt --encrypt-vault-id contacts-bac-ninh contacts/bac-ninh.yml"
    assert of_contacts in commit("$ANSIBLE_VAULT;1.2;AES256;secrets\n01\n").stderr
    subprocess.run(["git", "-C", str(root), "rm", "-qf", "--cached", "contacts/bac-ninh.yml"], check=True)
    (root / "contacts/bac-ninh.yml").unlink()
    # Our own hook asks for what is encrypted alone: a facility's file is committed past it.
    words = ("--province", "bac-ninh", "--name", "Trường A", "--kind", "school", "--managing-body", "ubnd_tinh")
    code, out, err = call("facility", "add", *words, "--commit")
    assert (code, "committed as" in out) == (0, True), err
    # So it is past the one that an earlier version installed.
    lines = OWN_HOOK.replace("$id ", "secrets ").splitlines(keepends=True)
    earlier = "".join(line for line in lines if not line.startswith(("\t\tid=", "\t\tcase ")))
    (root / ".git/hooks/pre-commit").write_text(earlier, encoding="utf-8")
    assert call("facility", "set", "kcl-bn-001", "--name", "Trường B", "--commit")[0] == 0
    (root / ".git/hooks/pre-commit").write_text(OWN_HOOK + "exit 1\n", encoding="utf-8")
    code, _, err = call("facility", "close", "kcl-bn-001", "--commit")
    assert (code, "hooks" in err) == (2, True)


def test_eight_commands_lead_from_an_empty_folder_to_a_host_that_carries_a_camera(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = SimulatedHosts()
    program = tmp_path / "mediamtx"
    program.touch()
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: program)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _text: CANARY)
    packages = tmp_path / "packages"

    def typed(words: list[str], *answers: str) -> str:
        keyboard = Keyboard("".join(f"{answer}\n" for answer in answers))
        monkeypatch.setattr(sys, "stdin", keyboard)
        monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _text: keyboard.readline().rstrip("\n"))
        code, out, err = call(*words)
        assert code == 0, out + err
        assert CANARY not in out + err
        status = ["git", "-C", str(tmp_path / "first"), "status", "--porcelain"]
        assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == "", words
        return out

    place = ("198.51.100.0/27", "Annex 1", "y", "y")
    out = typed(["init", "first"], "viettel", "bac-ninh", "deploy", "c-hn@203.0.113.31", "r-1@203.0.113.11", *place)
    assert out.endswith("next: provisioner keys init --allow trust=2\n")
    typed(["keys", "init", "--allow", "trust=2", "--commit"])
    out = typed(["facility", "add", "--province", "bac-ninh", "--commit"], "Trường A", "school", "ubnd_tinh")
    assert out.endswith("next: provisioner facility next kcl-bn-001\n")
    device = ["--zone", "san", "--address", "192.168.1.20", "--make", "hikvision", "--sub", "640x360"]
    typed(["camera", "add", "kcl-bn-001", *device, "--commit"])
    out = typed(
        ["facility", "next", "kcl-bn-001", "--commit"], "y", "y", "01/BB", "y", "y", "y", "viewer", "y", str(packages)
    )
    assert out.splitlines()[-1] == "  then: provisioner gateway set-key kcl-bn-001 KEY"
    typed(["gateway", "set-key", "kcl-bn-001", make.public_key("one"), "--commit"])
    out = typed(["facility", "next", "kcl-bn-001"], "n")
    assert out.splitlines()[1:] == ["next: r-1, c-hn were never applied", "  provisioner apply --allow trust=2"]
    typed(["apply", "--allow", "trust=2", "--yes"])
    assert "kcl-bn-001: provisioned" in typed(["facility", "next", "kcl-bn-001"], "n")


NO_FACILITY = "no facility is chosen"
OF_NONE = [
    (("status",), 0, "no facility is registered yet"),
    (("--output", "json", "status"), 0, "no facility is registered yet"),
    *((("export", what), 0, "no facility is registered yet") for what in REPORTS),
    (("export", "progress", "--out", "p.xlsx", "--docx", "p.docx"), 0, "no facility is registered yet"),
    (("export", "acceptance", "--docx-dir", "folder"), 2, NO_FACILITY),
    (("status", "--limit", "province=bac-ninh"), 2, NO_FACILITY),
    (("export", "progress", "--limit", "province=bac-ninh"), 2, NO_FACILITY),
]


def test_a_new_inventory_has_no_facilities_and_its_reports_name_the_next_step(call: Call) -> None:
    assert call("init", "first", *WORDS, *KNOWN)[0] == 0
    for words, expected, sentence in OF_NONE:
        code, out, err = call(*words)
        assert (code, sentence in err, "provisioner facility add" in err) == (expected, True, True), (words, out, err)
    assert "0 facilities\n" in call("status")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "nobody is here to compare the key of centre-hn: SHA256:"),
        (("--host-key", "centre-hn=SHA256:x", "--host-key", f"relay-1={KEY}"), 6, "another key"),
        ((*KNOWN, "--province", "bac-nin"), 3, "did you mean bac-ninh?"),
        ((*KNOWN, "--relay", "relay-2"), 2, "is no host"),
        ((*KNOWN, "--carrier", "../x"), 2, "is no id"),
        ((*KNOWN, "--carrier", "vnpt=VNPT"), 2, "carrier vnpt has no relay"),
        ((*KNOWN, "--management", "x"), 3, "management_networks"),
        ((*KNOWN, "--vault-password", "first/password"), 2, "is inside the inventory"),
        ((*KNOWN, "--host-key", "x"), 2, "says nothing of it"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    call: Call, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    got, out, err = call("init", "first", *WORDS, *words)
    assert (got, said in err) == (code, True), out + err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_fingerprint_is_enough_and_what_is_there_already_stays(call: Call, home: Path, tmp_path: Path) -> None:
    known = [word for host in ("centre-hn", "relay-1") for word in ("--host-key", f"{host}={fingerprint_of(KEY)}")]
    config = home / ".config/provisioner/config.toml"
    config.parent.mkdir(parents=True, mode=0o700)
    config.write_text('language = "en"\n', encoding="utf-8")
    code, out, err = call("init", "first", *WORDS, *known)
    assert code == 0, err
    assert config.read_text(encoding="utf-8") == 'language = "en"\n'
    assert f'  inventory = "{tmp_path}/first"' in out
    assert out.splitlines()[-1] == f"next: provisioner -i {Path('first')} keys init --allow trust=2"
    assert KEY in (tmp_path / "first/carriers/viettel.yml").read_text(encoding="utf-8")
    code, _, err = call("init", "first", *WORDS, *KNOWN)
    assert (code, "first is not empty" in err) == (2, True)


def test_whoever_stands_in_the_folder_stays_in_it(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "first"
    folder.mkdir()
    monkeypatch.chdir(folder)
    code, out, err = call("init", ".", *WORDS, *KNOWN)
    assert code == 0, err
    assert Path.cwd() == folder
    assert Path("inventory.yml").exists()
    assert "first commit" in out
    assert sorted(file.name for file in folder.iterdir() if file.name.startswith(".")) == [
        *(".git", ".gitattributes", ".gitignore")
    ]


@pytest.mark.parametrize("folders", [(), ("first",)])
@pytest.mark.parametrize(
    ("place", "kind", "said"),
    [
        ("vault/first", "dangling link", "holds no password"),
        ("vault/first", "folder", "holds no password"),
        ("vault/first", "empty", "holds no password"),
        ("vault", "empty", "cannot be written"),
    ],
)
def test_where_one_place_fails_nothing_is_made_anywhere(
    call: Call, tmp_path: Path, folders: tuple[str, ...], *, place: str, kind: str, said: str
) -> None:
    file = tmp_path / "home/.config/provisioner" / place
    file.parent.mkdir(parents=True, mode=0o700)
    if kind == "dangling link":
        file.symlink_to(tmp_path / "nowhere")
    elif kind == "folder":
        file.mkdir()
    else:
        file.touch()
    for folder in folders:
        (tmp_path / folder).mkdir()
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call("init", "first", *WORDS, *KNOWN)
    assert (code, said in err) == (2, True), out + err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_git_the_password_and_the_configuration_go_again(
    call: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path / "bin"))
        code, _, err = call("init", "first", *WORDS, *KNOWN)
    assert (code, "git cannot be run" in err, (tmp_path / "first").exists()) == (2, True, False), err
    assert [file for file in home.rglob("*") if file.is_file() and file.name != ".gitconfig"] == []
    assert call("init", "first", *WORDS, *KNOWN)[0] == 0


def test_a_full_disk_leaves_nothing(call: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(tmp_path.rglob("*"))
    write = Path.write_text

    def full(self: Path, data: str, encoding: str | None = None) -> int:
        if self.name == "pre-commit":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data, encoding)

    monkeypatch.setattr(Path, "write_text", full)
    code, _, err = call("init", "first", *WORDS, *KNOWN)
    assert (code, "No space left" in err) == (2, True), err
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(home / ".config")) == before
    assert [path for path in (home / ".config").rglob("*") if path.is_file()] == []


def test_the_password_goes_to_no_place_of_others(call: Call, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    code, _, err = call("init", "first", *WORDS, *KNOWN, "--vault-password", str(shared / "password"))
    assert (code, "others can write to" in err, stat.S_IMODE(shared.stat().st_mode)) == (2, True, 0o777), err
    subprocess.run(["git", "init", "-q", str(tmp_path / "whole")], check=True)
    root, password = tmp_path / "whole/first", tmp_path / "whole/password"
    code, _, err = call("init", str(root), *WORDS, *KNOWN, "--vault-password", str(password))
    assert (code, "is in the checkout" in err, root.exists(), password.exists()) == (2, True, False, False), err
    # Nobody knows of a home: nothing of a person's is put beside the inventory, into a checkout of all.
    code = run(["init", str(root), *WORDS, *KNOWN], {"PATH": os.environ["PATH"]})
    assert (code, root.exists(), (tmp_path / "whole/vault").exists()) == (2, False, False)


# --- hosts of carriers that have a node ------------------------------------------------------------------
SECOND = (
    *("--carrier", "vnpt=VNPT", "--province", "da-nang=vnpt", "--relay", "vnpt/relay-2@203.0.113.12"),
    *("--host-key", f"relay-2={KEY}"),
)


class AskedNode(OpenRunner):
    """The node of Viettel: it shows a key of each host, and who was asked about is written down."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[str, ...]] = {}

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        assert timeout_s > 0
        for call in calls:
            assert (call.request, call.files, call.spec.identity.reveal()) == ({"operation": "show-key"}, {}, "")
            self.asked[call.spec.id] = call.spec.carriers
            yield HostAnswer(call.spec.id, CallOutcome.ANSWERED, {"host_key": OTHER})


@pytest.mark.parametrize("more", [(), SECOND], ids=["one carrier", "two"])
def test_a_host_is_asked_by_the_node_of_the_carrier_that_it_is_for_alone(
    call: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    node, (viettel, *rest) = AskedNode(), WORDS[1:]
    monkeypatch.setattr(settings, "routed", lambda local, _file, _root: RoutedRunner(local, node, ["viettel"]))
    monkeypatch.setenv("PROVISIONER_NODES", str(home / "nodes.toml"))
    known = {"relay-1": OTHER, "centre-hn": KEY if more else OTHER}
    named = [word for host, key in known.items() for word in ("--host-key", f"{host}={fingerprint_of(key)}")]
    code, out, err = call("init", "first", "--carrier", viettel, *rest, *more, *named)
    assert code == 0, out + err
    assert node.asked == {"relay-1": ("viettel",)} | ({} if more else {"centre-hn": ("viettel",)})
    assert OTHER in (tmp_path / "first/carriers/viettel.yml").read_text(encoding="utf-8")


def test_what_a_node_refuses_is_said_and_nothing_is_made(
    call: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(AskedNode):
        def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
            for answer in super().stream(calls, timeout_s=timeout_s):
                yield HostAnswer(answer.host, CallOutcome.REFUSED, error="the node of viettel refuses: it is elsewhere")

    monkeypatch.setattr(settings, "routed", lambda local, _file, _root: RoutedRunner(local, Refusing(), ["viettel"]))
    monkeypatch.setenv("PROVISIONER_NODES", str(home / "nodes.toml"))
    code, _, err = call("init", "first", *WORDS)
    assert (code, "refuses: it is elsewhere" in err, "or name the key" in err) == (5, True, True), err
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize("host", ["centre-hn@-oProxyCommand", "centre-hn@centre", "centre-hn@203.0.113.31:99999"])
def test_what_no_host_can_be_called_by_is_asked_of_nobody(call: Call, tmp_path: Path, host: str) -> None:
    code, _, err = call(
        "init", "first", *six("--centre", host, "--relay", "relay-1@203.0.113.11", *WORDS[8:10]), *KNOWN[2:]
    )
    assert (code, "centre-hn cannot be called at" in err) == (2, True), err
    assert not (tmp_path / "first").exists()


# --- answers out of a file -------------------------------------------------------------------------------
def answers(tmp_path: Path, old: str = "", new: str = "") -> str:
    """The example of a file of answers, with an edit."""
    assert old in EXAMPLE
    (tmp_path / "a.yml").write_text(EXAMPLE.replace(old, new, 1) if old else EXAMPLE, encoding="utf-8")
    return "a.yml"


def test_the_printed_example_makes_what_the_options_make(call: Call, home: Path, tmp_path: Path) -> None:
    code, out, _ = call("init", "--print-answers")
    assert (code, out) == (0, EXAMPLE)
    assert call("init", "first", "--answers", answers(tmp_path))[0] == 0
    by_file = {path.name: path.read_bytes() for path in (tmp_path / "first").rglob("*.yml")}
    shutil.rmtree(tmp_path / "first")
    shutil.rmtree(home / ".config")
    words = (*WORDS, *KNOWN, "--since", "2025-07-01", "--centre-name", "Monitoring centre")
    assert call("init", "first", *words)[0] == 0
    assert by_file == {path.name: path.read_bytes() for path in (tmp_path / "first").rglob("*.yml")}


def test_an_option_that_is_written_counts_before_the_file(call: Call, tmp_path: Path) -> None:
    assert call("init", "first", "--answers", answers(tmp_path), "--id", "other", "--user", "noc")[0] == 0
    assert "id: other #" in (tmp_path / "first/inventory.yml").read_text(encoding="utf-8")
    assert "user: noc" in (tmp_path / "first/carriers/viettel.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("bac-ninh: viettel", "bac-nin: viettel", 3, r"a\.yml:\d+:\d+: .*bac-nin"),
        ("- relay-1@203.0.113.11", "- relay-1", 2, r"a\.yml:\d+:\d+: relay-1 is no host"),
        ("since: 2025-07-01", "since: tomorrow", 2, r"a\.yml:15:1: since: .*tomorrow"),
        ("since: 2025-07-01", "since: [2025-07-01, 2025-07-02]", 2, r"a\.yml:15:\d+: since is one text"),
        ("user: deploy", "usr: deploy", 2, r"a\.yml:20:1: init has no option 'usr'\nhint: did you mean user"),
        ("user: deploy", "user: {a: {b: c}}", 2, r"a\.yml:20:\d+: user is a text, or a list"),
        ("  viettel: Viettel", "  ..x: Viettel", 2, r"a\.yml:\d+:3: \.\.x is no id"),
        ("user: deploy", "user: [", 2, r"a\.yml:\d+:\d+: not YAML"),
        ("user: deploy", "user: *deploy", 2, r"a\.yml:20:\d+: "),
        (
            f"relay-1: {KEY}",
            f"relay-2: {KEY}",
            2,
            r"a\.yml:\d+:\d+: .*relay-2.* no host here\nhint: did you mean relay-1",
        ),
        (f"relay-1: {KEY}", "relay-1: SHA256:x", 6, r"a\.yml:\d+:\d+: relay-1 .* another key"),
    ],
    ids=str,
)
def test_what_is_wrong_in_a_file_is_said_with_its_line_and_nothing_is_made(
    call: Call, tmp_path: Path, *, old: str, new: str, code: int, said: str
) -> None:
    name = answers(tmp_path, old, new)
    before = sorted(tmp_path.rglob("*"))
    got, out, err = call("init", "first", "--answers", name)
    assert got == code, out + err
    assert re.search(said, err), err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "data", [b"", b"- a\n", b"\xff\n", b"a: 1\n" * 300_000], ids=["empty", "list", "bytes", "long"]
)
def test_a_file_that_holds_no_answers_is_refused(call: Call, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.yml").write_bytes(data)
    assert call("init", "first", "--answers", "a.yml")[0] == 2
    assert not (tmp_path / "first").exists()


def test_no_key_that_looks_like_a_password_is_repeated(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(f"password={CANARY}: x\n", encoding="utf-8")
    code, out, err = call("init", "first", "--answers", "a.yml")
    assert (code, CANARY in out + err) == (2, False)


def test_without_a_folder_or_a_file_nothing_is_begun(call: Call) -> None:
    assert call("init")[0] == 2
    assert call("init", "first", "--answers", "nowhere.yml")[0] == 2


def six(*words: str) -> tuple[str, ...]:
    """The words of `init` with other hosts and another network."""
    kept = [word for word in WORDS if word not in {"--management", "--centre", "--relay"} and "@" not in word]
    return (*(word for word in kept if word != "198.51.100.0/27"), *words)


def test_hosts_are_named_over_ipv6_with_and_without_a_port_and_a_centre_by_its_name(call: Call, tmp_path: Path) -> None:
    hosts = ("--centre", "centre-hn@centre.example.com:2222", "--relay", "relay-1@2001:db8::11")
    more = ("--relay", "relay-2@[2001:db8::12]:2200", "--management", "2001:db8:7::/48", "--management", "::1/128")
    json_init = ("--output", "json", "init", "first")
    code, out, err = call(*json_init, *six(*hosts, *more), *KNOWN, "--host-key", f"relay-2={OTHER}")
    assert code == 0, out + err
    code, out, _ = call("--output", "json", "validate")
    problems = json.loads(out)["problems"]
    assert {problem["code"] for problem in problems} == {"host-keys-missing", "secrets-missing"}
    text = (tmp_path / "first/carriers/viettel.yml").read_text(encoding="utf-8")
    assert 'management_networks: ["2001:db8:7::/48", "::1/128"]' in text
    assert text.count("port: 2200") == 1


@pytest.mark.parametrize("place", ["[2001:db8::1", "[2001:db8::1]22", "[2001:db8::1]:", "relay.example.com", "x:y"])
def test_a_relay_that_cannot_be_called_so_is_refused(call: Call, tmp_path: Path, place: str) -> None:
    hosts = ("--management", "2001:db8:7::/48", "--centre", "centre-hn@2001:db8::31", "--relay", f"relay-1@{place}")
    assert call("init", "first", *six(*hosts), *KNOWN)[0] in {2, 3}
    assert not (tmp_path / "first").exists()
