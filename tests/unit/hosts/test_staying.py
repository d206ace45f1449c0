"""The host program stays on a shared connection: one start, its own text sent once, and each call by itself."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from provisioner.base.secret import Secret, proof_of, seals_of
from provisioner.desired.render.templates import Templates, load_templates
from provisioner.hosts.ansible.play import AnsibleRunner, program_bundle, write_bundle
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner_host import bundle
from provisioner_host.state.dead_man import LONGEST_S
from tests import fleets
from tests.hostile import LOCAL_USER, RELAY
from tests.lab.patience import stretched
from tests.unit.operations.rollout.world import state

SPEC: Final = state({}).hosts["centre"]
KEY: Final = SPEC.identity.reveal()
# A program that says which process serves a call, what an earlier call left in it, and what the call asks of it.
MAIN: Final = """
import json, os, signal, sys, time
left = []
def load(operation):
    left.append("loaded " + operation)
def serve(folder):
    request = json.load(open(folder + "/request.json"))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    before = list(left)
    left.append("served")
    if request.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if request.get("raise"):
        raise ValueError
    if "wait" in request:
        open(request["wait"] + ".begun", "w").close()
        while not os.path.exists(request["wait"]):
            time.sleep(0.02)
        open(request["wait"] + ".done", "w").close()
    answer = {"pid": os.getpid(), "parent": os.getppid(), "before": before, "name": NAME, "stdin": sys.stdin.read()}
    answer["files"] = sorted(os.listdir(folder + "/files"))
    print()
    print("PROVISIONER-ANSWER " + json.dumps({"ok": True, "answer": answer}), flush=True)
"""


def program(name: str) -> Templates:
    """A program of this name, in the place of the one that hosts get."""
    sources = {"__init__.py": b"", "main.py": f"NAME = {name!r}\n{MAIN}".encode()}
    return replace(load_templates(), host_sources=sources)


class Host:
    """A host in a folder: its door is the real one, with other places for what it reads and writes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        for name in ("run", "lib"):
            (folder / name).mkdir()
        self.identity = folder / "identity"
        self.identity.write_text(KEY)
        self.door = folder / "door.py"
        text = Path(bundle.__file__).read_text(encoding="utf-8")
        for name, value in {
            "IDENTITY": str(self.identity),
            "_RUN": str(self.run),
            "_LIB": str(folder / "lib"),
            "OWNER_FILE": str(folder / "owner.json"),
            "MANIFEST": str(folder / "manifest.json"),
        }.items():
            text, count = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", text, flags=re.MULTILINE)
            assert count == 1
        self.door.write_text(text + "\nsys.exit(prove() if sys.argv[1:] == ['prove'] else call())\n")

    @property
    def command(self) -> list[str]:
        """What sudo would start."""
        return [sys.executable, "-I", "-S", str(self.door), "call"]

    def begin_with(self, deed: str) -> None:
        """Let the door do this first."""
        text = self.door.read_text()
        self.door.write_text(text.replace("TYPE_CHECKING = False", f"{deed}\nTYPE_CHECKING = False", 1))

    def idle_after(self, seconds: float) -> None:
        """Let a program that stays wait only so long."""
        self.door.write_text(re.sub(r"^IDLE_S = .*$", f"IDLE_S = {seconds}", self.door.read_text(), flags=re.MULTILINE))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with the key of `SPEC`."""
    folder = tmp_path / "host"
    folder.mkdir()
    return Host(folder)


def frame(
    request: Mapping[str, object], templates: Templates, folder: Path, *, whole: bool = True, key: str = KEY
) -> tuple[bytes, bytes]:
    """The line of a call and what follows it."""
    path = folder / f"bundle-{secrets.token_hex(4)}"
    write_bundle(path, HostCall(SPEC, request))
    content, added = path.read_bytes(), program_bundle(templates)
    operation = str(request["operation"])
    seals = seals_of(Secret(key), content, added, operation, templates.host_digest)
    line = f"PROVISIONER-CALL {seals['whole' if whole else 'bare']}\n".encode()
    return line, content + added if whole else content


class Session:
    """A program that stays, as its controller sees it."""

    def __init__(self, host: Host, templates: Templates) -> None:
        self.host, self.templates = host, templates
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(host.command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        challenge = secrets.token_hex(32)
        self.send(f"PROVISIONER-STAY {challenge} {templates.host_digest}\n".encode())
        self.greeting = [self.line() for _ in range(5)] if self.process.stdout else []
        assert f"PROVISIONER-PROOF {proof_of(Secret(KEY), challenge)}" in self.greeting

    def send(self, data: bytes) -> None:
        """Write all of it."""
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) or 0 :]

    def line(self) -> str:
        """The next line that the host says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().removesuffix("\n")

    def call(self, request: Mapping[str, object], *, whole: bool = True) -> dict[str, object]:
        """What comes of a call."""
        self.send(b"".join(frame(request, self.templates, self.host.folder, whole=whole)))
        assert self.line() == ""
        answer: dict[str, object] = json.loads(self.line().removeprefix("PROVISIONER-ANSWER "))["answer"]
        return answer

    def end(self) -> tuple[int, str]:
        """End the input; return code and complaint."""
        out, complaint = self.process.communicate(timeout=stretched(20))
        assert b"PROVISIONER-ANSWER" not in out
        return self.process.returncode, complaint.decode()


@contextmanager
def session(host: Host, templates: Templates) -> Iterator[Session]:
    """A session that ends with the test."""
    one = Session(host, templates)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            if stream is not None:
                stream.close()


# --- the host's side ------------------------------------------------------------------------------
def test_calls_are_served_one_after_the_other_and_leave_no_state(host: Host) -> None:
    with session(host, program("one")) as one:
        assert one.greeting[-1] == "PROVISIONER-PROGRAM missing"
        answers = [one.call({"operation": "observe"})] + [
            one.call({"operation": "observe"}, whole=False) for _ in range(3)
        ]
        code, complaint = one.end()
    assert (code, complaint) == (0, "")
    assert {answer["parent"] for answer in answers} == {one.process.pid}
    assert len({answer["pid"] for answer in answers}) == 4
    # What the process that stays imports for an operation is all that a call finds.
    assert [answer["before"] for answer in answers] == [["loaded observe"] * number for number in range(4)]
    assert {answer["stdin"] for answer in answers} == {""}, "no program of a call reads the next call"
    assert [path.name for path in host.run.iterdir()] == [f"provisioner-program-{program('one').host_digest}"]


def test_a_program_that_is_there_is_used_without_being_sent(host: Host) -> None:
    with session(host, program("one")) as first:
        first.call({"operation": "observe"})
    with session(host, program("one")) as second:
        assert second.greeting[-1] == "PROVISIONER-PROGRAM there"
        assert second.call({"operation": "observe"}, whole=False)["name"] == "one"


def test_a_program_in_use_outlives_the_hour_after_which_others_go(host: Host) -> None:
    with session(host, program("one")) as one:
        one.call({"operation": "observe"})
        (kept,) = host.run.glob("provisioner-program-*")
        os.utime(kept, (1, 1))
        one.call({"operation": "observe"}, whole=False)
        with session(host, program("two")) as two:
            two.call({"operation": "observe"})
        assert one.call({"operation": "observe"}, whole=False)["name"] == "one"


def test_a_call_without_the_program_is_refused_if_the_host_lacks_it(host: Host) -> None:
    with session(host, program("one")) as one:
        one.send(b"".join(frame({"operation": "observe"}, program("one"), host.folder, whole=False)))
        assert one.end() == (1, "this host lacks the program of the call: nothing of it was done\n")


@LOCAL_USER
@pytest.mark.parametrize("sent", ["two", "one with the text of two"])
def test_a_process_serves_no_other_program_than_the_one_it_began_with(host: Host, sent: str) -> None:
    with session(host, program("two")) as two:
        two.call({"operation": "observe"})
    with session(host, program("one")) as one:
        line, content = frame({"operation": "observe"}, program("two"), host.folder)
        if sent != "two":
            # Whoever has the key seals the text of one program for another one.
            path = host.folder / "bundle"
            write_bundle(path, HostCall(SPEC, {"operation": "observe"}))
            added, digest = program_bundle(program("two")), program("one").host_digest
            seals = seals_of(SPEC.identity, path.read_bytes(), added, "observe", digest)
            line, content = f"PROVISIONER-CALL {seals['whole']}\n".encode(), path.read_bytes() + added
        one.send(line + content)
        code, complaint = one.end()
    assert code == 1
    assert "nothing of it was" in complaint


@LOCAL_USER
@pytest.mark.parametrize(
    "deed", ["another key", "no key any more", "shorter", "longer", "changed", "once", "another operation", "garbage"]
)
def test_what_no_key_has_sealed_is_not_served(host: Host, deed: str) -> None:
    with session(host, program("one")) as one:
        one.call({"operation": "observe"})
        key = "another" if deed == "another key" else KEY
        line, content = frame({"operation": "observe"}, program("one"), host.folder, whole=False, key=key)
        match deed:
            case "no key any more":
                host.identity.unlink()
            case "shorter":
                content = content[:-1]
            case "longer":
                line, content = b"", b"x" + line + content
            case "changed":
                content = content[:600] + b"x" + content[601:]
            case "once":
                once = seals_of(SPEC.identity, content, b"", "observe", program("one").host_digest)["once"]
                line = f"PROVISIONER-CALL {once}\n".encode()
            case "another operation":
                line = line.replace(b" observe", b" remove")
            case "garbage":
                line = secrets.token_bytes(4000)
        one.send(line + content)
        assert one.end() == (1, "the bundle is not sealed under the key that was left here: nothing of it was read\n")


@LOCAL_USER
def test_a_call_that_was_seen_reaches_no_other_program_and_no_host_with_another_key(host: Host) -> None:
    """As ever, the program itself refuses a run that has ended (`test_epoch`)."""
    seen = b"".join(frame({"operation": "observe"}, program("one"), host.folder))
    with session(host, program("one")) as one:
        for _ in range(2):
            one.send(seen)
            assert (one.line(), one.line()[:19]) == ("", "PROVISIONER-ANSWER ")
        host.identity.write_text("another")
        one.send(seen)
        assert one.end()[0] == 1
    host.identity.write_text(KEY)
    with session(host, program("two")) as two:
        two.send(seen)
        assert two.end()[0] == 1


@LOCAL_USER
@pytest.mark.parametrize("words", [b"", b"x", b"x ../../etc/passwd", b"x " + b"a" * 31 + b"/", b"x " + b"a" * 33])
def test_a_program_is_named_by_a_digest_alone(host: Host, words: bytes) -> None:
    done = subprocess.run(host.command, input=b"PROVISIONER-STAY " + words + b"\n", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"names a challenge and a program" in done.stderr


@pytest.mark.parametrize(("deed", "code"), [("die", 137), ("raise", 1)])
def test_a_call_that_crashes_ends_as_it_does_in_a_process_of_its_own(host: Host, deed: str, code: int) -> None:
    with session(host, program("one")) as one:
        one.send(b"".join(frame({"operation": "observe", deed: True}, program("one"), host.folder)))
        ended, complaint = one.end()
    assert ended == code
    assert complaint.splitlines()[-1:] == (["ValueError"] if deed == "raise" else [])
    with session(host, program("one")) as again:
        assert again.call({"operation": "observe"}, whole=False)["name"] == "one"
        again.end()
    assert len(list(host.run.iterdir())) == 1, "no bundle of the process that was killed stays"


@pytest.mark.parametrize("cut", ["the input ends", "nobody reads", "the process is killed"])
def test_a_call_that_has_begun_ends_without_its_connection(host: Host, tmp_path: Path, cut: str) -> None:
    gate = tmp_path / "gate"
    with session(host, program("one")) as one:
        one.send(b"".join(frame({"operation": "apply", "wait": str(gate)}, program("one"), host.folder)))
        wait_for(Path(f"{gate}.begun"))
        assert one.process.stdin is not None
        assert one.process.stdout is not None
        match cut:
            case "the input ends":
                one.process.stdin.close()
            case "nobody reads":
                one.process.stdin.close()
                one.process.stdout.close()
            case _:
                one.process.kill()
        # A later call leaves the files of one that still runs alone.
        with session(host, program("one")) as later:
            later.call({"operation": "status"}, whole=False)
        assert [path for path in host.run.iterdir() if path.name.startswith("provisioner-bundle-")]
        gate.touch()
        wait_for(Path(f"{gate}.done"))
        until = time.monotonic() + stretched(20)
        while len(list(host.run.iterdir())) > 1 and time.monotonic() < until:
            time.sleep(0.02)
    assert len(list(host.run.iterdir())) == 1


def wait_for(path: Path) -> None:
    until = time.monotonic() + stretched(20)
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_process_without_calls_ends_later_than_any_change_waits(host: Host) -> None:
    assert bundle.IDLE_S > LONGEST_S
    host.idle_after(0.2)
    with session(host, program("one")) as one:
        one.call({"operation": "observe"})
        assert one.process.wait(stretched(20)) == 0
    with session(host, program("one")) as one:
        one.call({"operation": "observe"}, whole=False)
        one.send(b"PROVISIONER-CALL ")
        assert one.process.wait(stretched(20)) == 0, "half a line is no call"


@LOCAL_USER
@pytest.mark.parametrize("words", [2, 4])
@pytest.mark.parametrize("whole", [True, False])
def test_a_call_for_a_process_that_stays_is_no_call_by_itself(host: Host, words: int, whole: bool) -> None:  # noqa: FBT001
    line, content = frame({"operation": "observe"}, program("one"), host.folder, whole=whole)
    line = b" ".join(line.split()[: words + 1]) + b"\n"
    done = subprocess.run(host.command, input=line + content, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nothing of it was read" in done.stderr
    assert list(host.run.iterdir()) == []


@pytest.mark.parametrize("part", [1, 100, 1 << 20])
def test_calls_that_come_together_or_in_small_parts_are_served_in_their_order(host: Host, part: int) -> None:
    with session(host, program("one")) as one:
        one.call({"operation": "observe"})
        calls = [frame({"operation": name}, program("one"), host.folder, whole=False) for name in ("look", "confirm")]
        sent = b"".join(b"".join(call) for call in calls)
        for start in range(0, len(sent), part):
            one.send(sent[start : start + part])
        answers = [json.loads([one.line(), one.line()][1].removeprefix("PROVISIONER-ANSWER ")) for _ in calls]
        assert one.end() == (0, "")
    loaded = [answer["answer"]["before"] for answer in answers]
    assert loaded == [["loaded look"], ["loaded look", "loaded confirm"]]


def test_a_program_that_another_call_deletes_meanwhile_is_no_failure(host: Host) -> None:
    gone = "provisioner-program-gone"
    host.begin_with(f"os.listdir = lambda path, usual=os.listdir: [*usual(path), {gone!r}]")
    with session(host, program("one")) as one:
        assert one.call({"operation": "observe"})["name"] == "one"
        assert one.end() == (0, "")


def test_a_run_folder_that_became_read_only_is_one_sentence(host: Host) -> None:
    with session(host, program("one")) as one:
        one.call({"operation": "observe"})
    host.begin_with(
        """
import tempfile
def no(*_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))
os.utime = tempfile.mkdtemp = no
"""
    )
    with session(host, program("one")) as one:
        one.send(b"".join(frame({"operation": "observe"}, program("one"), host.folder, whole=False)))
        code, complaint = one.end()
    assert code == 1
    assert complaint.splitlines() == [
        f"{host.run} takes no bundle: Read-only file system: see that it is a tmpfs that root can write to"
    ]


def test_a_host_without_room_for_a_process_says_so_and_has_done_nothing(host: Host) -> None:
    host.begin_with("def no():\n    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))\nos.fork = no")
    with session(host, program("one")) as one:
        one.send(b"".join(frame({"operation": "observe"}, program("one"), host.folder)))
        code, complaint = one.end()
    assert (code, complaint.splitlines()[-1:]) == (1, ["BlockingIOError: [Errno 11] Resource temporarily unavailable"])
    assert list(host.run.iterdir()) == []


def test_a_sealed_call_of_an_older_controller_is_served_as_ever(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    write_bundle(path, HostCall(SPEC, {"operation": "observe"}))
    content = path.read_bytes() + program_bundle(program("one"))
    seal = seals_of(SPEC.identity, content, b"", "observe", "")["once"]
    done = subprocess.run(
        host.command, input=f"PROVISIONER-CALL {seal}\n".encode() + content, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b'"name": "one"' in done.stdout
    proved = subprocess.run([*host.command[:-1], "prove"], input=b"challenge\n", capture_output=True, check=False)
    assert f"PROVISIONER-PROOF {proof_of(SPEC.identity, 'challenge')}".encode() in proved.stdout


# --- the controller's side ------------------------------------------------------------------------
# In the place of ssh: counts what is started on the host, and keeps what it is sent. If there is a `deed`, a shell does
# that in the place of the host.
SSH: Final = r"""
import os, pathlib, re, subprocess, sys, threading
folder = pathlib.Path(sys.argv[0]).parent
words = " ".join(sys.argv[1:])
word = re.search("provisioner-host ([a-z]+)", words)[1]
for name, line in {"starts": word, "ways": (re.findall("ControlPath=([^ ]+)", words) or ["own"])[0]}.items():
    with (folder / name).open("a") as file:
        print(line, file=file)
deed = folder / "deed"
argv = ["/bin/sh", "-c", deed.read_text()] if deed.exists() else ["PYTHON", "-IS", "DOOR", word]
child = subprocess.Popen(argv, stdin=subprocess.PIPE, bufsize=0)
def carry():
    with (folder / "sent").open("ab", buffering=0) as sent:
        while part := os.read(0, 65536):
            sent.write(part)
            try:
                child.stdin.write(part)
            except BrokenPipeError:
                return
        child.stdin.close()
threading.Thread(target=carry, daemon=True).start()
code = child.wait()
os._exit(code if code >= 0 else 128 - code)
"""


class Way:
    """A host behind a false ssh, and a runner that calls it."""

    def __init__(self, host: Host, folder: Path, runtime: Path) -> None:
        self.host, self.folder = host, folder
        folder.mkdir()
        (folder / "host.py").write_text(SSH.replace("PYTHON", sys.executable).replace("DOOR", str(host.door)))
        ssh = folder / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {folder}/host.py "$@"\n')
        ssh.chmod(0o755)
        self.templates = program("one")
        self.runner = AnsibleRunner(
            self.templates, {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{folder}:/usr/bin:/bin"}
        )

    def call(self, timeout_s: float = 60, *, shares: bool = True, since: str = "", **request: object) -> HostAnswer:
        """What comes of a call."""
        call = HostCall(SPEC, {"operation": "observe", **request}, shares=shares, since=since)
        (answer,) = self.runner.call([call], timeout_s=timeout_s).values()
        return answer

    def starts(self) -> list[str]:
        """The words that the host's program was started with."""
        path = self.folder / "starts"
        return path.read_text().split() if path.exists() else []

    def deed(self, text: str) -> None:
        """Let ssh do that from now on."""
        (self.folder / "deed").write_text(text)


@pytest.fixture
def way(host: Host, tmp_path: Path) -> Iterator[Way]:
    runtime = Path("/dev/shm") / f"stays-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    runtime.mkdir(mode=0o700)
    one = Way(host, tmp_path / "bin", runtime)
    yield one
    one.runner.close()
    assert list(runtime.iterdir()) == []
    runtime.rmdir()


def test_a_command_starts_the_program_once_a_connection_and_sends_it_once(way: Way) -> None:
    way.runner.expect([SPEC])
    way.runner.prove([SPEC])
    calls = [("", "observe"), ("", "apply"), *[("run-1", "look")] * 3, ("run-1", "confirm"), ("", "observe")]
    answers = [way.call(since=since, operation=operation) for since, operation in calls]
    assert {answer.outcome for answer in answers} == {CallOutcome.ANSWERED}, answers
    assert way.starts() == ["call", "call"]
    assert len(set((way.folder / "ways").read_text().split())) == 2, "a new connection proves the way back"
    assert (way.folder / "sent").read_bytes().count(b"def serve(folder)") == 1
    own = way.call(shares=False)
    assert own.outcome is CallOutcome.ANSWERED
    assert way.starts() == ["call"] * 3
    assert (way.folder / "ways").read_text().split()[-1] == "own"


def test_a_program_that_ended_meanwhile_is_started_again(way: Way) -> None:
    way.host.idle_after(0.1)
    assert way.call().outcome is CallOutcome.ANSWERED
    time.sleep(1)
    assert way.call().outcome is CallOutcome.ANSWERED
    assert way.starts() == ["call", "call"]


def test_a_host_that_lost_the_program_is_sent_it_again(way: Way) -> None:
    assert way.call().outcome is CallOutcome.ANSWERED
    (kept,) = way.host.run.glob("provisioner-program-*")
    shutil.rmtree(kept)
    assert way.call().error.endswith("(code 1): this host lacks the program of the call: nothing of it was done")
    assert way.call().outcome is CallOutcome.ANSWERED


@RELAY
@pytest.mark.parametrize(
    ("deed", "error"),
    [
        ("exit 0", "it said nothing"),
        ("yes", "it sent more than 16777216 bytes"),
        ("yes >&2", "it sent more than 65536 bytes"),
        ("echo; echo no", "no"),
        ("echo; echo PROVISIONER-ANSWER '{\"ok\": '", "cannot be read"),
        ("printf 'no answer' >&2; exit 3", "(code 3): no answer"),
        ("echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255", "it ended the connection"),
        ("sleep 600", "no answer within 5 s"),
        ("while echo .; do sleep 0.05; done", "no answer within 5 s"),
    ],
)
def test_what_a_host_says_in_the_place_of_an_answer_is_its_own_error(
    way: Way, monkeypatch: pytest.MonkeyPatch, deed: str, error: str
) -> None:
    monkeypatch.setattr("provisioner.hosts.ansible.play._MARGIN_S", 0)
    greeting = f"""
read -r word challenge digest
proof=$({sys.executable} -c 'import hmac, sys
key = open("{way.host.identity}", "rb").read()
print(hmac.digest(key, b"prove" + bytes(1) + sys.argv[1].encode(), "sha256").hex())' "$challenge")
printf '\\nPROVISIONER-OWNER nothing\\n\\nPROVISIONER-PROOF %s\\nPROVISIONER-PROGRAM there\\n' "$proof"
read -r line
{deed}
"""
    way.deed(greeting)
    answer = way.call(timeout_s=5 if "5 s" in error else 60)
    assert answer.outcome is not CallOutcome.ANSWERED
    assert error in answer.error
    assert answer.error.isprintable()
    assert len(answer.error) < 700
    if "5 s" not in error:
        (way.folder / "deed").unlink()
        assert way.call().outcome is CallOutcome.ANSWERED


@RELAY
@pytest.mark.parametrize("after", ["; printf more", "", "; sleep 0.2; printf more", "late"])
def test_what_comes_after_an_answer_is_no_answer_of_the_next_call(way: Way, after: str) -> None:
    forged = """
PYTHON -I -S DOOR call | while IFS= read -r line; do
  printf '%s\\n' "$line"
  case "$line" in
    PROVISIONER-ANSWER*) DEED ;;
  esac
done
"""
    deed = """printf '\\nPROVISIONER-ANSWER {"ok": true, "answer": {"forged": 1}}\\n'"""
    deed = f"sleep 0.2; {deed}" if after == "late" else deed + after
    for name, value in {"PYTHON": sys.executable, "DOOR": str(way.host.door), "DEED": deed}.items():
        forged = forged.replace(name, value)
    way.deed(forged)
    first = way.call()
    time.sleep(stretched(0.5))
    (way.folder / "deed").unlink()
    second = way.call()
    assert first.outcome is CallOutcome.ANSWERED
    assert (second.outcome, second.document.get("name")) == (CallOutcome.ANSWERED, "one"), second
    assert way.starts() == ["call", "call"], "a connection that says more than its answer is used no further"


@RELAY
@pytest.mark.parametrize("word", ["call", "prove"])
def test_a_proof_of_any_bytes_is_a_wrong_proof(way: Way, word: str) -> None:
    say = r"printf '\nPROVISIONER-OWNER nothing\n\nPROVISIONER-PROOF \377\n\nPROVISIONER-PROGRAM there\n'"
    way.deed(say if word == "call" else f"read -r first rest; [ $first = PROVISIONER-STAY ] || {say}")
    assert way.call().outcome is CallOutcome.UNPROVED
    (way.folder / "deed").unlink()
    assert way.call().outcome is CallOutcome.ANSWERED


def test_an_abandoned_call_leaves_no_answer_behind(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.hosts.ansible.play._MARGIN_S", 0)
    gate = tmp_path / "gate"
    assert way.call().outcome is CallOutcome.ANSWERED
    assert way.call(timeout_s=stretched(2), operation="apply", wait=str(gate)).error.startswith("no answer within")
    gate.touch()
    assert way.call(operation="look").document["before"] == ["loaded look"]


@RELAY
def test_a_program_that_began_to_stay_and_lost_the_key_proves_itself_anew(way: Way) -> None:
    assert way.call(operation="remove").outcome is CallOutcome.ANSWERED
    way.host.identity.unlink()
    answer = way.call()
    assert answer.outcome is CallOutcome.UNPROVED
    assert "this host holds no key that could prove which host it is" in answer.error


def test_an_answer_as_long_as_may_be_is_taken_in_one_pass(way: Way) -> None:
    assert way.call(operation="observe", padding="x" * 8_000_000).outcome is CallOutcome.ANSWERED


def test_the_program_of_this_release_serves_by_a_process_that_stays(host: Host) -> None:
    templates = fleets.templates()
    host_answers = []
    with session(host, templates) as one:
        for whole in (True, False):
            one.send(b"".join(frame({"operation": "nothing"}, templates, host.folder, whole=whole)))
            assert one.line() == ""
            host_answers.append(json.loads(one.line().removeprefix("PROVISIONER-ANSWER ")))
    assert host_answers == [host_answers[0]] * 2
    assert "asks for no operation that a host knows" in host_answers[0]["error"]
