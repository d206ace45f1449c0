"""An Ansible run that stays open, and its hosts' proofs of identity.

Starting Ansible costs a second of processor time, a call over SSH a tenth of that, half of it for the connection. So
each host's worker takes calls until the play is closed. It reads a call's number from a pipe, carries that bundle, and
writes the answer to a file. Each call has its own connection, unless it may share an open one. Only this process has
the pipes' other ends: if it ends, the workers stop.

A merge request may have changed a host key, so that key alone proves nothing. A host is challenged with the key that
was left on it. Afterwards its SSH host key counts as proof until this process ends. A process of the host program that
stays proves itself at each start, whether that is needed or not.

Traps of ansible-runner are avoided with a child process, a private folder on tmpfs, the inventory's host keys and an
own `ansible.cfg`. No variable, argument, environment or artifact has a secret.
"""

import io
import json
import os
import secrets
import shlex
import tarfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.base.errors import HostError, UnreadableError
from provisioner.base.secret import proof_of, seals_of
from provisioner.base.text import printable
from provisioner.desired.owner import NOTHING, owner_in
from provisioner.desired.render.templates import HOST_PACKAGE, Templates
from provisioner.hosts.ansible import early_start, ssh_config
from provisioner.hosts.ansible.early_start import MAX_WORKERS, WaitingAnsible
from provisioner.hosts.answers import LONGEST_ANSWER, read_json
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.identity import claims_of, with_owner
from provisioner.hosts.runner import UNPROVED, CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.hosts.unreachable import DIRECT, SshRoute, route_to, unreachable_by
from provisioner.inventory.model.hosts import JumpHost, Ssh


def write_bundle(path: Path, call: HostCall) -> None:
    """Write a call's bundle without the archive's end: a program may follow."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w") as bundle:
            _add(bundle, "request.json", json.dumps(call.request).encode())
            for name, content in call.files.items():
                _add(bundle, f"files/{name}", content)
            if call.artefact is not None:
                bundle.add(call.artefact, "files/artefact", recursive=False)
            end = bundle.offset
        stream.truncate(end)


def program_bundle(templates: Templates) -> bytes:
    """Return the on-host program, to follow a call's bundle."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as bundle:
        for name, source in templates.host_sources.items():
            _add(bundle, f"{HOST_PACKAGE}/{name}", source)
    return stream.getvalue()


def _add(bundle: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    bundle.addfile(entry, io.BytesIO(content))


SEAL = "PROVISIONER-CALL "  #: The start of the line before a sealed bundle; hosts use the same word.

#: Operations after one that changed the host, which then has this inventory's key.
_LATER = frozenset({"look", "confirm", "abort", "status"})

_LAST = frozenset({"remove"})  #: Operations that remove the key from a host.
Place = tuple[str, Ssh, JumpHost | None]  #: Address, login and host key, and jump host.

# More connections to one host than this are not shared: each call has its own then.
_MOST_SHARED = 99
_LONGEST_ERROR = 600
# Used instead of a shared connection's number.
OWN = "own"
# Words for ssh that name the key, so that ssh reports a missing one. Ansible has no variable for them.
KEY = "ssh_key_words"


def endpoint_of(spec: CallTarget) -> Place:
    """Return a host's place."""
    return str(spec.address), spec.ssh, spec.jump


@dataclass
class Proofs:
    """Places with a proved host, or accepted without proof by a person."""

    _proved: set[Place] = field(default_factory=set)
    _accepted: set[Place] = field(default_factory=set)

    def challenge(self, spec: CallTarget) -> dict[str, str | bool]:
        """Return a challenge, its proof, and whether it is needed."""
        challenge = secrets.token_hex(32)
        proof = proof_of(spec.identity, challenge)
        return {"challenge": challenge, "proof": proof, "needed": not self._is_proved(spec)}

    def is_sealed(self, call: HostCall) -> bool:
        """Return whether the host has our program and key for a seal."""
        return not call.unproved and endpoint_of(call.spec) not in self._accepted

    def claims(self, call: HostCall) -> list[list[str]] | None:
        """Return acceptable owners of an unproved host; `None` if not asked."""
        if not call.unproved or call.request["operation"] in _LATER:
            return None
        return claims_of(call.spec)

    def answered(self, call: HostCall, outcome: CallOutcome) -> None:
        """Record a host's proof of identity from its answer.

        Only a proved host gets a bundle. A host that gave up its key loses its proof; a script's answer proves nothing.
        """
        if call.script is not None:
            return
        if outcome is CallOutcome.ANSWERED and call.request["operation"] in _LAST:
            self._proved.discard(endpoint_of(call.spec))
            self._accepted.discard(endpoint_of(call.spec))
            return
        if outcome is CallOutcome.ANSWERED and not self._is_proved(call.spec):
            (self._accepted if call.unproved else self._proved).add(endpoint_of(call.spec))

    def _is_proved(self, spec: CallTarget) -> bool:
        return endpoint_of(spec) in self._proved | self._accepted


class Play:
    """An Ansible run on some hosts.

    With more than `MAX_WORKERS` hosts, each takes one call only. The play also ends `begun`, an Ansible process that
    was started early. Raises `HostError` without a tmpfs, or if a host's name or address is unsafe for Ansible.
    """

    def __init__(
        self,
        specs: Sequence[CallTarget],
        templates: Templates,
        environment: Mapping[str, str],
        proofs: Proofs,
        *,
        waiting: early_start.WaitingAnsible | None = None,
    ) -> None:
        for spec in specs:
            ssh_config.refuse_unsafe(spec.id, spec.ssh.user, *([spec.side] if spec.side else []))
        self._templates = {spec.side: templates.for_side(spec.side) for spec in specs}
        self._programs = {side: program_bundle(sided) for side, sided in self._templates.items()}
        self._proofs = proofs
        self._free = {spec.id: endpoint_of(spec) for spec in specs}
        self._ways = {spec.id: route_to(spec) for spec in specs}
        self._busy: set[int] = set()
        self._keeps_workers = len(specs) <= early_start.MAX_WORKERS
        self._shares = self._keeps_workers
        self._number = 0
        self._since: dict[str, dict[str, int]] = {spec.id: {} for spec in specs}
        self._pipes: dict[str, int] = {}
        self._ansible = waiting or early_start.WaitingAnsible(environment)
        self._folder, self._child = self._ansible.folder, self._ansible.process
        try:
            self._lay_out(specs, environment)
        except BaseException:
            self._close_pipes()
            self._ansible.close()
            raise
        self._ansible.tell_hosts()

    # --- calls --------------------------------------------------------------------------------------
    def takes(self, spec: CallTarget) -> bool:
        """Return whether a worker waits for a call to this host."""
        return self._free.get(spec.id) == endpoint_of(spec) and self.alive

    def post(self, call: HostCall) -> int:
        """Give a worker its next call; return the call's number."""
        host = call.spec.id
        del self._free[host]
        self._number += 1
        self._busy.add(self._number)
        self._fill_box(self._folder / "boxes" / host, call)
        self._hand(host, self._number, self._connection(call.spec, shares=call.shares, since=call.since))
        return self._number

    def prove(self, spec: CallTarget) -> None:
        """Let a host prove its identity over its shared connection."""
        connection = self._connection(spec, shares=True)
        challenge = self._proofs.challenge(spec)
        if connection == OWN or not challenge["needed"]:
            return
        self._number += 1
        self._write_challenge(spec, challenge)
        self._hand(spec.id, self._number, connection)

    def _write_challenge(self, spec: CallTarget, challenge: dict[str, str | bool]) -> None:
        path = self._folder / "boxes" / spec.id / f"{self._number}.challenge"
        path.write_text(json.dumps(challenge | {"program": self._templates[spec.side].host_digest}))

    def _hand(self, host: str, number: int, connection: str) -> None:
        os.write(self._pipes[host], f"{number} {connection}\n".encode())

    def _connection(self, spec: CallTarget, *, shares: bool, since: str = "") -> str:
        """Return the number of a shared connection, or `own`."""
        numbers = self._since[spec.id]
        if not (shares and self._shares) or (since not in numbers and len(numbers) >= _MOST_SHARED):
            return OWN
        return str(numbers.setdefault(since, len(numbers)))

    def _fill_box(self, box: Path, call: HostCall) -> None:
        """Write a call's script, or bundle and proofs, into its host's box."""
        if (script := call.script) is not None:
            (box / f"{self._number}.{'root' if script.as_root else 'own'}").write_text(script.text)
            return
        bundle = box / f"{self._number}.tar"
        write_bundle(bundle, call)
        if (claims := self._proofs.claims(call)) is not None:
            (box / f"{self._number}.claims").write_text(json.dumps(claims))
        if self._proofs.is_sealed(call):
            self._write_challenge(call.spec, self._proofs.challenge(call.spec))
            program, digest = self._programs[call.spec.side], self._templates[call.spec.side].host_digest
            seals = seals_of(call.spec.identity, bundle.read_bytes(), program, call.request["operation"], digest)
            lines = {name: f"{SEAL}{seal}\n" for name, seal in seals.items()}
            (box / f"{self._number}.seals").write_text(json.dumps(lines))

    def answers(self) -> set[int]:
        """Return the numbers of answered calls, from one folder for all hosts."""
        names = (entry.name for entry in (self._folder / "answers").iterdir())
        return {int(name) for name in names if name.isdigit()}

    def take(self, call: HostCall, number: int) -> HostAnswer:
        """Take an answer; its worker becomes free."""
        path = self._folder / "answers" / str(number)
        raw = _read_bounded(path)
        path.unlink()
        self._busy.discard(number)
        if self._keeps_workers:
            self._free[call.spec.id] = endpoint_of(call.spec)
        answer = answer_in(call.spec.id, raw, route_to(call.spec))
        self._proofs.answered(call, answer.outcome)
        return with_owner(call.spec, answer)

    def give_up(self, number: int) -> None:
        """Stop waiting for an answer; its worker takes no further call."""
        self._busy.discard(number)

    def failure(self, host: str) -> HostAnswer | None:
        """Return why a host's worker ended; `None` if unknown."""
        path = self._folder / early_start.FAILURES / host
        return answer_in(host, _read_bounded(path), self._ways[host]) if path.exists() else None

    # --- the process --------------------------------------------------------------------------------
    @property
    def alive(self) -> bool:
        """Whether Ansible runs."""
        return self._child.poll() is None

    @property
    def done(self) -> bool:
        """Whether no worker is free and no call is open."""
        return not self._free and not self._busy

    def check(self) -> None:
        """Raise `HostError` if an Ansible process has ended without working at all."""
        code = self._child.poll()
        if code is None or (code == 0 and (self._folder / early_start.OUTCOME).exists()):
            return
        output = _read_bounded(self._folder / early_start.SAID).decode(errors="replace").strip().splitlines()[-1:]
        raise HostError(
            f"ansible-runner did not work: {_one_line(' '.join(output))}",
            hint="install provisioner again: ansible-core and ansible-runner come with it",
        )

    def close(self) -> None:
        """End Ansible and remove its folder; hosts finish their present operation."""
        self._free = {}
        self._close_pipes()
        self._ansible.close()

    def _close_pipes(self) -> None:
        for pipe in self._pipes.values():
            os.close(pipe)
        self._pipes = {}

    def _lay_out(self, specs: Sequence[CallTarget], environment: Mapping[str, str]) -> None:
        folder, key = self._folder, own_key(environment)
        for name in ("boxes", "answers", ssh_config.LINKS, ssh_config.KNOWN_HOSTS):
            (folder / name).mkdir(mode=0o700)
        ssh, hosts = ssh_config.ssh_files(specs, folder, key), {}
        for number, spec in enumerate(specs):
            link = folder / ssh_config.LINKS / str(number)
            self._shares = self._shares and len(f"{link}.{_MOST_SHARED}") <= ssh_config.LONGEST_SOCKET
            hosts[spec.id] = {
                "link": str(link),
                "over": ssh.over.get(spec.id, ""),
                "side": spec.side,
                "program": str(folder / f"program.{spec.side}"),
            }
            self._open_box(spec.id)
        variables = {
            "boxes": str(folder / "boxes"),
            "answers": str(folder / "answers"),
            "alone": str(folder / ssh_config.ALONE),
            "key": str(folder / KEY),
            "stays": self._keeps_workers,
        }
        (folder / early_start.HOSTS).write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
        (folder / early_start.CONFIG).write_text(ssh.config)
        (folder / ssh_config.ALONE).write_text(ssh.alone)
        (folder / KEY).write_text(f" -i {shlex.quote(key.path)}" if key else "")
        (folder / early_start.JUMPS).write_text(json.dumps(ssh.jumps))
        for side, program in self._programs.items():
            (folder / f"program.{side}").write_bytes(program)
        for name, text in ssh.known_hosts.items():
            (folder / ssh_config.KNOWN_HOSTS / name).write_text(text)

    def _open_box(self, host: str) -> None:
        box = self._folder / "boxes" / host
        box.mkdir(mode=0o700)
        os.mkfifo(box / "calls", 0o600)
        # Open for reading too: so it opens before the worker does, and no call is lost between two of them.
        self._pipes[host] = os.open(box / "calls", os.O_RDWR | os.O_NONBLOCK)


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(LONGEST_ANSWER + 1)


def answer_in(host: str, raw: bytes, route: SshRoute = DIRECT) -> HostAnswer:
    """Parse a worker's file; if unreadable, return a failure. Never raises."""
    try:
        return answer_of(host, read_json(raw), route)
    except UnreadableError as error:
        return answer_of(host, {"error": f"its answer cannot be read: {error}"})


def answer_of(host: str, document: object, route: SshRoute = DIRECT) -> HostAnswer:
    """Parse a host's document or its worker's failure. Never raises."""
    match document:
        case {"ok": True, "answer": dict() as answer}:
            return HostAnswer(host, CallOutcome.ANSWERED, answer)
        case {"error": str() as error, "kind": "unproved", **rest}:
            message, whose = _one_line(f"{UNPROVED}; it said: {error}"), rest.get("owner")
            owner = owner_in(whose) if isinstance(whose, str) else None
            return HostAnswer(host, CallOutcome.UNPROVED, error=message, owner=owner, bare=whose == NOTHING)
        case {"error": str() as error, "kind": "unreachable"}:
            cause = unreachable_by(error, route)
            return HostAnswer(host, CallOutcome.UNREACHABLE, error=cause.cause, hint=cause.hint)
        case {"error": str() as error}:
            return HostAnswer(host, CallOutcome.FAILED, error=_one_line(error))
        case _:
            return HostAnswer(host, CallOutcome.FAILED, error="its answer is none that its program writes")


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()), _LONGEST_ERROR)


def own_key(environment: Mapping[str, str]) -> ssh_config.OwnKey | None:
    """Return the key for logins; `None` allows all the agent's keys.

    ssh finds a certificate beside a private key (`id` and `id-cert.pub`), but not beside a public key.
    """
    named = environment.get("PROVISIONER_SSH_KEY")
    if not named:
        return None
    path = os.path.abspath(named)  # noqa: PTH100 (a link to a key stays one)
    certificate = path.removesuffix(".pub") + "-cert.pub"
    return ssh_config.OwnKey(path, certificate if path.endswith(".pub") and Path(certificate).exists() else None)


# Beyond the time of the calls themselves: for ansible-runner to start and to notice.
_MARGIN_S = 10.0
_MOMENT_S = 0.02

_Posted = dict[tuple[Play, int], HostCall]


class AnsibleRunner(OpenRunner):
    """Carries calls to hosts over SSH.

    Plays of up to fifty hosts stay open for later calls, until this object is closed or collected, or the process
    ends. The environment's `PROVISIONER_SSH_KEY` names the key; without it the agent's keys count.
    """

    def __init__(self, templates: Templates, environment: Mapping[str, str]) -> None:
        self._templates = templates
        self._started: WaitingAnsible | None = None
        self._environment = environment
        self._plays: list[Play] = []
        self._proofs = Proofs()
        self._lock = threading.Lock()
        self._closed = False
        weakref.finalize(self, _close_all, self._plays)

    def use_started(self, waiting: WaitingAnsible) -> None:
        """Use an Ansible process that was started early for the first play."""
        self._started = waiting

    def close(self) -> None:
        """End all plays and remove their files; hosts finish their operation."""
        with self._lock:
            self._closed = True
        _close_all(self._plays)

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Prepare for calls to these hosts, without a connection; or raise `HostError`."""
        with self._lock:
            self._refuse_closed()
            new = [spec for spec in specs if not any(play.takes(spec) for play in self._plays)]
            # A larger play's workers end after one call, so that it has to know its calls.
            if new and len(new) <= MAX_WORKERS:
                self._plays.append(self._play(new))

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Let expected hosts prove their identity; the first call reports a failure."""
        with self._lock:
            for spec in specs:
                for play in self._plays:
                    if play.takes(spec):
                        play.prove(spec)

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Yield each answer as it arrives, silent hosts last; or raise `HostError`."""
        if not calls:
            return
        posted = self._give_calls(calls)
        until = time.monotonic() + timeout_s + _MARGIN_S
        try:
            while posted and time.monotonic() < until:
                if not (answers := self._take_answers(posted)):
                    time.sleep(_MOMENT_S)
                yield from answers
            for call in posted.values():
                yield HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error=f"no answer within {timeout_s:.0f} s")
        finally:
            for play, number in posted:
                play.give_up(number)
            self._close_done()

    def _give_calls(self, calls: Sequence[HostCall]) -> _Posted:
        with self._lock:
            self._refuse_closed()
            plays = {call.spec.id: play for call in calls for play in self._plays if play.takes(call.spec)}
            if new := [call.spec for call in calls if call.spec.id not in plays]:
                self._plays.append(self._play(new))
                plays |= {spec.id: self._plays[-1] for spec in new}
            return {(play, play.post(call)): call for call in calls for play in (plays[call.spec.id],)}

    def _play(self, specs: Sequence[CallTarget]) -> Play:
        waiting = self._started if self._started is not None and self._started.is_taken(self._environment) else None
        return Play(specs, self._templates, self._environment, self._proofs, waiting=waiting)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise HostError("no host is called any more: the command ends")

    def _take_answers(self, posted: _Posted) -> list[HostAnswer]:
        """Take the new answers and remove their calls from `posted`."""
        answers = []
        for play in {play for play, _ in posted}:
            # Looked at before the answers are: a play that ended has written all that it will write.
            ended = not play.alive
            written = play.answers()
            for key in [key for key in posted if key[0] is play]:
                call, host = posted[key], posted[key].spec.id
                if key[1] in written:
                    answers.append(play.take(call, key[1]))
                elif failure := play.failure(host):
                    answers.append(failure)
                elif ended:
                    play.check()
                    answers.append(HostAnswer(host, CallOutcome.FAILED, error="Ansible ended without an answer"))
                else:
                    continue
                del posted[key]
        return answers

    def _close_done(self) -> None:
        with self._lock:
            for play in [play for play in self._plays if play.done or not play.alive]:
                self._plays.remove(play)
                play.close()


def _close_all(plays: list[Play]) -> None:
    while plays:
        plays.pop().close()
