"""The door to Git's remotes: one reference is fetched or pushed, by the person's own settings and credentials.

Unlike reading a checkout (`provisioner/base/git.py`) this reaches out, so the settings of the user and of the machine
count: who logs in, and how, stands there or in the environment. A remote is named, never given as an address: where it
leads is in `.git/config`, which is the person's. No hook runs, and no program that a reference could name.
"""

from __future__ import annotations

import os
import re
from typing import Final

from provisioner.base.child_process import Ended, OutputTooLongError, StillRunningError, run_quietly
from provisioner.base.errors import NoticeError, UsageError
from provisioner.base.git import Checkout, ask_git, environment_outside, setting_of
from provisioner.base.printable import printable

_TIMEOUT_S: Final = 120
_MOST_BYTES: Final = 64 * 1024
_NOTHING: Final = 2
"""What `ls-remote --exit-code` ends with where nothing has such a name."""
_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_REFERENCE: Final = re.compile(r"^refs(?:/[A-Za-z0-9][A-Za-z0-9_-]*)+$")
_OF_THE_CALLER: Final = re.compile(
    r"^(?:HOME|XDG_CONFIG_HOME|SSH_AUTH_SOCK|GIT_ASKPASS|GIT_SSH|GIT_SSH_COMMAND|GIT_SSL_CAINFO|GIT_SSL_CAPATH"
    r"|GIT_CONFIG_GLOBAL|GIT_CONFIG_COUNT|GIT_CONFIG_(?:KEY|VALUE)_\d{1,3}|(?:https?|no|all)_proxy)$",
    re.IGNORECASE,
)
_SETTINGS: Final = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
}
_SECRET_IN_URL: Final = re.compile(r"//[^/@\s]+@")


def fetch_reference(checkout: Checkout, remote: str, reference: str) -> bool:
    """Bring a reference of a remote here, under the same name; False where the remote has none.

    Raises:
        NoticeError: the remote was not reached, or refuses.
        UsageError: it is no remote of the checkout, or Git cannot be run.
    """
    done = _run(checkout, remote, "ls-remote", "--exit-code", remote, _checked(reference))
    if done.code == _NOTHING:
        return False
    _refuse_failed(done, checkout, remote)
    words = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
    _refuse_failed(_run(checkout, remote, *words, remote, f"+{reference}:{reference}"), checkout, remote)
    return True


def push_reference(checkout: Checkout, remote: str, commit: str, reference: str) -> None:
    """Let a reference of a remote be a commit of ours, whatever it was.

    Raises:
        NoticeError: the remote was not reached, or refuses.
        UsageError: it is no remote of the checkout, or Git cannot be run.
    """
    words = ("push", "--quiet", "--no-verify", "--no-follow-tags", "--porcelain")
    _refuse_failed(_run(checkout, remote, *words, remote, f"+{commit}:{_checked(reference)}"), checkout, remote)


def commit_of_one_file(checkout: Checkout, name: str, content: bytes, message: str) -> str:
    """Make a commit that holds one file, has no parent, and is in no branch: its id.

    Raises:
        UsageError: Git cannot be run, or refuses.
    """
    hint = "see whether the checkout can be written to"
    blob = _made(ask_git(checkout, "hash-object", "-w", "--no-filters", "--stdin", stdin=content), checkout, hint)
    tree = _made(ask_git(checkout, "mktree", stdin=f"100644 blob {blob}\t{name}\n".encode()), checkout, hint)
    author = ("-c", "user.name=provisioner", "-c", "user.email=provisioner@localhost")
    return _made(ask_git(checkout, *author, "commit-tree", tree, stdin=message.encode()), checkout, hint)


def _made(done: Ended, checkout: Checkout, hint: str) -> str:
    if done.code != 0:
        raise UsageError(f"git can make no commit in {checkout.top}", hint=hint)
    return done.output.decode().strip()


def _run(checkout: Checkout, remote: str, *arguments: str) -> Ended:
    if not _NAME.match(remote) or not setting_of(checkout, f"remote.{remote}.url"):
        hint = "name one of those that `git remote` lists"
        raise UsageError(f"{printable(remote, 100)!r} is no remote of {checkout.top}", hint=hint)
    own = {name: value for name, value in os.environ.items() if _OF_THE_CALLER.match(name)}
    environment = environment_outside(checkout) | own | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    argv = ["git", "--no-pager", *settings, f"--git-dir={checkout.git_folder}", *arguments]
    try:
        return run_quietly(argv, environment, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except OSError:
        raise UsageError("git cannot be run", hint="install git") from None
    except StillRunningError:
        hint = "see whether the server answers, and whether somebody has to type a password for it"
        raise NoticeError(f"{remote} did not answer git within {_TIMEOUT_S} s", hint=hint, object=remote) from None
    except OutputTooLongError:
        raise NoticeError(f"{remote} answers git without end", hint="see what server that is", object=remote) from None


def _refuse_failed(done: Ended, checkout: Checkout, remote: str) -> None:
    if done.code == 0:
        return
    lines = [line for line in done.said.decode(errors="replace").splitlines() if line.strip()]
    last = printable(_SECRET_IN_URL.sub("//", lines[-1].strip() if lines else f"it ended with {done.code}"), 300)
    hint = f"try it by hand in {checkout.top}: git ls-remote {remote}; a push needs a login that may write"
    raise NoticeError(f"git says of {remote}: {last}", hint=hint, object=remote)


def _checked(reference: str) -> str:
    if not _REFERENCE.match(reference):
        raise UsageError(f"{printable(reference, 100)!r} is no reference", hint="begin it with refs/")
    return reference
