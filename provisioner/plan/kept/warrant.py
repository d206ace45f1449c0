"""What a change is held against by who did not make its plan: a plan by its meaning, and who approved that. Pure.

A node gets it with a change. It holds no secret and needs none: what a host is to hold is bound by the plan's digest of
it, which anybody can take who has the files and the key that came with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from provisioner.base.canonical import canonical_json
from provisioner.base.json_document import Document
from provisioner.plan.basis import Basis
from provisioner.plan.guards.approval_file import Approval, ApprovalFormError, approval_in, approval_text
from provisioner.plan.kept.written import no_fraction, no_twins

MAX_WARRANT_BYTES: Final = 8 * 2**20
"""More than the plan of all relays of a country, approved by everybody who may."""
_SCHEMA: Final = "provisioner/warrant"
_MOST_APPROVALS: Final = 100


class WarrantError(ValueError):
    """Bytes are no warrant; the message is the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class Warrant:
    """A plan by its meaning, and the approvals of it.

    Attributes:
        inventory: the inventory's id.
        basis: what the plan's meaning is of, and nothing else of what it rests on.
        programs: by host that has a relay, the checksums of its program by architecture: its digest is of them, too.
        approvals: of that meaning, as their files say them; whose they are is not looked at here.
    """

    inventory: str
    basis: Basis
    programs: Mapping[str, Mapping[str, str]]
    approvals: tuple[Approval, ...]


def warrant_bytes(
    inventory: str, basis: Basis, programs: Mapping[str, Mapping[str, str]], approvals: Iterable[Approval]
) -> bytes:
    """A warrant as it travels.

    Args:
        inventory: the inventory's id.
        basis: of the plan.
        programs: by host, the checksums of its program by architecture.
        approvals: those of the plan's meaning.
    """
    changing = basis.changing
    document: Document = {
        "schema": _SCHEMA,
        "version": 1,
        "inventory": inventory,
        "templates": basis.templates,
        "by": basis.version,
        "desired": {host: basis.desired.get(host, "") for host in changing},
        "planned": changing,
        "allow": dict(basis.allow),
        "held": list(basis.held),
        "programs": {host: dict(programs[host]) for host in changing if host in programs},
        "approvals": [approval_text(approval) for approval in approvals],
    }
    return canonical_json(document)


def warrant_in(data: bytes) -> Warrant:
    """The warrant of such bytes.

    Raises:
        WarrantError: they are none.
    """
    if len(data) > MAX_WARRANT_BYTES:
        raise WarrantError("is larger than any is")
    try:
        whole = json.loads(data, object_pairs_hook=no_twins, parse_float=no_fraction, parse_constant=no_fraction)
        is_one = whole["schema"] == _SCHEMA and whole["version"] == 1 and len(whole["approvals"]) <= _MOST_APPROVALS
        basis = Basis(
            inventory="",
            templates=_text(whole["templates"]),
            live={},
            version=_text(whole["by"]),
            desired=_texts(whole["desired"]),
            planned=_texts(whole["planned"]),
            allow={_text(name): _number(value) for name, value in whole["allow"].items()},
            held=tuple(map(_text, whole["held"])),
        )
        programs = {_text(host): _texts(sums) for host, sums in whole["programs"].items()}
        approvals = tuple(approval_in(_text(one).encode()) for one in whole["approvals"])
        warrant = Warrant(_text(whole["inventory"]), basis, programs, approvals)
    except ApprovalFormError as error:
        raise WarrantError(f"has an approval that {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WarrantError("is not as such are") from None
    if not is_one:
        raise WarrantError("is of another form")
    return warrant


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("it is no whole number")
    return value


def _texts(values: Mapping[object, object]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}
