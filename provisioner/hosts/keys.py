"""Keys that are born on hosts (`keys init`), and this machine's own.

A host's private keys and passwords stay on it; what comes back are a public key and hashes. A relay seals its tunnel's
private key if the inventory has a recovery key: then a box comes back that only the recovery key opens.

Of the keys that this machine logs in with, the public halves are read: of the one that was named, or of the agent's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from provisioner.base.errors import HostError, UsageError
from provisioner.base.processes import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.secret import Secret
from provisioner.desired.render.host import identity_content
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import HostKind, HostSpec
from provisioner.hosts.answers import read_answer, unreadable_answer, wire
from provisioner.hosts.bare_host import is_public_key
from provisioner.hosts.identity import owner_to_mark
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, unanswered
from provisioner.inventory.model import SealedKey

KEYS_TIMEOUT_S = 60.0

_TIMEOUT_S: Final = 20
_MOST_BYTES: Final = 256 * 1024
_NAME_ONE: Final = "name the public key: --key FILE.pub"


@dataclass(frozen=True, slots=True)
class HostKeys:
    """What a host says of its keys.

    Attributes:
        public_key: of its tunnel, in base64.
        hashes: of a relay's two passwords, by the names that they have in the lock.
        sealed: the tunnel's private key in a box; None where none was asked for.
        following: the public key that follows; empty where none was asked for.
        sealed_following: the private half of that in a box; None where none was asked for.
    """

    public_key: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    sealed: SealedKey | None = None
    following: str = ""
    sealed_following: SealedKey | None = None

    @property
    def recorded(self) -> dict[str, object]:
        """The same by the names that it has in the lock."""
        sealed = {"sealed_key": self.sealed} if self.sealed else {}
        return {"public_key": self.public_key, **self.hashes, **sealed}


@dataclass(frozen=True, slots=True)
class RestoredKey:
    """A tunnel's private key that goes onto new hardware, and its public half; both in base64."""

    public_key: str
    private_key: Secret = field(repr=False)


def make_host_keys(
    specs: Sequence[HostSpec],
    runner: HostRunner,
    templates: Templates,
    *,
    known: Mapping[str, str] = MappingProxyType({}),
    unproved: bool = False,
    who: str = "",
    recovery: str = "",
) -> tuple[dict[str, HostKeys], dict[str, HostError]]:
    """Let hosts make what they lack: what each of them has, and the error of each that does not answer.

    Args:
        specs: the hosts.
        runner: carries the calls.
        templates: hold the on-host program, which stays there with the key by which the host proves itself later.
        known: public keys that are recorded already, each with whose it is: a host cannot have another's.
        unproved: whether the hosts need not prove that they are those that were managed before.
        who: who does it, for the mark of whose the hosts are.
        recovery: the recovery key to which relays seal their tunnel's key; empty where there is none.
    """
    left = [_left(spec, templates.for_side(spec.side).host_program, unproved=unproved) for spec in specs]
    calls = [
        HostCall(spec, _request(spec, who, recovery), files, unproved=unproved)
        for spec, files in zip(specs, left, strict=True)
    ]
    answers = runner.call(calls, timeout_s=KEYS_TIMEOUT_S)
    made: dict[str, HostKeys] = {}
    errors: dict[str, HostError] = {}
    for spec in specs:
        try:
            made[spec.id] = _keys(spec, answers[spec.id], recovery)
        except HostError as error:
            errors[spec.id] = error
    foreign = _not_their_own(made, known)
    return {host: keys for host, keys in made.items() if host not in foreign}, errors | foreign


def make_next_key(spec: HostSpec, runner: HostRunner, program: bytes, *, who: str, recovery: str) -> HostKeys:
    """Let a relay make the key that is to follow its own one, where it has none; it stays on the relay.

    Args:
        spec: the relay.
        runner: carries the call.
        program: the on-host program.
        who: who does it.
        recovery: the recovery key to which it is sealed; empty where there is none.

    Raises:
        HostError: it did not answer, or its answer cannot be read.
    """
    request: wire.KeysRequest = {**_request(spec, who, recovery), "following": ""}
    call = HostCall(spec, request, _left(spec, program, unproved=False))
    keys = _keys(spec, runner.call([call], timeout_s=KEYS_TIMEOUT_S)[spec.id], recovery, follows=True)
    if keys.following == keys.public_key:
        raise unreadable_answer(spec.id, "its next key is the one that it has")
    return keys


def restore_host_keys(
    spec: HostSpec,
    runner: HostRunner,
    program: bytes,
    restored: RestoredKey,
    *,
    unproved: bool,
    who: str,
    following: RestoredKey | None = None,
) -> HostKeys:
    """Put a tunnel's private key on a host that stands in for a dead one, and let it make all other keys.

    Args:
        spec: the relay.
        runner: carries the call.
        program: the on-host program, which stays there as well.
        restored: the key.
        unproved: whether it need not prove that it is the host that was managed before.
        who: who does it.
        following: the key that follows, of a relay that died while it changed its own one.

    Raises:
        HostError: it did not answer or did not take the key, or its answer cannot be read.
    """
    request: wire.KeysRequest = {**_request(spec, who, ""), "restores": restored.public_key}
    files = _left(spec, program, unproved=unproved) | {"tunnel-key": restored.private_key.reveal().encode() + b"\n"}
    if following is not None:
        request["following"] = following.public_key
        files["next-key"] = following.private_key.reveal().encode() + b"\n"
    call = HostCall(spec, request, files, unproved=unproved)
    keys = _keys(spec, runner.call([call], timeout_s=KEYS_TIMEOUT_S)[spec.id], "")
    if keys.public_key != restored.public_key:
        raise unreadable_answer(spec.id, "it has another public key than the one that was put there")
    return keys


def _not_their_own(made: Mapping[str, HostKeys], known: Mapping[str, str]) -> dict[str, HostError]:
    """The hosts that say of a key that it is theirs which is recorded as another's, or which two of them have."""
    owners = Counter(keys.public_key for keys in made.values())
    errors = {}
    for host, keys in made.items():
        key = keys.public_key
        others = [known[key]] if known.get(key, host) != host else []
        if not others and owners[key] > 1 and known.get(key) != host:
            others = sorted(other for other in made if other != host and made[other].public_key == key)
        if others:
            errors[host] = HostError(
                f"{host} says that it has the public key of {', '.join(others)}",
                hint="no two hosts can have one: find out which of them is not what it says, and make its key anew",
                object=host,
            )
    return errors


def _left(spec: HostSpec, program: bytes, *, unproved: bool) -> dict[str, bytes]:
    """What stays on a host: the program, and the key by which it proves itself if it has not done so."""
    return {"program": program} | ({"identity": identity_content(spec)} if unproved else {})


def _request(spec: HostSpec, who: str, recovery: str) -> wire.KeysRequest:
    request: wire.KeysRequest = {"operation": "keys", "relay": has_passwords(spec), "who": who}
    owner = owner_to_mark(spec)
    # A centre's key is in no site package: another one reaches all who know it with their next apply.
    if recovery and owner is not None and spec.kind is HostKind.RELAY:
        request["seal"] = {"recovery": recovery, "inventory": owner["inventory"], "host": spec.id}
    # One that is taken over is so by its first apply, after its plan has said what that cuts.
    if owner is not None and spec.adopted is None:
        request["owner"] = owner
    return request


def has_passwords(spec: HostSpec) -> bool:
    """Whether MediaMTX is to run on it, whose own two users' passwords are born there."""
    return spec.kind is HostKind.RELAY or spec.is_hub


def _keys(spec: HostSpec, answer: HostAnswer, recovery: str, *, follows: bool = False) -> HostKeys:
    """What a host says of its keys, and the box if one was asked for.

    Raises:
        HostError: it did not answer, or its answer cannot be read.
    """
    if answer.outcome is not CallOutcome.ANSWERED:
        raise unanswered(spec, answer)
    said = read_answer(spec.id, wire.KeysAnswer, answer.document)
    needed = {"api_hash", "probe_hash"} if has_passwords(spec) else set[str]()
    needed |= {"following"} if follows else set()
    if missing := needed - said.keys():
        raise unreadable_answer(spec.id, f"{min(missing)} is missing")
    following = said.get("following", "") if follows else ""
    return HostKeys(
        said["public_key"],
        {"api_hash": said["api_hash"], "probe_hash": said["probe_hash"]} if has_passwords(spec) else {},
        _sealed(spec.id, said.get("sealed"), said["public_key"], recovery),
        following,
        _sealed(spec.id, said.get("sealed_following"), following, recovery) if follows else None,
    )


def _sealed(host: str, box: wire.SealedKeyAnswer | None, public_key: str, recovery: str) -> SealedKey | None:
    """A box of the key that the host says is its own; whether that is in it only the recovery key can tell."""
    if not recovery or box is None:
        return None
    if (box["recovery"], box["public_key"]) != (recovery, public_key):
        raise unreadable_answer(host, "a box is for another recovery key, or of another key, than was meant")
    return SealedKey(**box)


def own_public_keys(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The keys with which this machine would be let in, each as its kind and what it is in base64; none where none is.

    Args:
        environment: `PROVISIONER_SSH_KEY` names the one key, else any of the agent's (`SSH_AUTH_SOCK`) counts.

    Raises:
        UsageError: the key that is named cannot be read, and no public half lies beside it.
    """
    if named := environment.get("PROVISIONER_SSH_KEY"):
        beside = Path(named if named.endswith(".pub") else f"{named}.pub")
        if beside.exists():
            return public_keys_of(beside)
        said = _said(["ssh-keygen", "-y", "-P", "", "-f", str(Path(named).absolute())], environment)
        if not (keys := tuple(_keys_in(said))):
            raise UsageError(f"{named}: its public half is not beside it, and it cannot be read", hint=_NAME_ONE)
        return keys
    socket = environment.get("SSH_AUTH_SOCK", "")
    return tuple(_keys_in(_said(["ssh-add", "-L"], environment, {"SSH_AUTH_SOCK": socket}))) if socket else ()


def public_keys_of(file: Path) -> tuple[str, ...]:
    """The public keys of a file, at least one.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=_NAME_ONE) from None
    keys = tuple(_keys_in(text))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not keys or len(keys) != len(lines):
        # What it holds may be a private key: nothing of it is quoted.
        raise UsageError(f"{file} holds something else than public SSH keys", hint=_NAME_ONE)
    return keys


def _said(argv: list[str], environment: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
    own = {**small_environment(environment), **(more or {})}
    try:
        done = run_quietly(argv, own, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except (OSError, StillRunningError, OutputTooLongError):
        return ""
    return done.output.decode("utf-8", "replace") if done.code == 0 else ""


def _keys_in(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        key = " ".join(words[:2])
        if is_public_key(key) and "-cert-" not in key:
            yield key
