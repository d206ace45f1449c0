"""The door to a NetBox or a Nautobot: its lists, page by page. Whatever it answers is bounded, and of known types.

Pages are asked for by number: the address that an answer names for the next one is not called, so that the token goes
nowhere but to the server that the mapping names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from provisioner.base.attempt import Patience, ReachError, try_often
from provisioner.base.https import Advice, HttpAnswer, Request, exchange, taken
from provisioner.base.json_document import Document
from provisioner.base.secret import Secret
from provisioner.importing.cells.findings import FileRefusedError, error
from provisioner.importing.cells.limits import MAX_ROWS
from provisioner.importing.dcim.mapping import DcimKind, DcimMapping, ObjectMapping
from provisioner.importing.dcim.objects import DcimObject
from provisioner.importing.forms.columns import FormKind

PAGE: Final = 100
_MOST_BYTES: Final = 8 * 1024 * 1024
_ADVICE: Final = Advice("the mapping", "the token")
_ID: Final = re.compile(r"[0-9]{1,18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LISTS: Final[Mapping[DcimKind, Mapping[FormKind, str]]] = {
    DcimKind.NETBOX: {FormKind.FACILITIES: "dcim/sites", FormKind.CAMERAS: "dcim/devices"},
    DcimKind.NAUTOBOT: {FormKind.FACILITIES: "dcim/locations", FormKind.CAMERAS: "dcim/devices"},
}
# Of what an object refers to Nautobot tells by itself no name.
_MORE: Final[Mapping[DcimKind, Mapping[str, str]]] = {DcimKind.NETBOX: {}, DcimKind.NAUTOBOT: {"depth": "1"}}


@dataclass(frozen=True)
class DcimClient:
    """One server, as whoever has the token."""

    mapping: DcimMapping
    token: Secret = field(repr=False)
    patience: Patience

    def objects(self, kind: FormKind, chosen: ObjectMapping) -> tuple[DcimObject, ...]:
        """The objects of a kind that the mapping chooses, each once, in the server's order.

        Raises:
            FileRefusedError: the server was not reached, or answers what cannot be.
        """
        where = LISTS[self.mapping.kind][kind]
        found: dict[str, DcimObject] = {}
        for page in self._pages(where, chosen):
            for one in page:
                name = _id_of(one)
                found.setdefault(name, DcimObject(f"{where}/{name}", one))
            if len(found) > MAX_ROWS:
                raise FileRefusedError(error("dcim-too-many", limit=MAX_ROWS))
        return tuple(found.values())

    def _pages(self, where: str, chosen: ObjectMapping) -> Iterator[list[Document]]:
        for number in range(MAX_ROWS // PAGE + 1):
            asked = {**chosen.filter, **_MORE[self.mapping.kind], "limit": PAGE, "offset": number * PAGE}
            document = self._document(f"{self.mapping.url.rstrip('/')}/api/{where}/?{urlencode(asked)}")
            count, results = document.get("count"), document.get("results")
            if type(count) is not int or not isinstance(results, list) or len(results) > PAGE:
                raise FileRefusedError(error("dcim-odd"))
            yield [one for one in results if isinstance(one, dict)]
            if not results or (number + 1) * PAGE >= count:
                return
        raise FileRefusedError(error("dcim-too-many", limit=MAX_ROWS))

    def _document(self, url: str) -> Document:
        headers = {"Authorization": f"Token {self.token.reveal()}", "Accept": "application/json"}
        request = Request("GET", url, headers=headers, most_bytes=_MOST_BYTES)

        def attempt(seconds: float) -> HttpAnswer:
            answer = exchange(request, seconds=seconds, advice=_ADVICE, authorities=self.patience.authorities)
            return taken(answer, _ADVICE)

        try:
            answer = try_often(attempt, self.patience).value
            document = json.loads(answer.body)
        except ReachError as failure:
            raise FileRefusedError(error("dcim-unreachable", cause=failure.reason)) from None
        except (ValueError, RecursionError):
            raise FileRefusedError(error("dcim-odd")) from None
        if answer.is_cut or not isinstance(document, dict):
            raise FileRefusedError(error("dcim-odd"))
        return document


def _id_of(one: Document) -> str:
    known = one.get("id")
    name = str(known) if isinstance(known, str) or type(known) is int else ""
    if not _ID.fullmatch(name):
        raise FileRefusedError(error("dcim-odd"))
    return name
