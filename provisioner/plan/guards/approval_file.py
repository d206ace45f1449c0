"""An approval as a person signs it, and as its file says it. Pure.

The signature is over a text of a few lines: which plan by what it does (its meaning), of which inventory, as whom and
when. The file holds the same in JSON beside the signature; nothing of it is believed that is not in the text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from provisioner.base.ssh_signature import (
    MAX_BYTES,
    SignatureFormError,
    SshPublicKey,
    is_made_by_its_key,
    signature_of,
)

APPROVAL_NAMESPACE: Final = "approval@provisioner"
"""What a signature has to be for: one made for a plan's sign-off, a file or a commit is none here."""

SCHEMA: Final = "provisioner/approval"
MAX_APPROVAL_BYTES: Final = 4 * MAX_BYTES
_SLUG: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_LONGEST: Final = 100
_MOST_ROLES: Final = 20
_FORMS: Final = {
    "inventory": re.compile(_SLUG),
    "meaning": re.compile(r"sha256:[0-9a-f]{64}"),
    "plan": re.compile(r"sha256:[0-9a-f]{64}"),
    "approver": re.compile(_SLUG),
    "at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    "signature": re.compile(r"[A-Za-z0-9+/]+={0,2}"),
}


class ApprovalFormError(ValueError):
    """A file is no approval; the message is the rest of a sentence that begins with the file's name."""


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as its file says it.

    Attributes:
        inventory: the inventory's id.
        meaning: of the plan that is approved.
        plan: the digest of the plan that was read; another one of the same meaning is approved by it, too.
        approver: the person's id.
        roles: as what it is given, in order.
        at: when it was signed, by the signer's clock.
        signature: in base64; empty before it is signed.
    """

    inventory: str
    meaning: str
    plan: str
    approver: str
    roles: tuple[str, ...]
    at: datetime
    signature: str = ""

    @property
    def at_text(self) -> str:
        """The moment as it is signed."""
        return moment_text(self.at)

    @property
    def file_name(self) -> str:
        """What its file is called: a second one of the same person for the same plan takes its place."""
        return f"{file_stem(self.meaning)}-{self.approver}.json"


def moment_text(at: datetime) -> str:
    """A moment as approvals have it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def file_stem(meaning: str) -> str:
    """How the names of all files begin that are of plans with one meaning."""
    return meaning.removeprefix("sha256:")[:16]


def approval_statement(approval: Approval) -> bytes:
    """What is signed: the same bytes for the same approval, for ever; another form is another version."""
    lines = (
        "provisioner plan approval, version 1",
        f"inventory: {approval.inventory}",
        f"meaning: {approval.meaning}",
        f"plan: {approval.plan}",
        f"approver: {approval.approver}",
        f"as: {' '.join(approval.roles)}",
        f"at: {approval.at_text}",
    )
    return "".join(f"{line}\n" for line in lines).encode()


def approval_text(approval: Approval) -> str:
    """An approval as its file has it."""
    document = {
        "schema": SCHEMA,
        "version": 1,
        "inventory": approval.inventory,
        "meaning": approval.meaning,
        "plan": approval.plan,
        "approver": approval.approver,
        "roles": list(approval.roles),
        "at": approval.at_text,
        "signature": approval.signature,
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def approval_in(data: bytes) -> Approval:
    """The approval of a file.

    Raises:
        ApprovalFormError: it is none.
    """
    if len(data) > MAX_APPROVAL_BYTES:
        raise ApprovalFormError("is larger than an approval")
    try:
        plain = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number
        )
        return _approval(plain)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ApprovalFormError("is no approval") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_number(_text: str) -> NoReturn:
    raise ValueError("no number of an approval has a fraction")


def _approval(plain: dict[str, object]) -> Approval:
    if plain.pop("schema") != SCHEMA or plain.pop("version") != 1:
        raise ValueError("another document")
    roles = plain.pop("roles")
    if not isinstance(roles, list) or not 1 <= len(roles) <= _MOST_ROLES or sorted(set(roles)) != roles:
        raise ValueError("no roles")
    texts = {name: _formed(name, plain.pop(name)) for name in _FORMS}
    if plain:
        raise ValueError("something that no approval has")
    at = datetime.fromisoformat(texts.pop("at"))
    return Approval(**texts, roles=tuple(_formed("approver", role) for role in roles), at=at)


def _formed(name: str, value: object) -> str:
    longest = 2 * MAX_BYTES if name == "signature" else _LONGEST
    if not isinstance(value, str) or len(value) > longest or not _FORMS[name].fullmatch(value):
        raise ValueError("a text has another form")
    return value


def key_that_signed(approval: Approval) -> SshPublicKey:
    """The key by which an approval is signed; whose it is, the inventory says.

    Raises:
        ApprovalFormError: its signature is none, is for something else, or is of another text.
    """
    try:
        signature = signature_of(approval.signature)
    except SignatureFormError as error:
        raise ApprovalFormError(f"has a signature that {error}") from None
    if signature.namespace != APPROVAL_NAMESPACE.encode():
        raise ApprovalFormError(f"has a signature that was made for something else than {APPROVAL_NAMESPACE}")
    if not is_made_by_its_key(signature, approval_statement(approval)):
        raise ApprovalFormError("has a signature that is of another text")
    return signature.key
