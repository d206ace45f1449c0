"""Where each page is, from where a reader is: the same relative addresses on a server and among files. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from provisioner.base.language import Language

OVERVIEW, INCIDENTS, FACILITIES = "", "incidents", "facilities"


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses that a page in one language leads to.

    Attributes:
        language: the page's.
        page: where the page itself is, below its language, e.g. `facilities/kcl-001`.
        suffix: what files end with; empty on a server.
        query: what stands behind the page's own address.
        stamp: what makes the address of a script or a style a new one with every version of it.
    """

    language: Language
    page: str = OVERVIEW
    suffix: str = ""
    query: str = ""
    stamp: str = ""

    @property
    def is_file(self) -> bool:
        """Whether pages are files: then nothing answers a form."""
        return bool(self.suffix)

    @property
    def top(self) -> str:
        """The way up to the folder of all languages."""
        return "../" * (1 + self.page.count("/"))

    def to(self, page: str, /, **query: str) -> str:
        """The address of a page in this language."""
        named = [(key, value) for key, value in query.items() if value]
        file = quote(page) + self.suffix if page else f"index{self.suffix}" if self.suffix else ""
        return f"{self.top}{self.language.value}/{file}{'?' + urlencode(named) if named else ''}"

    def facility(self, id_: str) -> str:
        """A facility's page."""
        return self.to(f"{FACILITIES}/{id_}")

    def province(self, slug: str) -> str:
        """A province's page."""
        return self.to(f"provinces/{slug}")

    def contacts(self, id_: str) -> str:
        """The page that says who is to be called; there is no such file."""
        return self.to(f"contacts/{id_}")

    def asset(self, name: str) -> str:
        """A script or a style."""
        return f"{self.top}assets/{name}{'?v=' + self.stamp if self.stamp and not self.suffix else ''}"

    def events(self) -> str:
        """Where a page hears that something has changed."""
        return f"{self.top}events"

    def in_language(self, language: Language) -> str:
        """This same page in another language."""
        other = replace(self, language=language).to(self.page)
        return f"{other}?{self.query}" if self.query else other


def query_of(pairs: Iterable[tuple[str, str]]) -> str:
    """What stands behind an address."""
    return urlencode([(key, value) for key, value in pairs if value])
