"""Git: recorded content, and commits of single files.

`.git` belongs to the local user. All other files were proposed, and may imitate a repository (`HEAD`, `config`,
`objects/`) whose settings run programs. So this module locates a checkout by its `.git` and tells Git where it is.

A commit contains exactly its files, whatever else is staged or changed. Filters and attributes are proposed too, so a
commit is built from blobs and trees. If the user's Git does more (hooks, signatures), the user commits by hand.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from provisioner.base import processes
from provisioner.base.errors import UsageError, raised_as

_DOT_GIT: Final = ".git"
_POINTER: Final = "gitdir:"
_MOST_POINTER: Final = 4096
_TIMEOUT_S: Final = 60
_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_BYTES_SHORT: Final = 64 * 1024  #: For answers of a few lines.

# Settings of the caller and of the machine are left out. Those of the checkout's `.git/config` are the person's;
# settings that run programs or open connections are not needed to read.
_ENVIRONMENT: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
}
_MOST_LINKS: Final = 40
_SETTINGS: Final = {
    "advice.graftFileDeprecated": "false",
    "core.alternateRefsCommand": "false",
    "core.askPass": "false",
    "core.attributesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.gitProxy": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "credential.helper": "",
    "gc.auto": "0",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "submodule.recurse": "false",
}
_OPTIONS: Final = ("--no-pager", "--no-optional-locks", "--literal-pathspecs", "--no-replace-objects")
_VAULT_ID: Final = """\
		id=secrets name=${file##*/}
		case $file in contacts/* | */contacts/*) id=contacts-${name%%.*} ;; esac
"""
#: Hook of a repository made by this program.
OWN_HOOK: Final = f"""\
#!/bin/sh
# Written by provisioner: what stands under secrets/ and contacts/ is committed encrypted, or not at all.
git diff --cached --name-only --diff-filter=ACMR -z -- secrets contacts ':(glob)**/secrets/**' ':(glob)**/contacts/**' |
	tr '\\0' '\\n' | while IFS= read -r file; do
	case $(git show ":$file" | head -c 15) in
	'$ANSIBLE_VAULT;'*) ;;
	*)
{_VAULT_ID}		echo "$file is not encrypted: ansible-vault encrypt --encrypt-vault-id $id $file" >&2
		exit 1
		;;
	esac
done
"""
#: That of earlier versions, whose message named one vault id.
_EARLIER_HOOK: Final = OWN_HOOK.replace(_VAULT_ID, "").replace("$id", "secrets")
_OWN_PLACE: Final = "pre-commit"
_HOOKS: Final = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")
_UNDER_WAY: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_BY_HAND: Final = "commit it yourself: git commit --only FILE"
_MODE: Final = "100644"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder under Git; worktrees and submodules have `git_folder` elsewhere."""

    top: Path
    git_folder: Path

    def relative(self, path: Path) -> str:
        """Return a path as Git names it; empty for the top."""
        inside = path.relative_to(self.top).as_posix()
        return "" if inside == "." else inside

    def tracks(self, path: Path) -> bool:
        """Return whether Git tracks a file, or a file in a folder."""
        return bool(ask_git(self, "ls-files", "-z", "--", self.relative(path)).output)


def checkout_of(path: Path) -> Checkout | None:
    """Locate a path's checkout; `None` outside Git."""
    real = path.resolve()
    for folder in (real, *real.parents):
        git_folder = _git_folder_at(folder)
        if git_folder is not None:
            return Checkout(folder, git_folder)
    return None


def run_git(checkout: Checkout, *arguments: str, hint: str, stdin: bytes = b"", most_bytes: int = _MOST_BYTES) -> bytes:
    """Run a Git command, as `ask_git`; if it fails, raise `UsageError`."""
    done = ask_git(checkout, *arguments, stdin=stdin, most_bytes=most_bytes)
    if done.code != 0:
        raise UsageError(f"git says of {checkout.top}: {_last_word(done)}", hint=hint)
    return done.output


def ask_git(
    checkout: Checkout, *arguments: str, stdin: bytes = b"", most_bytes: int = _MOST_BYTES, index: Path | None = None
) -> processes.Ended:
    """Run a Git command; paths are literal and relative to the top.

    `index` names another index than the checkout's own. `UsageError`: Git cannot run, the checkout is another
    user's, or the output is too long.
    """
    if not _is_ours(checkout):
        hint = f"if you trust it: git config --global --add safe.directory {checkout.top}"
        raise UsageError(f"{checkout.top} belongs to another user: Git is not asked about it", hint=hint)
    settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    folders = [f"--git-dir={checkout.git_folder}", f"--work-tree={checkout.top}"]
    argv = ["git", *_OPTIONS, *settings, *folders, *arguments]
    extra = _ENVIRONMENT | ({"GIT_INDEX_FILE": str(index)} if index else {})
    return _run_git(argv, extra, checkout, stdin, most_bytes)


def setting_of(checkout: Checkout, name: str) -> str:
    """Return a user's or checkout's Git setting, or empty; errors as `ask_git`."""
    if not _is_ours(checkout):
        return ""
    # By the checkout's own folder: what the user's settings say of some folders alone (includeIf) counts in them.
    argv = ["git", f"--git-dir={checkout.git_folder}", "config", "--get", name]
    done = _run_git(argv, _config_home(), checkout, b"", _MOST_BYTES_SHORT)
    return done.output.decode(errors="replace").strip() if done.code == 0 else ""


def environment_outside(checkout: Checkout) -> dict[str, str]:
    """Return a small environment whose PATH avoids the checkout."""
    return processes.small_environment(without_programs_of(os.environ, checkout.top))


def without_programs_of(caller: Mapping[str, str], proposed: Path) -> Mapping[str, str]:
    """Return the environment without PATH entries that lead into a checkout."""

    def is_in_checkout(entry: str) -> bool:
        try:
            return any(link.is_relative_to(proposed) for link in links_of(Path(entry)))
        except OSError:
            return True

    if "PATH" not in caller:
        return caller
    outside = [entry for entry in processes.search_path(caller).split(":") if not is_in_checkout(entry)]
    return {**caller, "PATH": ":".join(outside) or processes.search_path({})}


def links_of(path: Path) -> Iterator[Path]:
    """Yield each link on a path, then its target; loops raise `OSError`."""
    current, remaining = Path("/"), _parts(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118 (nothing is taken together)
    links = 0
    while remaining:
        part = remaining.pop()
        candidate = current.parent if part == ".." else current / part
        if part == ".." or not candidate.is_symlink():
            current = candidate
            continue
        yield candidate
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = os.readlink(candidate)  # noqa: PTH115 (its very text)
        current = Path("/") if target.startswith("/") else current
        remaining += _parts(target)
    yield current


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _config_home() -> dict[str, str]:
    return {"XDG_CONFIG_HOME": os.environ["XDG_CONFIG_HOME"]} if "XDG_CONFIG_HOME" in os.environ else {}


def _run_git(
    argv: list[str], extra: dict[str, str], checkout: Checkout, stdin: bytes, most_bytes: int
) -> processes.Ended:
    home = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}
    environment = environment_outside(checkout) | home | extra
    try:
        return processes.run_quietly(argv, environment, stdin=stdin, timeout_s=_TIMEOUT_S, most_bytes=most_bytes)
    except OSError:
        raise UsageError("git cannot be run", hint="install git; the revision is read with it") from None
    except processes.StillRunningError:
        hint = "run `git fsck` there, and try again when the machine is idle"
        raise UsageError(f"git took over {_TIMEOUT_S} s for {checkout.top}", hint=hint) from None
    except processes.OutputTooLongError:
        hint = "look at that revision with Git itself before anything is done with it"
        raise UsageError(f"git answers more about {checkout.top} than any inventory holds", hint=hint) from None


def _last_word(done: processes.Ended) -> str:
    line = (done.said.decode(errors="replace").strip().splitlines() or ["it has no such revision"])[-1]
    return "".join(c if c.isprintable() else "?" for c in line)


# --- place and owner --------------------------------------------------------------------------------
def _git_folder_at(folder: Path) -> Path | None:
    dot_git = folder / _DOT_GIT
    try:
        git_folder = dot_git.resolve() if dot_git.is_dir() else _named_in(dot_git)
    except (OSError, RuntimeError, ValueError):
        return None
    if git_folder is None or not (git_folder / "HEAD").is_file():
        return None
    # No `.git` of a person's leads to files that are proposed: those of the checkout itself.
    inside = git_folder.is_relative_to(folder) and git_folder != folder / _DOT_GIT
    return None if inside else git_folder


def _named_in(pointer: Path) -> Path | None:
    if not pointer.is_file():
        return None
    with pointer.open(encoding="utf-8") as stream:
        label, _, named = stream.read(_MOST_POINTER).partition(" ")
    return (pointer.parent / named.strip()).resolve() if label == _POINTER else None


def _is_ours(checkout: Checkout) -> bool:
    """Return whether the user owns a checkout, or settings trust it."""
    users = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        users.add(int(os.environ["SUDO_UID"]))
    paths = (checkout.top, checkout.top / _DOT_GIT, checkout.git_folder)
    if all(path.lstat().st_uid in users for path in paths):
        return True
    return any(_setting_trusts(value, checkout.top) for value in _trusted_folders(checkout))


def _setting_trusts(value: str, top: Path) -> bool:
    if value == "*":
        return True
    if value.endswith("/*"):
        return top.is_relative_to(Path(value[:-2]).resolve())
    return value.startswith("/") and Path(value).resolve() == top


def _trusted_folders(checkout: Checkout) -> Iterator[str]:
    """Yield user's and machine's `safe.directory` values since the last empty one."""
    argv = ["git", "--git-dir=/dev/null", "config", "--null", "--type=path", "--get-all", "safe.directory"]
    values = _run_git(argv, _config_home(), checkout, b"", _MOST_BYTES).output.decode(errors="replace").split("\0")[:-1]
    last_empty = max((index for index, value in enumerate(values) if not value), default=-1)
    yield from values[last_empty + 1 :]


# --- commits of single files -----------------------------------------------------------------------
def committing(path: Path) -> Checkout:
    """Return a file's checkout if a commit is possible, or raise `UsageError`."""
    checkout = checkout_of(path)
    if checkout is None:
        raise UsageError(f"{path} is under no Git", hint="leave --commit out")
    if any((checkout.git_folder / name).exists() for name in _UNDER_WAY):
        hint = "finish it first, or leave --commit out"
        raise UsageError(f"a merge or a rebase is under way in {checkout.top}", hint=hint)
    if (checkout.git_folder / "index.lock").exists():
        hint = "wait for the other Git; where none runs any more, remove that file"
        raise UsageError(f"another Git works in {checkout.top} (index.lock)", hint=hint)
    if setting_of(checkout, "core.hooksPath") not in {"", "/dev/null"} or any(map(_hook_test(checkout), _HOOKS)):
        raise UsageError(f"{checkout.top} has hooks that a commit runs", hint=_BY_HAND)
    if setting_of(checkout, "commit.gpgSign").lower() in {"true", "yes", "on", "1"}:
        raise UsageError("your Git signs commits", hint=_BY_HAND)
    _persons(checkout)
    return checkout


def commit_files(checkout: Checkout, files: Mapping[Path, bytes], message: str) -> str:
    """Commit exactly these files' bytes, or raise `UsageError`; return the id."""
    head = ask_git(checkout, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    parent = head.output.decode().strip() if head.code == 0 else ""
    entries = [_entry(checkout, file, data) for file, data in files.items()]
    with TemporaryDirectory(prefix="provisioner-commit-") as folder:
        index = Path(folder) / "index"
        _git_output(checkout, "read-tree", parent or "--empty", index=index)
        _stage_entries(checkout, entries, index)
        tree = _git_output(checkout, "write-tree", index=index)
    settings = [word for setting in _persons(checkout) for word in ("-c", setting)]
    parents = ["-p", parent] if parent else []
    commit = run_git(checkout, *settings, "commit-tree", tree, *parents, stdin=message.encode(), hint=_BY_HAND)
    made = commit.decode().strip()
    _stage_entries(checkout, entries, None)
    # An empty old value means that the ref must not exist yet, whatever the length of digests.
    _git_output(checkout, "update-ref", "-m", f"commit: {message.partition(chr(10))[0]}", "HEAD", made, parent)
    return made


def begin_repository(folder: Path) -> None:
    """Make a repository whose hook refuses unencrypted secrets, or raise `UsageError`."""
    environment = processes.small_environment(os.environ) | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    argv = ["git", "init", "--quiet", "--initial-branch=main", "--template=", str(folder.resolve())]
    with raised_as(UsageError("git cannot be run", hint="install git"), OSError):
        done = processes.run_quietly(argv, environment, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES_SHORT)
    if done.code != 0:
        raise UsageError(f"git makes no repository in {folder}", hint="run `git init` there by hand")
    hooks = folder / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / _OWN_PLACE).write_text(OWN_HOOK, encoding="utf-8")
    (hooks / _OWN_PLACE).chmod(0o755)


def _entry(checkout: Checkout, file: Path, data: bytes) -> str:
    blob = run_git(checkout, "hash-object", "-w", "--no-filters", "--stdin", stdin=data, hint=_BY_HAND)
    return f"{_MODE} {blob.decode().strip()}\t{checkout.relative(file.resolve())}"


def _stage_entries(checkout: Checkout, entries: list[str], index: Path | None) -> None:
    listed = "".join(f"{entry}\0" for entry in entries).encode()
    done = ask_git(checkout, "update-index", "--add", "-z", "--index-info", stdin=listed, index=index)
    if done.code != 0:
        raise UsageError(f"git cannot stage a file in {checkout.top}", hint=_BY_HAND)


def _git_output(checkout: Checkout, *arguments: str, index: Path | None = None) -> str:
    done = ask_git(checkout, *arguments, index=index)
    if done.code != 0:
        raise UsageError(f"git {arguments[0]} does not work in {checkout.top}", hint=_BY_HAND)
    return done.output.decode().strip()


def _hook_test(checkout: Checkout) -> Callable[[str], bool]:
    common = _git_output(checkout, "rev-parse", "--git-common-dir")
    hooks = (checkout.top / common / "hooks").resolve()

    def is_hook(name: str) -> bool:
        file = hooks / name
        if not file.is_file() or not os.access(file, os.X_OK):
            return False
        # Our own hook only checks encrypted files, which are not committed here.
        return name != _OWN_PLACE or file.read_bytes() not in {OWN_HOOK.encode(), _EARLIER_HOOK.encode()}

    return is_hook


def _persons(checkout: Checkout) -> list[str]:
    """Return Git's settings for author and committer, or raise `UsageError`."""
    own = {part: setting_of(checkout, f"user.{part}") for part in ("name", "email")}
    settings = {
        f"{person}.{part}": os.environ.get(f"GIT_{person}_{part}".upper()) or own[part]
        for person, part in product(("author", "committer"), own)
    }
    if not all(settings.values()):
        raise UsageError("Git does not know who you are", hint='git config --global user.name "…", and user.email')
    return [f"{key}={value}" for key, value in settings.items()]
