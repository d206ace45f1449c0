"""The one door to `ssh-keygen`, which signs by a key in a file, in an agent or in a token; no key is read here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioner.base.child_process import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.errors import UsageError
from provisioner.base.printable import printable

_PASSED: Final = ("HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "TERM", "LANG")
"""What it may know of the environment: where the agent is and how to ask for a passphrase; no password of ours."""
_TIMEOUT_S: Final = 300
"""A person types a passphrase meanwhile, or touches a token."""
_MOST_BYTES: Final = 1 << 16


def made_signature(message: bytes, key: Path, namespace: str, env: Mapping[str, str]) -> bytes:
    """Let a key sign, and give the file that `ssh-keygen -Y sign` would have written.

    It asks for a passphrase on the terminal by itself.

    Args:
        message: what is signed.
        key: the private key's file, or the public one's where the private key is in an agent.
        namespace: what the signature is for.
        env: the caller's environment.

    Raises:
        UsageError: it cannot be run, or does not sign.
    """
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key.absolute())]
    passed = {name: env[name] for name in _PASSED if name in env} | small_environment(env)
    try:
        done = run_quietly(argv, passed, stdin=message, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except (OSError, StillRunningError, OutputTooLongError):
        hint = "install openssh-client, or sign elsewhere: see --statement"
        raise UsageError("ssh-keygen cannot be run, or does not end", hint=hint) from None
    if done.code != 0:
        said = (done.said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        hint = "name a key that it can sign by"
        raise UsageError(f"ssh-keygen did not sign by {key}: {printable(said, 200)}", hint=hint)
    return done.output
