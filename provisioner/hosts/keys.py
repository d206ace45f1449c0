"""Keys that are created on hosts (`keys init`), and this machine's own.

Private keys and passwords stay on the host; public keys and hashes come back. If the inventory has a recovery key, a
relay also returns its tunnel's private key, sealed for that key.

Of this machine's own login keys only the public halves are read, from the named key or the agent.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from provisioner.base.errors import HostError, UsageError, os_errors
from provisioner.base.processes import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.secret import Secret
from provisioner.desired.render.host import identity_content
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import HostKind, HostSpec
from provisioner.hosts.answers import read_answer, unreadable_answer, wire
from provisioner.hosts.bare_host import is_public_key
from provisioner.hosts.identity import owner_to_mark
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, unanswered
from provisioner.inventory.model.hosts import SealedKey

KEYS_TIMEOUT_S = 60.0

_TIMEOUT_S: Final = 20
_MOST_BYTES: Final = 256 * 1024
_NAME_ONE: Final = "name the public key: --public-key FILE.pub"


@dataclass(frozen=True, slots=True)
class HostKeys:
    """A host's answer about its keys."""

    public_key: str
    hashes: Mapping[str, str] = field(default_factory=dict)  #: Of a relay's two passwords, by their names in the lock.
    sealed: SealedKey | None = None  #: The sealed private key, if requested.
    following: str = ""
    sealed_following: SealedKey | None = None  #: The next private key, sealed, if requested.

    @property
    def recorded(self) -> dict[str, object]:
        """The same by names in the lock."""
        sealed = {"sealed_key": self.sealed} if self.sealed else {}
        return {"public_key": self.public_key, **self.hashes, **sealed}


@dataclass(frozen=True, slots=True)
class RestoredKey:
    """A tunnel's key pair for new hardware, in base64."""

    public_key: str
    private_key: Secret = field(repr=False)


def make_host_keys(
    specs: Sequence[HostSpec],
    runner: HostRunner,
    templates: Templates,
    *,
    recorded: Mapping[str, str] = MappingProxyType({}),
    unproved: bool = False,
    who: str = "",
    recovery: str = "",
) -> tuple[dict[str, HostKeys], dict[str, HostError]]:
    """Let hosts create missing keys; return keys and errors by host.

    The on-host program stays there with the identity key. No host may have a key of `recorded`, keys with their owners,
    unless it is its own.
    """
    host_files = [_program_files(spec, templates.for_side(spec.side).host_program, unproved=unproved) for spec in specs]
    calls = [
        HostCall(spec, _keys_request(spec, who, recovery), files, unproved=unproved)
        for spec, files in zip(specs, host_files, strict=True)
    ]
    answers = runner.call(calls, timeout_s=KEYS_TIMEOUT_S)
    made: dict[str, HostKeys] = {}
    errors: dict[str, HostError] = {}
    for spec in specs:
        try:
            made[spec.id] = _keys(spec, answers[spec.id], recovery)
        except HostError as error:
            errors[spec.id] = error
    foreign = _foreign_key_errors(made, recorded)
    return {host: keys for host, keys in made.items() if host not in foreign}, errors | foreign


def make_next_key(spec: HostSpec, runner: HostRunner, program: bytes, *, who: str, recovery: str) -> HostKeys:
    """Let a relay create and keep its next key, or raise `HostError`."""
    request: wire.KeysRequest = {**_keys_request(spec, who, recovery), "following": ""}
    call = HostCall(spec, request, _program_files(spec, program, unproved=False))
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
    """Put a tunnel's keys on new hardware, or raise `HostError`.

    The host creates the others, and the on-host program stays there too.
    """
    request: wire.KeysRequest = {**_keys_request(spec, who, ""), "restores": restored.public_key}
    files = _program_files(spec, program, unproved=unproved) | {
        "tunnel-key": restored.private_key.reveal().encode() + b"\n"
    }
    if following is not None:
        request["following"] = following.public_key
        files["next-key"] = following.private_key.reveal().encode() + b"\n"
    call = HostCall(spec, request, files, unproved=unproved)
    keys = _keys(spec, runner.call([call], timeout_s=KEYS_TIMEOUT_S)[spec.id], "")
    if keys.public_key != restored.public_key:
        raise unreadable_answer(spec.id, "it has another public key than the one that was put there")
    return keys


def _foreign_key_errors(made: Mapping[str, HostKeys], recorded: Mapping[str, str]) -> dict[str, HostError]:
    """Return errors of hosts that claim another host's key."""
    owners = Counter(keys.public_key for keys in made.values())
    errors = {}
    for host, keys in made.items():
        key = keys.public_key
        holders = [recorded[key]] if recorded.get(key, host) != host else []
        if not holders and owners[key] > 1 and recorded.get(key) != host:
            holders = sorted(
                other_host for other_host in made if other_host != host and made[other_host].public_key == key
            )
        if holders:
            errors[host] = HostError(
                f"{host} says that it has the public key of {', '.join(holders)}",
                hint="no two hosts can have one: find out which of them is not what it says, and make its key anew",
                object=host,
            )
    return errors


def _program_files(spec: HostSpec, program: bytes, *, unproved: bool) -> dict[str, bytes]:
    return {"program": program} | ({"identity": identity_content(spec)} if unproved else {})


def _keys_request(spec: HostSpec, who: str, recovery: str) -> wire.KeysRequest:
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
    """Return whether MediaMTX runs on a host, with its two passwords."""
    return spec.kind is HostKind.RELAY or spec.is_hub


def _keys(spec: HostSpec, answer: HostAnswer, recovery: str, *, follows: bool = False) -> HostKeys:
    if answer.outcome is not CallOutcome.ANSWERED:
        raise unanswered(spec, answer)
    fields = read_answer(spec.id, wire.KeysAnswer, answer.document)
    needed = {"api_hash", "probe_hash"} if has_passwords(spec) else set[str]()
    needed |= {"following"} if follows else set()
    if missing := needed - fields.keys():
        raise unreadable_answer(spec.id, f"{min(missing)} is missing")
    following = fields.get("following", "") if follows else ""
    return HostKeys(
        fields["public_key"],
        {"api_hash": fields["api_hash"], "probe_hash": fields["probe_hash"]} if has_passwords(spec) else {},
        _sealed(spec.id, fields.get("sealed"), fields["public_key"], recovery),
        following,
        _sealed(spec.id, fields.get("sealed_following"), following, recovery) if follows else None,
    )


def _sealed(host: str, box: wire.SealedKeyAnswer | None, public_key: str, recovery: str) -> SealedKey | None:
    """Return a sealed key; only the recovery key can verify its content."""
    if not recovery or box is None:
        return None
    if (box["recovery"], box["public_key"]) != (recovery, public_key):
        raise unreadable_answer(host, "a box is for another recovery key, or of another key, than was meant")
    return SealedKey(**box)


def own_public_keys(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return this machine's public login keys, or raise `UsageError`.

    `PROVISIONER_SSH_KEY` names the one key, else the agent's keys count (`SSH_AUTH_SOCK`).
    """
    if named := environment.get("PROVISIONER_SSH_KEY"):
        public_file = Path(named if named.endswith(".pub") else f"{named}.pub")
        if public_file.exists():
            return public_keys_of(public_file)
        output = _output_of(["ssh-keygen", "-y", "-P", "", "-f", str(Path(named).absolute())], environment)
        if not (keys := tuple(_keys_in(output))):
            raise UsageError(f"{named}: its public half is not beside it, and it cannot be read", hint=_NAME_ONE)
        return keys
    socket = environment.get("SSH_AUTH_SOCK", "")
    return tuple(_keys_in(_output_of(["ssh-add", "-L"], environment, {"SSH_AUTH_SOCK": socket}))) if socket else ()


def public_keys_of(file: Path) -> tuple[str, ...]:
    """Read a file of public keys, at least one; or raise `UsageError`."""
    with os_errors(f"{file} cannot be read", _NAME_ONE), file.open("rb") as stream:
        text = stream.read(_MOST_BYTES).decode("utf-8", "replace")
    keys = tuple(_keys_in(text))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not keys or len(keys) != len(lines):
        # The file may be a private key, so it is not quoted.
        raise UsageError(f"{file} holds something else than public SSH keys", hint=_NAME_ONE)
    return keys


def _output_of(argv: list[str], environment: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
    child_env = {**small_environment(environment), **(more or {})}
    try:
        done = run_quietly(argv, child_env, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except (OSError, StillRunningError, OutputTooLongError):
        return ""
    return done.output.decode("utf-8", "replace") if done.code == 0 else ""


def _keys_in(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        key = " ".join(words[:2])
        if is_public_key(key) and "-cert-" not in key:
            yield key
