"""The branch that an agent follows, and its allowed signers.

The agent has its own clone. It compares the branch's tip with the last reached commit, and checks commits out for
plans. The signers' file is OpenSSH's ALLOWED SIGNERS (ssh-keygen(1)), as in Git's `gpg.ssh.allowedSignersFile`: a line
a key, `NAMES [OPTIONS] KEY`. An unknown option makes the whole file invalid, since it may be a restriction.
"""

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from provisioner.base import git_remote, ssh_signature
from provisioner.base.errors import NoticeError, StateError, UsageError, os_errors
from provisioner.base.files import read_regular, replace_file
from provisioner.base.git import Checkout, ask_git, checkout_of
from provisioner.base.secret import Secret
from provisioner.base.text import printable
from provisioner.inventory.files.revision import lay_out_whole
from provisioner.operations.agent.decision import Line, Tip
from provisioner.operations.agent.settings import AgentSettings
from provisioner.record.heads import replace_note

NAMESPACE: Final = "git"
MAX_SIGNERS_BYTES: Final = 256 * 1024
MAX_COMMIT_BYTES: Final = 1024 * 1024
_SIGNATURE_HEADER: Final = b"gpgsig"
_OTHER_HEADER: Final = b"gpgsig-sha256"
_SIGNER_LINE: Final = re.compile(
    rf"(\S+)\s+(?:(.+?)\s+)?((?:{'|'.join(map(re.escape, ssh_signature.KINDS))})\s+[A-Za-z0-9+/]+=*)(?:\s+.*)?"
)
_SIGNER_OPTION: Final = re.compile(r'([a-z-]+)(?:="([^"]*)")?(?:,|$)', re.IGNORECASE)
_MOMENT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?(Z?)")

#: Namespace patterns; OpenSSH's negation `!` is not supported.
_PATTERNS: Final = re.compile(r"[A-Za-z0-9._@*?-]+(?:,[A-Za-z0-9._@*?-]+)*")

_COMMITTER: Final = b"committer "
_SHOWN: Final = 80
TIP: Final = "refs/provisioner/agent/tip"
NOTES: Final = "refs/notes/provisioner-agent"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MOST_SIGNED: Final = 1000
_MOST_SECRET: Final = 4096
_WHOLE: Final = ".whole"


class SignersFormError(ValueError):
    """An invalid file of allowed signers; the message names the line."""


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """A key that may sign commits: owner, bytes, bounds of validity."""

    name: str
    key: bytes
    after: datetime | None = None
    before: datetime | None = None

    def counts(self, now: datetime) -> bool:
        """Return whether the key is valid at a time."""
        return (self.after is None or self.after <= now) and (self.before is None or now < self.before)


@dataclass(frozen=True, slots=True)
class CommitVerdict:
    """Verdict on a commit's signature."""

    signer: str = ""
    objection: str = ""  #: The reason, as words after the commit's id; empty if valid.


@dataclass(frozen=True)
class Believed:
    """Allowed signers, with the file's text."""

    text: str
    signers: tuple[AllowedSigner, ...]


@dataclass
class FollowedBranch:
    """A remote's branch, in the agent's own clone in `folder`."""

    settings: AgentSettings
    folder: Path
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.clone: Checkout = git_remote.open_clone(self.folder / "clone", self.settings.remote)
        self._signers: dict[str, str] = {}

    @property
    def access(self) -> git_remote.RemoteAccess:
        """Access to the remote, with the token as it is now."""
        settings = self.settings
        if settings.git_token is None:
            return git_remote.RemoteAccess(settings.ssh_key, settings.known_hosts)
        token = secret_in(settings.git_token, "token for the remote").reveal()
        login = base64.b64encode(f"{settings.git_user}:{token}".encode()).decode()
        return git_remote.RemoteAccess(settings.ssh_key, settings.known_hosts, Secret(f"Basic {login}"))

    def fetch(self) -> str:
        """Fetch the branch; return its newest commit, empty without a branch.

        Raises `NoticeError` if the remote was not reached or refuses, `StateError` if leftovers of a killed Git cannot
        be removed, `UsageError` if Git or a file of secrets cannot be used.
        """
        git_remote.clear_leftovers(self.clone)
        return git_remote.fetch_branch(self.clone, self.access, self.settings.branch, TIP)

    def tip(self, commit: str, reached: str, signers: tuple[AllowedSigner, ...]) -> Tip:
        """Check a commit against the reached one and the allowed signers."""
        line = self._line_of(commit, reached)
        commits = [commit]
        comes_in = line is Line.AHEAD or (line is Line.APART and self.settings.goes_back and self.has(reached))
        if self.settings.each and comes_in:
            commits = git_remote.commits_between(self.clone, reached, commit, most=_MOST_SIGNED + 1, first_parent=True)
        if len(commits) > _MOST_SIGNED:
            return Tip(commit, line, f"stands on more than {_MOST_SIGNED} commits that would have to be signed")
        for ancestor in reversed(commits):
            verdict = self._commit_verdict(ancestor, signers)
            if verdict.objection:
                named = "" if ancestor == commit else f"stands on {ancestor[:12]}, which "
                return Tip(commit, line, f"commit {commit[:12]} {named}{verdict.objection}")
            self._signers[ancestor] = verdict.signer
        return Tip(commit, line)

    def present_objection(self, commit: str, signers: tuple[AllowedSigner, ...], at: datetime) -> str:
        """Return why a once valid signature is invalid now, or empty.

        The key has to be trusted now, and valid at `at`: a key that was removed since is an objection, one that expired
        since is none.
        """
        if not self.has(commit):
            return ""
        objection = self._commit_verdict(commit, signers, at).objection
        return f"commit {commit[:12]} {objection}" if objection else ""

    def _commit_verdict(
        self, commit: str, signers: tuple[AllowedSigner, ...], at: datetime | None = None
    ) -> CommitVerdict:
        try:
            raw = git_remote.raw_commit(self.clone, commit, MAX_COMMIT_BYTES)
        except UsageError:
            return CommitVerdict(objection=f"has more than {MAX_COMMIT_BYTES // 2**20} MiB of words")
        return judge_commit(raw, signers, at or self.clock())

    def twin(self, commit: str, commits: Iterable[str]) -> str:
        """Return the first other commit with the same signed content, or empty.

        A signature has several encodings, each another commit: anybody who can push can make them.
        """

        def words_of(candidate: str) -> bytes:
            return signed_words(git_remote.raw_commit(self.clone, candidate, MAX_COMMIT_BYTES))

        present = [candidate for candidate in commits if candidate != commit and self.has(candidate)]
        return next((candidate for candidate in present if words_of(candidate) == words_of(commit)), "")

    def signer(self, commit: str) -> str:
        """Return the signer of a checked commit, or empty."""
        return self._signers.get(commit, "")

    def _line_of(self, commit: str, reached: str) -> Line:
        if not reached:
            return Line.FIRST
        if commit == reached:
            return Line.SAME
        if git_remote.is_ancestor(self.clone, reached, commit):
            return Line.AHEAD
        return Line.BEHIND if git_remote.is_ancestor(self.clone, commit, reached) else Line.APART

    def newer(self, first: str, second: str) -> str:
        """Return the descendant of two commits; the first if unrelated."""
        return second if git_remote.is_ancestor(self.clone, first, second) else first

    def between(self, reached: str, commit: str) -> list[str]:
        """Return commits between the reached one and another, without both."""
        if not reached:
            return []
        return git_remote.commits_between(self.clone, reached, commit, most=_MOST_SIGNED)[1:]

    def has(self, commit: str) -> bool:
        """Return whether the clone has a commit."""
        return ask_git(self.clone, "cat-file", "-e", f"{commit}^{{commit}}").code == 0

    # --- laying out -------------------------------------------------------------------------------
    def laid_out(self, commit: str) -> Path:
        """Check a commit out, once and completely; return the inventory's folder.

        Raises `UsageError` if the commit has no inventory there, or unexpected files; `StateError` if it cannot be
        written.
        """
        tree = self.folder / "trees" / commit
        root, whole = tree / self.settings.folder, tree.with_name(f"{commit}{_WHOLE}")
        laid = self.settings.folder.encode()
        checkout = checkout_of(tree)
        if checkout is not None and checkout.top == tree.resolve() and _content_of(whole) == laid:
            return root
        hint = "make room there, or name another folder in PROVISIONER_STATE"
        with os_errors(f"{tree} cannot be laid out", hint, StateError):
            tree.parent.mkdir(mode=0o700, exist_ok=True)
            whole.unlink(missing_ok=True)
            git_remote.make_tree(self.clone, tree, commit)
            lay_out_whole(root, commit)
            replace_file(whole, laid)
        return root

    def keep_only(self, commits: Collection[str]) -> None:
        """Remove checkouts of other commits, or raise `StateError`."""
        trees = self.folder / "trees"
        for tree in sorted(trees.iterdir()) if trees.is_dir() else ():
            commit = tree.name.removesuffix(_WHOLE)
            if commit not in commits and tree.is_dir():
                trees.joinpath(f"{commit}{_WHOLE}").unlink(missing_ok=True)
                git_remote.remove_tree(self.clone, tree)

    # --- the reached commit in this machine's memory ----------------------------------------------
    def remembered(self) -> str:
        """Return the reached commit in this machine's memory, or empty."""
        try:
            commit = read_regular(self.folder / "reached", most=_MOST_SECRET).decode().strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return commit if _COMMIT.fullmatch(commit) else ""

    def remember(self, commit: str) -> None:
        """Remember a reached commit, should the history be lost; or raise `StateError`."""
        with os_errors(f"{self.folder}/reached cannot be written", "make room", StateError):
            replace_file(self.folder / "reached", f"{commit}\n".encode())

    # --- at the remote ----------------------------------------------------------------------------
    def push_notes(self, notes: Mapping[str, str]) -> None:
        """Push Git notes on commits, or raise `NoticeError` or `UsageError`."""
        git_remote.take_reference(self.clone, self.access, NOTES)
        for commit, text in notes.items():
            if not replace_note(self.clone, NOTES, commit, text):
                raise NoticeError(f"git makes no note on {commit[:12]}", hint="see whether the clone can be written to")
        git_remote.give_reference(self.clone, self.access, NOTES)

    def pushed(self, reference: str) -> bool:
        """Copy a reference if the remote has it; errors as `push_notes`."""
        git_remote.take_reference(self.clone, self.access, reference)
        return ask_git(self.clone, "rev-parse", "--verify", "--quiet", reference).code == 0

    def listed(self, below: str) -> bytes:
        """Return the remote's references below a prefix; errors as `push_notes`."""
        return git_remote.listed_references(self.clone, self.access, below)

    def offer(self, commit: str, reference: str) -> None:
        """Push a commit as a reference; errors as `push_notes`."""
        ask_git(self.clone, "update-ref", reference, commit)
        git_remote.give_reference(self.clone, self.access, reference, replaces=True)


def allowed_signers(text: str) -> tuple[AllowedSigner, ...]:
    """Return the keys for Git from allowed signers, or raise `SignersFormError`."""
    signers = []
    for number, written in enumerate(text.splitlines(), 1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        match = _SIGNER_LINE.fullmatch(line)
        if match is None:
            raise SignersFormError(f"line {number} is no NAMES [OPTIONS] KEY with a key of a known kind")
        try:
            key = ssh_signature.public_key_of(" ".join(match[3].split()))
            signer = _with_options(AllowedSigner(printable(match[1], _SHOWN), key.blob), match[2] or "")
        except (ssh_signature.SignatureFormError, ValueError) as error:
            raise SignersFormError(f"line {number} {error}") from None
        if signer is not None:
            signers.append(signer)
    if not signers:
        raise SignersFormError("it names no key that may sign for Git")
    return tuple(signers)


def _with_options(signer: AllowedSigner, text: str) -> AllowedSigner | None:
    """Apply a signer's options; return `None` if not for Git."""
    after = before = None
    position = 0
    while position < len(text):
        match = _SIGNER_OPTION.match(text, position)
        if match is None:
            raise ValueError("has options that cannot be understood")
        name, value, position = match[1].lower(), match[2], match.end()
        if name == "namespaces" and value is not None:
            if not _PATTERNS.fullmatch(value):
                raise ValueError("has namespaces that cannot be understood: write them as git,file")
            if not any(fnmatchcase(NAMESPACE, pattern) for pattern in value.split(",")):
                return None
        elif name == "valid-after" and value is not None:
            after = _moment(value)
        elif name == "valid-before" and value is not None:
            before = _moment(value)
        else:
            raise ValueError(f"has the option {printable(match[1], _SHOWN)}, which is not known here")
    return AllowedSigner(signer.name, signer.key, after, before)


def _moment(text: str) -> datetime:
    """Parse a time as UTC; ssh-keygen reads times without Z as local."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("has a moment that is none: write YYYYMMDD or YYYYMMDDHHMM, and Z")
    numbers = [int(part) for part in match.groups()[:6] if part]
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]  # three to six whole numbers


def judge_commit(commit: bytes, signers: tuple[AllowedSigner, ...], now: datetime) -> CommitVerdict:
    """Check a commit object's signature at `now`: signers' own times are untrusted."""
    armour, message = _parted_commit(commit)
    if not armour:
        is_odd = any(line.startswith(_SIGNATURE_HEADER) for line in commit.partition(b"\n\n")[0].split(b"\n"))
        named = " as Git does it, once and below its committer" if is_odd else ""
        return CommitVerdict(objection=f"is not signed{named}")
    try:
        signature = ssh_signature.signature_of(ssh_signature.unarmoured(armour))
    except ssh_signature.SignatureFormError as error:
        return CommitVerdict(objection=f"has a signature that {error}")
    if signature.namespace != NAMESPACE.encode():
        return CommitVerdict(objection="has a signature that was made for something else than Git")
    of_key = [signer for signer in signers if signer.key == signature.key.blob]
    if not of_key:
        return CommitVerdict(objection=f"is signed by the key {signature.key.fingerprint}, no allowed signer's")
    if not ssh_signature.is_made_by_its_key(signature, message):
        return CommitVerdict(objection=f"has a signature of {of_key[0].name} that is not over it")
    return _verdict_of_keys(of_key, now)


def _verdict_of_keys(of_key: list[AllowedSigner], now: datetime) -> CommitVerdict:
    valid = [signer for signer in of_key if signer.counts(now)]
    if not valid:
        return CommitVerdict(objection=f"is signed by a key of {of_key[0].name} that does not count now")
    return CommitVerdict(valid[0].name)


def signed_words(commit: bytes) -> bytes:
    """Return a commit's signed bytes, independent of its signature's encoding."""
    return _parted_commit(commit)[1]


def _parted_commit(commit: bytes) -> tuple[bytes, bytes]:
    """Split a commit into armoured signature and signed bytes.

    The signature is empty if there is none or more than one. It must follow the committer: Git would not read all
    signed headers below it.
    """
    head, blank, body = commit.partition(b"\n\n")
    armour: list[bytes] = []
    signed_lines: list[bytes] = []
    signatures, inside, is_below = 0, False, False
    for line in head.split(b"\n"):
        if inside and line.startswith(b" "):
            armour.append(line[1:])
            continue
        name, _, value = line.partition(b" ")
        inside = name in {_SIGNATURE_HEADER, _OTHER_HEADER}
        if inside:
            signatures += 1
            armour.append(value)
            is_below = any(header.startswith(_COMMITTER) for header in signed_lines)
        else:
            signed_lines.append(line)
    if signatures != 1 or not is_below:
        return b"", commit
    return b"\n".join(armour) + b"\n", b"\n".join(signed_lines) + blank + body


def believed(settings: AgentSettings) -> Believed:
    """Read the file of allowed signers, or raise `UsageError`."""
    hint = "write a line a key, as in ssh-keygen(1): NAME ssh-ed25519 AAAA…"
    try:
        text = read_regular(settings.signers, most=MAX_SIGNERS_BYTES).decode()
        return Believed(text, allowed_signers(text))
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"the allowed signers {settings.signers} cannot be read", hint=hint) from None
    except SignersFormError as error:
        raise UsageError(f"{settings.signers} is no file of allowed signers: {error}", hint=hint) from None


def secret_in(file: Path, kind: str) -> Secret:
    """Return the one word in a file of secrets, or raise `UsageError`."""
    try:
        secret = read_regular(file, most=_MOST_SECRET).decode().strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise UsageError(f"{file} holds no {kind}", hint="let it hold one word, and only its owner read it")
    return Secret(secret)


def _content_of(file: Path) -> bytes | None:
    try:
        return read_regular(file, most=_MOST_SECRET)
    except OSError:
        return None
