"""The one door to `ssh-keygen`, which signs by a key in a file, in an agent or in a token; no key is read here."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError

_PASSED: Final = ("PATH", "HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "TERM", "LANG")
"""What it may know of the environment: where the agent is and how to ask for a passphrase; no password of ours."""


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
    passed = {name: env[name] for name in _PASSED if name in env}
    try:
        done = subprocess.run(argv, input=message, capture_output=True, env=passed, check=False)
    except OSError:
        hint = "install openssh-client, or sign elsewhere: see --statement"
        raise UsageError("ssh-keygen cannot be run", hint=hint) from None
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        shown = "".join(sign if sign.isprintable() else "?" for sign in said)[:200]
        raise UsageError(f"ssh-keygen did not sign by {key}: {shown}", hint="name a key that it can sign by")
    return done.stdout
