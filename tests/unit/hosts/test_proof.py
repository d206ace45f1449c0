"""A host gets nothing before it has proved itself: a stranger in its place, and the key that is left there."""

import hmac
import io
import json
import os
import re
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.secret import Secret, identity_key, proof_of, seals_of
from provisioner.hosts.ansible.play import AnsibleRunner, Proofs
from provisioner.hosts.runner import CallOutcome, HostCall
from provisioner.inventory.model.hosts import JumpHost
from provisioner.operations.rollout.job import Job, RolloutOptions, first_call
from provisioner.plan.change import HOST, Action, Change, Impact, Resource
from provisioner_host import bundle
from tests import fleets, inventories
from tests.hostile import LOCAL_USER, MERGE_REQUEST, RELAY
from tests.lab.patience import stretched
from tests.unit.operations.rollout.world import state

SPEC = state({}).hosts["centre"]
CANARY = "canary-secret-of-a-bundle"
CALL = HostCall(SPEC, {"operation": "observe", "secret": CANARY}, {"file": CANARY.encode()})
# In the place of ssh: what a machine that answers under the pinned host key is sent, and what it says.
STRANGER = """#!/bin/sh
for word; do command=$word; done
printf '%s\\n' "$command" >> "$(dirname "$0")/commands"
cd "$(dirname "$0")" || exit
# Whoever lets a program stay ends its input only later.
if IFS= read -r line; then printf '%s\n' "$line" >> sent; fi
case "$line" in PROVISIONER-STAY*) ;; *) cat >> sent ;; esac
cat says
"""


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A private folder on tmpfs, empty at the end."""
    folder = Path("/dev/shm") / f"proof-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    folder.mkdir(mode=0o700)
    yield folder
    assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder with an `ssh` that connects to a machine of the attacker's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(STRANGER)
    (folder / "ssh").chmod(0o755)
    (folder / "sent").touch()
    return folder


@RELAY
@MERGE_REQUEST
@pytest.mark.parametrize(
    "says",
    [
        "",
        "PROVISIONER-PROOF \n",
        f"PROVISIONER-PROOF {'0' * 64}\n",
        'PROVISIONER-ANSWER {"ok": true, "answer": {}}\n',
        f"PROVISIONER-PROOF {identity_key(replace(SPEC, id='other').digest_key).reveal()}\n",
        "\x1b]0;owned\x07 no\n",
        "PROVISIONER-PROOF \udcff\n",
    ],
    ids=["nothing", "an empty proof", "a made-up proof", "an answer at once", "a key", "escapes", "no text"],
)
@pytest.mark.parametrize("before", [False, True], ids=["by the call", "before it"])
def test_a_stranger_under_the_pinned_host_key_is_sent_a_challenge_and_nothing_else(
    stranger: Path, runtime: Path, says: str, *, before: bool
) -> None:
    (stranger / "says").write_bytes(says.encode(errors="surrogateescape"))
    environment = {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{stranger}:/usr/bin:/bin"}
    runner = AnsibleRunner(fleets.templates(), environment)
    if before:
        runner.expect([SPEC])
        runner.prove([SPEC])
    (answer,) = runner.call([replace(CALL, shares=True)], timeout_s=30).values()
    runner.close()
    assert answer.outcome is CallOutcome.UNPROVED, answer
    sent, commands = (stranger / "sent").read_text(), (stranger / "commands").read_text()
    assert (answer.foreign, answer.bare) == (True, False), "something of somebody's is there"
    stays, *once = sent.splitlines()
    word, challenge, digest = stays.split(" ")
    assert (word, len(challenge), digest) == ("PROVISIONER-STAY", 64, fleets.templates().host_digest)
    # A wrong proof is the end of it; without one the program may be an older one, which knows another word.
    has_said = re.search("PROVISIONER-PROOF .", says) is not None
    assert once == ([] if has_said else [challenge])
    assert CANARY not in sent + commands
    assert SPEC.digest_key.reveal() not in sent + commands
    assert re.findall("provisioner-host [a-z]*", commands) == [
        "provisioner-host call",
        *([] if has_said else ["provisioner-host prove"]),
    ]


# In the place of ssh: the host itself, which holds the key that was left on it, with a program that does not stay yet;
# or one that nobody reaches.
HOST_ITSELF = """
import hmac, pathlib, sys
folder = pathlib.Path(sys.argv[0]).parent
with (folder / "words").open("a") as words:
    words.write(sys.argv[-1].split("provisioner-host ")[1].split()[0].strip("'") + chr(10))
if (folder / "away").exists():
    sys.stderr.write("ssh: connect to host centre port 22: Connection timed out" + chr(10))
    sys.exit(255)
said = sys.stdin.buffer.readline()
key = (folder / "key").read_bytes()
if said.startswith(b"PROVISIONER-STAY "):
    sys.stderr.write("the bundle is not sealed under the key that was left here: nothing of it was read" + chr(10))
    sys.exit(1)
said += sys.stdin.buffer.read()
if "provisioner-host prove" in sys.argv[-1]:
    print(chr(10) + "PROVISIONER-PROOF " + hmac.digest(key, b"prove" + bytes(1) + said.strip(), "sha256").hex())
else:
    print(chr(10) + 'PROVISIONER-ANSWER {"ok": true, "answer": {"bytes": ' + str(len(said)) + "}}")
"""


@pytest.fixture
def itself(tmp_path: Path) -> Path:
    """A folder with an `ssh` that connects to the host itself; `words` has what was asked of it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "host.py").write_text(HOST_ITSELF)
    (folder / "ssh").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {folder}/host.py "$@"\n')
    (folder / "ssh").chmod(0o755)
    (folder / "key").write_text(SPEC.identity.reveal())
    return folder


def test_a_host_that_is_expected_proves_itself_before_there_is_a_call_and_once(itself: Path, runtime: Path) -> None:
    runner = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{itself}:/usr/bin:/bin"})
    runner.prove([SPEC])  # nobody is there who could ask it
    runner.expect([SPEC])
    runner.prove([SPEC])
    until = time.monotonic() + stretched(20)
    while not (itself / "words").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (itself / "words").read_text().startswith("call\n")
    shared = replace(CALL, shares=True)
    for _ in range(2):
        (answer,) = runner.call([shared], timeout_s=30).values()
        assert (answer.outcome, list(answer.document)) == (CallOutcome.ANSWERED, ["bytes"]), answer
    runner.prove([SPEC])  # it has
    (answer,) = runner.call([CALL], timeout_s=30).values()
    runner.close()
    assert answer.outcome is CallOutcome.ANSWERED
    assert (itself / "words").read_text().split() == ["call", "prove", "call", "call", "call"]


def test_a_proof_that_was_asked_for_before_is_none_for_a_connection_of_its_own(itself: Path, runtime: Path) -> None:
    runner = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{itself}:/usr/bin:/bin"})
    runner.expect([SPEC])
    runner.prove([SPEC])
    (answer,) = runner.call([CALL], timeout_s=30).values()
    runner.close()
    assert answer.outcome is CallOutcome.ANSWERED
    assert (itself / "words").read_text().split() == ["call", "prove", "prove", "call"]


def test_a_host_that_is_not_reached_for_proof_is_not_tried_twice_by_one_call(itself: Path, runtime: Path) -> None:
    (itself / "away").touch()
    runner = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{itself}:/usr/bin:/bin"})
    runner.expect([SPEC])
    runner.prove([SPEC])
    shared = replace(CALL, shares=True)
    (answer,) = runner.call([shared], timeout_s=30).values()
    assert answer.outcome is CallOutcome.UNREACHABLE
    assert (itself / "words").read_text().split() == ["call"]
    (itself / "away").unlink()
    (answer,) = runner.call([shared], timeout_s=30).values()
    runner.close()
    assert answer.outcome is CallOutcome.ANSWERED, answer
    assert (itself / "words").read_text().split() == ["call", "call", "prove", "call"]


# --- the controller's side ------------------------------------------------------------------------
def test_a_host_is_challenged_until_it_has_answered_and_never_with_the_same_words_twice() -> None:
    proofs = Proofs()
    first, second = proofs.challenge(SPEC), proofs.challenge(SPEC)
    assert first["challenge"] != second["challenge"]
    for outcome in (CallOutcome.UNREACHABLE, CallOutcome.FAILED, CallOutcome.UNPROVED):
        proofs.answered(CALL, outcome)
        assert proofs.challenge(SPEC)["needed"]
    proofs.answered(CALL, CallOutcome.ANSWERED)
    assert not proofs.challenge(SPEC)["needed"]


@pytest.mark.parametrize("unproved", [False, True])
def test_one_that_gave_up_its_key_is_challenged_again(*, unproved: bool) -> None:
    proofs = Proofs()
    proofs.answered(replace(CALL, unproved=unproved), CallOutcome.ANSWERED)
    removal = replace(CALL, request={"operation": "remove"}, unproved=unproved)
    proofs.answered(removal, CallOutcome.FAILED)
    assert not proofs.challenge(SPEC)["needed"], "it has not given it up"
    proofs.answered(removal, CallOutcome.ANSWERED)
    assert proofs.challenge(SPEC)["needed"]


@MERGE_REQUEST
def test_what_was_proved_over_one_jump_host_is_no_proof_over_another() -> None:
    proofs = Proofs()
    proofs.answered(CALL, CallOutcome.ANSWERED)
    jump = JumpHost(address=IPv4Address("192.0.2.9"), ssh=SPEC.ssh)
    assert proofs.challenge(replace(SPEC, jump=jump))["needed"]


@MERGE_REQUEST
@pytest.mark.parametrize("part", ["host_key", "user", "port"])
def test_what_one_place_has_proved_is_no_proof_of_another(part: str) -> None:
    proofs = Proofs()
    proofs.answered(CALL, CallOutcome.ANSWERED)
    changed = {"host_key": inventories.HOST_KEY[:-1] + "B", "user": "other", "port": 2222}[part]
    moved = replace(SPEC, ssh=SPEC.ssh.model_copy(update={part: changed}))
    assert proofs.challenge(moved)["needed"]


def test_a_host_that_was_taken_on_somebodys_word_gets_no_seal_that_it_could_not_check() -> None:
    proofs = Proofs()
    proofs.answered(replace(CALL, unproved=True), CallOutcome.ANSWERED)
    assert not proofs.is_sealed(CALL)
    assert not proofs.challenge(SPEC)["needed"]


@given(st.text("abc", max_size=4), st.text("abc", max_size=4))
@settings(max_examples=100, deadline=None)
def test_no_host_can_answer_for_another(one: str, other: str) -> None:
    keys = [fleets.state_of(fleets.complete(inventories.inventory())).hosts[SPEC.id].digest_key]
    identity = identity_key(keys[0])
    assert (proof_of(identity, one) == proof_of(identity, other)) == (one == other)
    seals = seals_of(identity, one.encode(), b"", "observe", "digest").values()
    assert proof_of(identity, one) not in " ".join(seals).split(), "a proof is never the seal of a bundle"


# --- the host's side ------------------------------------------------------------------------------
@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The key that was left on this host."""
    key = secrets.token_hex(32).encode()
    (tmp_path / "identity").write_bytes(key + b"\n")
    monkeypatch.setattr(bundle, "IDENTITY", str(tmp_path / "identity"))
    monkeypatch.setattr(bundle, "OWNER_FILE", str(tmp_path / "owner.json"))
    monkeypatch.setattr(bundle, "MANIFEST", str(tmp_path / "manifest.json"))
    monkeypatch.setattr(bundle, "_RUN", str(tmp_path))
    return key


class _Input:
    """Standard input that holds some bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_a_host_proves_itself_by_its_key(
    key: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Input(b"challenge\n"))
    assert bundle.prove() == 0
    owner, proof = capsys.readouterr().out.split("\n\n")
    assert owner.strip() == f"{bundle.OWNER}unmarked"
    assert proof.strip().removeprefix(bundle.PROOF) == hmac.digest(key, b"prove\0challenge", "sha256").hex()


@LOCAL_USER
@pytest.mark.parametrize("seal", ["none", "of another key", "of a shorter bundle", "as a proof", "in front of more"])
def test_who_may_call_the_program_by_sudo_but_holds_no_key_can_have_it_do_nothing(
    key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seal: str
) -> None:
    marker = tmp_path / "executed"
    content = _bundle(f"open({str(marker)!r}, 'w').close()")
    seals = {
        "none": b"",
        "of another key": _seal(b"another", content),
        "of a shorter bundle": _seal(key, content[:-1]),
        "as a proof": bundle.SEAL + hmac.digest(key, b"prove\0" + content, "sha256").hex().encode() + b"\n",
        "in front of more": _seal(key, content) + b"more",
    }
    monkeypatch.setattr(sys, "stdin", _Input(seals[seal] + content))
    assert bundle.call() == 1
    assert not marker.exists()
    assert "nothing of it was read" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("provisioner-")] == []


class _Endless(io.RawIOBase):
    """Standard input of somebody who never ends; how much of it was taken is counted."""

    taken = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill what there is room for."""
        self.taken += len(buffer)
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


@LOCAL_USER
def test_what_no_key_has_sealed_is_not_stored(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key
    endless = _Endless()
    source = _Input(b"")
    source.buffer = io.BufferedReader(endless)  # type: ignore[assignment]  # another kind of stream
    monkeypatch.setattr(sys, "stdin", source)
    assert bundle.call() == 1
    assert endless.taken <= 1 << 16


@RELAY
def test_a_host_that_has_proved_itself_is_not_sent_its_identity_again() -> None:
    desired = state({"kcl-bg-001": 1})
    files = fleets.files_of(desired)
    for spec in desired.hosts.values():
        change = Change(spec.id, Resource.TRUST, HOST, Action.CREATE, Impact.NONE, "new")
        known, new = (Job(spec, files[spec.id], None, "", changes=changes) for changes in ((), (change,)))
        identity = spec.identity.reveal().encode()
        sent = {job.unproved: first_call(job, "run", RolloutOptions(gate=None)) for job in (known, new)}
        assert not [name for name, content in sent[False].files.items() if identity in content]
        assert identity.decode() not in json.dumps(sent[False].request)
        assert sent[True].files["identity"].strip() == identity


def test_a_bundle_under_the_key_is_served(key: bytes, tmp_path: Path) -> None:
    content = _bundle("print('served')")
    program = "import sys; from provisioner_host import bundle; bundle.IDENTITY, bundle._RUN = sys.argv[1:];"
    done = subprocess.run(
        [sys.executable, "-c", program + "sys.exit(bundle.call())", str(tmp_path / "identity"), str(tmp_path)],
        input=_seal(key, content) + content,
        capture_output=True,
        env={"PYTHONPATH": str(Path(bundle.__file__).parents[1])},
        check=False,
    )
    # The bundle's own program serves, not the one that was installed and took it.
    assert (done.returncode, done.stdout) == (0, b"served\n"), done.stderr.decode()


def _seal(key: bytes, content: bytes) -> bytes:
    return bundle.SEAL + seals_of(Secret(key.decode()), content, b"", "observe", "")["once"].encode() + b"\n"


def _bundle(main: str) -> bytes:
    """A bundle whose program does something when it is imported."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in {"__init__.py": "", "main.py": f"{main}\ndef serve(folder): pass\n"}.items():
            entry = tarfile.TarInfo(f"provisioner_host/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()
