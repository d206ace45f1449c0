"""The public halves of the keys that this machine logs in with: of the one that was named, or of the agent's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from provisioner.base.child_process import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.errors import UsageError
from provisioner.hosts.prepare_script import is_public_key

_TIMEOUT_S: Final = 20
_MOST_BYTES: Final = 256 * 1024
_NAME_ONE: Final = "name the public key: --key FILE.pub"


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
