"""Whose signatures count on commits: the agent's own file of allowed signers, held against a commit. Pure.

The file is OpenSSH's ALLOWED SIGNERS (ssh-keygen(1)), as Git's `gpg.ssh.allowedSignersFile` names it: a line a key,
`NAMES [OPTIONS] KEY`. Whatever an entry says that is not understood here makes the whole file no such file: a
restriction that is overlooked would let somebody in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from provisioner.base.printable import printable
from provisioner.base.ssh_signature import (
    KINDS,
    SignatureFormError,
    is_made_by_its_key,
    public_key_of,
    signature_of,
    unarmoured,
)

NAMESPACE: Final = "git"
MAX_SIGNERS_BYTES: Final = 256 * 1024
MAX_COMMIT_BYTES: Final = 1024 * 1024
_HEADER: Final = b"gpgsig"
_OTHER_HEADER: Final = b"gpgsig-sha256"
_LINE: Final = re.compile(rf"(\S+)\s+(?:(.+?)\s+)?((?:{'|'.join(map(re.escape, KINDS))})\s+[A-Za-z0-9+/]+=*)(?:\s+.*)?")
_OPTION: Final = re.compile(r'([a-z-]+)(?:="([^"]*)")?(?:,|$)', re.IGNORECASE)
_MOMENT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?(Z?)")
_PATTERNS: Final = re.compile(r"[A-Za-z0-9._@*?-]+(?:,[A-Za-z0-9._@*?-]+)*")
"""Of namespaces: OpenSSH has `!` besides, which takes back what another pattern says."""
_COMMITTER: Final = b"committer "
_SHOWN: Final = 80


class SignersFormError(ValueError):
    """A file of allowed signers cannot be understood; the message names the line."""


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """A key that may sign commits.

    Attributes:
        name: whose it is, as the file says.
        key: the key's bytes, as signatures have them.
        after: from when on it counts; None from ever.
        before: until when; None for ever.
    """

    name: str
    key: bytes
    after: datetime | None = None
    before: datetime | None = None

    def counts(self, now: datetime) -> bool:
        """Whether it counts at a moment."""
        return (self.after is None or self.after <= now) and (self.before is None or now < self.before)


@dataclass(frozen=True, slots=True)
class CommitVerdict:
    """Whether a commit's signature counts.

    Attributes:
        signer: whose it is; empty where it does not count.
        objection: why it does not, in words that follow the commit's id; empty where it does.
    """

    signer: str = ""
    objection: str = ""


def allowed_signers(text: str) -> tuple[AllowedSigner, ...]:
    """The keys of a file of allowed signers that may sign for Git.

    Raises:
        SignersFormError: a line is none, or asks for what is not known here.
    """
    signers = []
    for number, written in enumerate(text.splitlines(), 1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SignersFormError(f"line {number} is no NAMES [OPTIONS] KEY with a key of a known kind")
        try:
            key = public_key_of(" ".join(match[3].split()))
            signer = _with_options(AllowedSigner(printable(match[1], _SHOWN), key.blob), match[2] or "")
        except (SignatureFormError, ValueError) as error:
            raise SignersFormError(f"line {number} {error}") from None
        if signer is not None:
            signers.append(signer)
    if not signers:
        raise SignersFormError("it names no key that may sign for Git")
    return tuple(signers)


def _with_options(signer: AllowedSigner, text: str) -> AllowedSigner | None:
    """A signer as its options say; None where it may not sign for Git."""
    after = before = None
    position = 0
    while position < len(text):
        match = _OPTION.match(text, position)
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
    """A moment of ssh-keygen's, taken for UTC; without a Z it would be the machine's local time there."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("has a moment that is none: write YYYYMMDD or YYYYMMDDHHMM, and Z")
    numbers = [int(part) for part in match.groups()[:6] if part]
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]  # three to six whole numbers


def judge_commit(commit: bytes, signers: tuple[AllowedSigner, ...], now: datetime) -> CommitVerdict:
    """Judge the signature in a commit.

    Args:
        commit: the commit as Git has it (`git cat-file commit`).
        signers: whose signatures count.
        now: the moment: who signs and says when is not asked when.
    """
    armour, message = _parted(commit)
    if not armour:
        is_odd = any(line.startswith(_HEADER) for line in commit.partition(b"\n\n")[0].split(b"\n"))
        named = " as Git does it, once and below its committer" if is_odd else ""
        return CommitVerdict(objection=f"is not signed{named}")
    try:
        signature = signature_of(unarmoured(armour))
    except SignatureFormError as error:
        return CommitVerdict(objection=f"has a signature that {error}")
    if signature.namespace != NAMESPACE.encode():
        return CommitVerdict(objection="has a signature that was made for something else than Git")
    of_key = [signer for signer in signers if signer.key == signature.key.blob]
    if not of_key:
        return CommitVerdict(objection=f"is signed by the key {signature.key.fingerprint}, no allowed signer's")
    if not is_made_by_its_key(signature, message):
        return CommitVerdict(objection=f"has a signature of {of_key[0].name} that is not over it")
    return _counted(of_key, now)


def signed_words(commit: bytes) -> bytes:
    """What a commit's signature is over: the same of two commits that differ in the form of a signature alone."""
    return _parted(commit)[1]


def _counted(of_key: list[AllowedSigner], now: datetime) -> CommitVerdict:
    valid = [signer for signer in of_key if signer.counts(now)]
    if not valid:
        return CommitVerdict(objection=f"is signed by a key of {of_key[0].name} that does not count now")
    return CommitVerdict(valid[0].name)


def _parted(commit: bytes) -> tuple[bytes, bytes]:
    """The armoured signature of a commit, and what it is over; no signature where there is none, or more than one.

    Nor where it stands above the committer: of what is below it there Git would not read all that was signed.
    """
    head, blank, body = commit.partition(b"\n\n")
    armour: list[bytes] = []
    kept: list[bytes] = []
    signatures, inside, is_below = 0, False, False
    for line in head.split(b"\n"):
        if inside and line.startswith(b" "):
            armour.append(line[1:])
            continue
        name, _, value = line.partition(b" ")
        inside = name in {_HEADER, _OTHER_HEADER}
        if inside:
            signatures += 1
            armour.append(value)
            is_below = any(one.startswith(_COMMITTER) for one in kept)
        else:
            kept.append(line)
    if signatures != 1 or not is_below:
        return b"", commit
    return b"\n".join(armour) + b"\n", b"\n".join(kept) + blank + body
