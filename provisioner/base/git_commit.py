"""A commit of single files: exactly their bytes, whatever else is staged or changed, by no filter and no hook.

What filters and attributes a checkout's files name was proposed by somebody; so the commit is put together from its
parts, and a person whose Git does more than that (hooks, signatures) is asked to commit by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from provisioner.base.child_process import run_quietly, small_environment
from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of, run_git, setting_of

OWN_HOOK: Final = """\
#!/bin/sh
# Written by provisioner: what stands under secrets/ and contacts/ is committed encrypted, or not at all.
git diff --cached --name-only --diff-filter=ACMR -z -- secrets contacts ':(glob)**/secrets/**' ':(glob)**/contacts/**' |
	tr '\\0' '\\n' | while IFS= read -r file; do
	case $(git show ":$file" | head -c 15) in
	'$ANSIBLE_VAULT;'*) ;;
	*)
		echo "$file is not encrypted: ansible-vault encrypt --encrypt-vault-id secrets $file" >&2
		exit 1
		;;
	esac
done
"""
"""The hook of a repository that is begun here."""
_OWN_PLACE: Final = "pre-commit"
_HOOKS: Final = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")
_UNDER_WAY: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_BY_HAND: Final = "commit it yourself: git commit --only FILE"
_MODE: Final = "100644"
_TIMEOUT_S: Final = 60
_MOST_BYTES: Final = 64 * 1024


def committing(path: Path) -> Checkout:
    """The checkout in which a file can be committed here.

    Raises:
        UsageError: there is none, its Git does more at a commit than this can, or something is under way.
    """
    checkout = checkout_of(path)
    if checkout is None:
        raise UsageError(f"{path} is under no Git", hint="leave --commit out")
    if any((checkout.git_folder / name).exists() for name in _UNDER_WAY):
        hint = "finish it first, or leave --commit out"
        raise UsageError(f"a merge or a rebase is under way in {checkout.top}", hint=hint)
    if (checkout.git_folder / "index.lock").exists():
        hint = "wait for the other Git; where none runs any more, remove that file"
        raise UsageError(f"another Git works in {checkout.top} (index.lock)", hint=hint)
    if setting_of(checkout, "core.hooksPath") not in {"", "/dev/null"} or any(map(_is_hook(checkout), _HOOKS)):
        raise UsageError(f"{checkout.top} has hooks that a commit runs", hint=_BY_HAND)
    if setting_of(checkout, "commit.gpgSign").lower() in {"true", "yes", "on", "1"}:
        raise UsageError("your Git signs commits", hint=_BY_HAND)
    _person(checkout)
    return checkout


def commit_files(checkout: Checkout, files: Mapping[Path, bytes], message: str) -> str:
    """Commit files as they are now, and nothing else; the commit's id.

    Args:
        checkout: what `committing` gave.
        files: each file of the checkout, and its bytes.
        message: what the commit says of itself.

    Raises:
        UsageError: Git refuses it.
    """
    head = ask_git(checkout, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    parent = head.output.decode().strip() if head.code == 0 else ""
    entries = [_entry(checkout, file, data) for file, data in files.items()]
    with TemporaryDirectory(prefix="provisioner-commit-") as folder:
        index = Path(folder) / "index"
        _git(checkout, "read-tree", parent or "--empty", index=index)
        _stage(checkout, entries, index)
        tree = _git(checkout, "write-tree", index=index)
    name, email = _person(checkout)
    settings = ["-c", f"user.name={name}", "-c", f"user.email={email}"]
    parents = ["-p", parent] if parent else []
    commit = run_git(checkout, *settings, "commit-tree", tree, *parents, stdin=message.encode(), hint=_BY_HAND)
    made = commit.decode().strip()
    _stage(checkout, entries, None)
    # The empty text says that there is none yet: digests of one length or another need no zeros.
    _git(checkout, "update-ref", "-m", f"commit: {message.partition(chr(10))[0]}", "HEAD", made, parent)
    return made


def _entry(checkout: Checkout, file: Path, data: bytes) -> str:
    blob = run_git(checkout, "hash-object", "-w", "--no-filters", "--stdin", stdin=data, hint=_BY_HAND)
    return f"{_MODE} {blob.decode().strip()}\t{checkout.relative(file.resolve())}"


def _stage(checkout: Checkout, entries: list[str], index: Path | None) -> None:
    listed = "".join(f"{entry}\0" for entry in entries).encode()
    done = ask_git(checkout, "update-index", "--add", "-z", "--index-info", stdin=listed, index=index)
    if done.code != 0:
        raise UsageError(f"git cannot stage a file in {checkout.top}", hint=_BY_HAND)


def _git(checkout: Checkout, *arguments: str, index: Path | None = None) -> str:
    done = ask_git(checkout, *arguments, index=index)
    if done.code != 0:
        raise UsageError(f"git {arguments[0]} does not work in {checkout.top}", hint=_BY_HAND)
    return done.output.decode().strip()


def begin_repository(folder: Path) -> None:
    """Make a Git repository in a folder, with a hook that keeps secrets in the clear out of it.

    Raises:
        UsageError: Git cannot be run, or refuses it.
    """
    environment = small_environment(os.environ) | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    argv = ["git", "init", "--quiet", "--initial-branch=main", "--template=", str(folder.resolve())]
    try:
        done = run_quietly(argv, environment, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except OSError:
        raise UsageError("git cannot be run", hint="install git") from None
    if done.code != 0:
        raise UsageError(f"git makes no repository in {folder}", hint="run `git init` there by hand")
    hooks = folder / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / _OWN_PLACE).write_text(OWN_HOOK, encoding="utf-8")
    (hooks / _OWN_PLACE).chmod(0o755)


def _is_hook(checkout: Checkout) -> Callable[[str], bool]:
    common = _git(checkout, "rev-parse", "--git-common-dir")
    hooks = (checkout.top / common / "hooks").resolve()

    def is_hook(name: str) -> bool:
        file = hooks / name
        if not file.is_file() or not os.access(file, os.X_OK):
            return False
        # Ours asks for what is encrypted alone: nothing of that is committed here.
        return name != _OWN_PLACE or file.read_bytes() != OWN_HOOK.encode()

    return is_hook


def _person(checkout: Checkout) -> tuple[str, str]:
    """Who commits, as Git knows the person.

    Raises:
        UsageError: it does not.
    """
    name, email = setting_of(checkout, "user.name"), setting_of(checkout, "user.email")
    if not name or not email:
        raise UsageError("Git does not know who you are", hint='git config --global user.name "…", and user.email')
    return name, email
