"""One opened file under secrets/: what it says, or what is wrong with it and whose that is.

A problem here has a place, and never a value or an unknown key: either may be a mistyped password.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, RootModel, ValidationError

from provisioner.base.diagnostics import Problem
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.layout import File
from provisioner.inventory.files.positions import SourceFile
from provisioner.inventory.files.strict_yaml import YamlFault, parse
from provisioner.inventory.loader.file_content import MAX_SECRETS_BYTES, validated
from provisioner.inventory.model import CarrierSecrets, Credentials, InventorySecrets, Slug

_OF_A_KEY: Final = 2
"""So many steps lead to what pydantic says of a facility's id: the id, and that it is meant."""


class CameraLogins(RootModel[dict[Slug, dict[Slug, Credentials]]]):
    """`secrets/cameras/<province>.yml`, or a carrier's `secrets/cameras/<carrier>/<province>.yml`.

    Logins by facility, then by device.
    """


def understood(file: File, source: SourceFile, *, explained: bool = True) -> tuple[BaseModel | None, list[Problem]]:
    """What an opened file says, or what is wrong with it; that is worked out only where it is to be explained."""
    schema = _SCHEMAS.get(kind_of(file)[0], InventorySecrets)
    document = parse(source.data, max_bytes=MAX_SECRETS_BYTES)
    if document.faults:
        return None, list(_faults(file, document.faults))
    try:
        return validated(schema, document.value), []
    except ValidationError as error:
        if not explained:
            return None, []
        subject = ParsedFile(source, file.owner, document.value, _inner(schema), secret=True)
        return None, list(problems_of(error, subject))


def readable_part(file: File, source: SourceFile) -> tuple[BaseModel | None, list[Problem], frozenset[str]]:
    """As `understood`; of a file of logins, those of the facilities that are in order, and the ids of the others.

    What is wrong with one facility's logins is that one's alone. Where a facility cannot be named, nothing is taken.
    """
    model, problems = understood(file, source)
    if model is not None or kind_of(file)[0] != "cameras":
        return model, problems, frozenset()
    document = parse(source.data, max_bytes=MAX_SECRETS_BYTES)
    if document.faults or not isinstance(document.value, dict):
        return None, problems, frozenset()
    logins: dict[str, dict[str, Credentials]] = {}
    of_one: dict[str, list[Problem]] = {}
    for name, below in document.value.items():
        try:
            logins |= validated(CameraLogins, {name: below}).root
        except ValidationError as error:
            if any(len(one["loc"]) == _OF_A_KEY and one["loc"][-1] == "[key]" for one in error.errors()):
                return None, problems, frozenset()
            subject = ParsedFile(source, file.owner, document.value, _inner(CameraLogins), secret=True)
            of_one[name] = [replace(problem, concerns=(name,)) for problem in problems_of(error, subject)]
    return CameraLogins(logins), [problem for listed in of_one.values() for problem in listed], frozenset(of_one)


def kind_of(file: File) -> tuple[str, str]:
    """What an encrypted file is, and the last part of its owner's name."""
    _, kind, *below = file.owner.split("/")
    return kind, below[-1] if below else ""


_SCHEMAS: Mapping[str, type[BaseModel]] = {"cameras": CameraLogins, "carriers": CarrierSecrets}


def _inner(schema: object) -> object:
    return dict[Slug, dict[Slug, Credentials]] if schema is CameraLogins else schema


def _faults(file: File, faults: Iterable[YamlFault]) -> Iterator[Problem]:
    for fault in faults:
        message = f"{file.owner}: {'a key stands twice' if fault.code == 'key-duplicate' else fault.message}"
        yield Problem(file.shown, fault.line, fault.column, fault.code, message, fault.hint, file.owner)
