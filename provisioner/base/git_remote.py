"""Git remotes, and clones that belong to this program alone.

Unlike `provisioner/base/git.py` this module uses the network, so settings of user and machine apply: they, or the
environment, define the login. A remote is named; its address is in the user's `.git/config`. No hook runs, and no
program that a reference could name.

A clone has no template and no checkout, and this program's settings. The program reads its files from the objects, so
filters, hooks and submodules never run. Functions raise `NoticeError` if a remote was not reached or refuses,
`UsageError` if it is unknown or Git cannot run.
"""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.base.errors import NoticeError, StateError, UsageError, os_errors
from provisioner.base.files import make_own_folder
from provisioner.base.git import Checkout, ask_git, checkout_of, environment_outside, run_git, setting_of
from provisioner.base.processes import Ended, OutputTooLongError, StillRunningError, run_quietly
from provisioner.base.secret import Secret
from provisioner.base.text import printable

_TIMEOUT_S: Final = 120
_MOST_BYTES: Final = 64 * 1024
_FETCH: Final = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
_PUSH: Final = ("push", "--quiet", "--no-verify", "--no-follow-tags", "--porcelain")
_NOTHING: Final = 2  #: Exit code of `ls-remote --exit-code` without a match.
_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
#: Stricter than git-check-ref-format(1): no characters special to a shell, a pattern or a refspec.
_REFERENCE: Final = re.compile(r"refs(?:/[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.|/|$|lock(?:/|$)))*)+")
_OF_THE_CALLER: Final = re.compile(
    r"^(?:HOME|XDG_CONFIG_HOME|SSH_AUTH_SOCK|GIT_ASKPASS|GIT_SSH|GIT_SSH_COMMAND|GIT_SSL_CAINFO|GIT_SSL_CAPATH"
    r"|GIT_CONFIG_GLOBAL|GIT_CONFIG_COUNT|GIT_CONFIG_(?:KEY|VALUE)_\d{1,3}|(?:https?|no|all)_proxy)$",
    re.IGNORECASE,
)
REMOTE: Final = "origin"  #: The remote's name in a clone of this program.
_SETTINGS: Final = {
    "core.attributesFile": "/dev/null",
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
#: Settings for own clones: the login goes to the named server alone.
_OWN_SETTINGS: Final = {"http.followRedirects": "false"}
_SECRET_IN_URL: Final = re.compile(r"//[^/@\s]+@")
_INIT_TIMEOUT_S: Final = 30
_CLONE_HINT: Final = "remove the clone's folder: it is made anew, and nothing is lost"
#: Leftovers of a killed Git: locks that block later runs, and partial objects.
_LEFT_BEHIND: Final = (
    "*.lock",
    "refs/**/*.lock",
    "worktrees/*/*.lock",
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/??/tmp_obj_*",
)


@dataclass(frozen=True, slots=True)
class RemoteAccess:
    """Access to an own clone's remote, without the user's settings."""

    ssh_key: Path | None = None
    known_hosts: Path | None = None
    authorization: Secret | None = None  #: HTTP's header.
    most_bytes: int = 1024 * 1024 * 1024  #: The size limit of a file that Git writes, such as a pack.

    @property
    def environment(self) -> dict[str, str]:
        """Git's environment. Arguments would be visible to all users of the machine."""
        ssh = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        ssh += ["-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=30"]
        if self.known_hosts is not None:
            ssh += ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "GlobalKnownHostsFile=/dev/null"]
        if self.ssh_key is not None:
            ssh += ["-i", str(self.ssh_key)]
        variables = {
            # Git's HTTP reads logins from ~/.netrc, which are not meant for this.
            "HOME": "/nonexistent",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:file",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": shlex.join(ssh),
            "GIT_SSH_VARIANT": "ssh",
        }
        if self.authorization is None:
            return variables
        header = f"Authorization: {self.authorization.reveal()}"
        return variables | {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": header,
        }


def fetch_reference(checkout: Checkout, remote: str, reference: str) -> bool:
    """Fetch a remote's reference under the same name; `False` if missing."""
    done = _run_remote_git(checkout, remote, "ls-remote", "--exit-code", remote, _checked(reference))
    if done.code == _NOTHING:
        return False
    _refuse_failed(done, checkout, remote)
    _refuse_failed(
        _run_remote_git(checkout, remote, *_FETCH, "--depth=1", remote, f"+{reference}:{reference}"), checkout, remote
    )
    return True


def push_reference(checkout: Checkout, remote: str, commit: str, reference: str) -> None:
    """Set a remote's reference to a local commit, by force."""
    _refuse_failed(
        _run_remote_git(checkout, remote, *_PUSH, remote, f"+{commit}:{_checked(reference)}"), checkout, remote
    )


def commit_of_one_file(checkout: Checkout, name: str, content: bytes, message: str) -> str:
    """Return a new commit with one file, or raise `UsageError`."""
    hint = "see whether the checkout can be written to"
    blob = _made(ask_git(checkout, "hash-object", "-w", "--no-filters", "--stdin", stdin=content), checkout, hint)
    tree = _made(ask_git(checkout, "mktree", stdin=f"100644 blob {blob}\t{name}\n".encode()), checkout, hint)
    author = ("-c", "user.name=provisioner", "-c", "user.email=provisioner@localhost")
    return _made(ask_git(checkout, *author, "commit-tree", tree, stdin=message.encode()), checkout, hint)


def fetch_branch(checkout: Checkout, access: RemoteAccess, branch: str, reference: str) -> str:
    """Fetch a branch with its history; return its commit, empty if missing."""
    source = _checked(f"refs/heads/{branch}")
    done = _run_remote_git(checkout, REMOTE, "ls-remote", "--exit-code", REMOTE, source, access=access)
    if done.code == _NOTHING:
        return ""
    _refuse_failed(done, checkout, REMOTE)
    _bring(checkout, access, source, _checked(reference))
    named = ask_git(checkout, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    return _made(named, checkout, "see what the branch is at the remote")


def take_reference(checkout: Checkout, access: RemoteAccess, reference: str) -> None:
    """Copy a reference, or delete a missing one; errors as `fetch_branch`."""
    done = _run_remote_git(checkout, REMOTE, "ls-remote", "--exit-code", REMOTE, _checked(reference), access=access)
    if done.code == _NOTHING:
        ask_git(checkout, "update-ref", "-d", reference)
        return
    _refuse_failed(done, checkout, REMOTE)
    _bring(checkout, access, reference, reference)


def listed_references(checkout: Checkout, access: RemoteAccess, below: str) -> bytes:
    """Return the remote's references below a prefix, as Git prints them."""
    done = _run_remote_git(checkout, REMOTE, "ls-remote", REMOTE, f"{_checked(below)}/*", access=access)
    _refuse_failed(done, checkout, REMOTE)
    return done.output


def give_reference(checkout: Checkout, access: RemoteAccess, reference: str, *, replaces: bool = False) -> None:
    """Push a reference to the remote: forced with `replaces`, else fast-forward."""
    bring = f"{'+' if replaces else ''}{reference}:{_checked(reference)}"
    _refuse_failed(_run_remote_git(checkout, REMOTE, *_PUSH, REMOTE, bring, access=access), checkout, REMOTE)


def _bring(checkout: Checkout, access: RemoteAccess, source: str, target: str) -> None:
    arguments = (*_FETCH, "--no-recurse-submodules", REMOTE, f"+{source}:{target}")
    _refuse_failed(_run_remote_git(checkout, REMOTE, *arguments, access=access), checkout, REMOTE)


def _made(done: Ended, checkout: Checkout, hint: str) -> str:
    if done.code != 0:
        raise UsageError(f"git can make no commit in {checkout.top}", hint=hint)
    return done.output.decode().strip()


def _run_remote_git(checkout: Checkout, remote: str, *arguments: str, access: RemoteAccess | None = None) -> Ended:
    if not _NAME.match(remote) or not setting_of(checkout, f"remote.{remote}.url"):
        hint = "name one of those that `git remote` lists"
        raise UsageError(f"{printable(remote, 100)!r} is no remote of {checkout.top}", hint=hint)
    if access is None:
        allowed = {name: value for name, value in os.environ.items() if _OF_THE_CALLER.match(name)}
    else:
        allowed = access.environment
    environment = environment_outside(checkout) | allowed | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    chosen = _SETTINGS | ({} if access is None else _OWN_SETTINGS)
    settings = [argument for name, value in chosen.items() for argument in ("-c", f"{name}={value}")]
    argv = ["git", "--no-pager", *settings, f"--git-dir={checkout.git_folder}", *arguments]
    try:
        # A person's Git may ask at the terminal. Ours never does, and its children end with it.
        return run_quietly(
            argv,
            environment,
            timeout_s=_TIMEOUT_S,
            most_bytes=_MOST_BYTES,
            most_written=access.most_bytes if access else None,
            kill_children=access is not None,
        )
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


def is_reference(name: str) -> bool:
    """Return whether a name is a reference allowed here."""
    return _REFERENCE.fullmatch(name) is not None


def _checked(reference: str) -> str:
    if not is_reference(reference):
        raise UsageError(f"{printable(reference, 100)!r} is no reference", hint="begin it with refs/")
    return reference


# --- clones ----------------------------------------------------------------------------------------
def open_clone(folder: Path, url: str) -> Checkout:
    """Open a folder's clone, made if missing, or raise `StateError`."""
    checkout = _opened_clone(folder)
    clear_leftovers(checkout)
    run_git(checkout, "config", f"remote.{REMOTE}.url", url, hint=_CLONE_HINT)
    return checkout


def clear_leftovers(clone: Checkout) -> None:
    """Remove a killed Git's leftovers, or raise `StateError`; no other may run."""
    with os_errors(f"what was left in {clone.git_folder} stays", _CLONE_HINT, StateError):
        for pattern in _LEFT_BEHIND:
            for file in clone.git_folder.glob(pattern):
                file.unlink(missing_ok=True)


def _opened_clone(folder: Path) -> Checkout:
    hint = "give yourself the folder, or name another state with PROVISIONER_STATE"
    with os_errors(f"the clone {folder} cannot be made", hint, StateError):
        make_own_folder(folder)
    checkout = checkout_of(folder)
    if checkout is None or checkout.top != folder.resolve():
        _init_clone(folder)
        checkout = checkout_of(folder)
    if checkout is None or checkout.top != folder.resolve():
        raise StateError(f"git made no clone in {folder}", hint=_CLONE_HINT)
    return checkout


def _init_clone(folder: Path) -> None:
    environment = environment_outside(Checkout(folder, folder / ".git"))
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "init", "--quiet", "--template=", "--initial-branch=main", str(folder)]
    try:
        done = run_quietly(argv, environment, timeout_s=_INIT_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except OSError:
        raise UsageError("git cannot be run", hint="install git") from None
    except (StillRunningError, OutputTooLongError):
        raise StateError(f"git makes no clone in {folder}", hint=_CLONE_HINT) from None
    if done.code != 0:
        raise StateError(f"git makes no clone in {folder}", hint=_CLONE_HINT)


def is_ancestor(clone: Checkout, older: str, newer: str) -> bool:
    """Return whether a commit is known and another's ancestor, or the same."""
    return ask_git(clone, "merge-base", "--is-ancestor", older, newer).code == 0


def commits_between(clone: Checkout, older: str, newer: str, *, most: int, first_parent: bool = False) -> list[str]:
    """List commits reachable from `newer`, included, but not `older`, newest first."""
    options = ["rev-list", f"--max-count={most}", *(["--first-parent"] if first_parent else []), newer]
    listed = run_git(clone, *options, *([f"^{older}"] if older else []), hint=_CLONE_HINT)
    return listed.decode().split()


def raw_commit(clone: Checkout, commit: str, most_bytes: int) -> bytes:
    """Return a commit object's bytes, or raise `UsageError`."""
    return run_git(clone, "cat-file", "commit", commit, hint=_CLONE_HINT, most_bytes=most_bytes)


def make_tree(clone: Checkout, folder: Path, commit: str) -> Checkout:
    """Replace a folder by a commit's worktree without files, or raise `StateError`."""
    remove_tree(clone, folder)
    # Twice: one that was begun and cut off is still locked.
    options = ("--quiet", "--force", "--force", "--detach", "--no-checkout")
    run_git(clone, "worktree", "add", *options, str(folder), commit, hint=_CLONE_HINT)
    tree = checkout_of(folder)
    if tree is None or tree.top != folder.resolve():
        raise StateError(f"git made no checkout in {folder}", hint=_CLONE_HINT)
    run_git(tree, "read-tree", commit, hint=_CLONE_HINT)
    return tree


def remove_tree(clone: Checkout, folder: Path) -> None:
    """Remove a folder of `make_tree`, or raise `StateError`."""
    with os_errors(f"{folder} cannot be removed", _CLONE_HINT, StateError):
        if folder.exists():
            shutil.rmtree(folder)
    ask_git(clone, "worktree", "prune")
