"""JSON texts that are made in parts, of documents with a list that is too long to be there as a whole. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from provisioner.base.canonical import canonical_text
from provisioner.base.json_document import Document

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, eq=False)
class LongList:
    """A list of a document whose items are made when they are asked for, each time anew.

    It stands at the top of a document alone, and no encoder takes it but those here.
    """

    make: Callable[[], Iterable[Document]]

    def __iter__(self) -> Iterator[Document]:
        return iter(self.make())


def indented_parts(document: Mapping[str, object]) -> Iterator[str]:
    """The text of a document for people, as `json.dumps` with an indent of two and letters as they are."""
    yield "{"
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else ''}\n  {_plain(name)}: "
        if isinstance(value, LongList):
            yield from _listed(value, lambda item: "    " + _further(_laid_out(item), 4), ",\n", ("[\n", "\n  ]"))
        else:
            yield _further(_laid_out(value), 2)
    yield "\n}" if document else "}"


def canonical_parts(document: Mapping[str, object]) -> Iterator[str]:
    """The text of a document that is the same for equal ones: keys in their order, no space."""
    yield "{"
    for number, (name, value) in enumerate(sorted(document.items())):
        yield f"{',' if number else ''}{_plain(name)}:"
        if isinstance(value, LongList):
            yield from _listed(value, canonical_text, ",", ("[", "]"))
        else:
            yield canonical_text(value)
    yield "}"


def _listed(items: LongList, text: Callable[[object], str], between: str, ends: tuple[str, str]) -> Iterator[str]:
    """A list's text, some hundreds of items a part."""
    each, is_first = iter(items), True
    while some := list(islice(each, _AT_ONCE)):
        yield (ends[0] if is_first else between) + between.join(map(text, some))
        is_first = False
    yield "[]" if is_first else ends[1]


def _plain(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _laid_out(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _further(text: str, by: int) -> str:
    """A text that stands further right, but for its first line; no text in it has an end of a line."""
    return text.replace("\n", "\n" + " " * by)
