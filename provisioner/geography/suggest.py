"""What to write instead of a name or code that is not known: for a person to choose, never chosen here."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.nearest import asked, nearest
from provisioner.base.vietnamese import Legacy, fold, possible_readings, read_legacy
from provisioner.geography.names import match
from provisioner.geography.province import Province, provinces

_MOST = 3
_LONGEST = 100


def hint_for_code(code: str, scheme: str) -> str:
    """The hint for an unknown code."""
    near = [str(province) for province in provinces(scheme) if province.code == code.strip().zfill(2)]
    if near:
        return f"did you mean {near[0]}? A code is a text of two digits"
    return f"codes are two digits, with gaps: `provisioner geography list --scheme {scheme}` shows them"


def hint_for_name(text: str, scheme: str) -> str:
    """The hint for an unknown name: the encoding that it seems to be in, or what it resembles."""
    legacy = _legacy(text[:_LONGEST], scheme)
    if legacy:
        return f"the text looks like {legacy.encoding} and would say {legacy.reading!r}: convert it to Unicode"
    close = [str(province) for province in similar(text, scheme)]
    if close:
        return asked(close)
    return f"`provisioner geography list --scheme {scheme}` shows all names"


def _legacy(text: str, scheme: str) -> Legacy | None:
    """Take the reading in which the text is a province, best with its very marks: short names look alike."""
    likely = read_legacy(text)
    candidates = ((likely,) if likely else ()) + possible_readings(text)
    named = [
        (one, province)
        for one in candidates
        if (province := match(one.reading, scheme)) and "\ufffd" not in one.reading
    ]
    exact = (one for one, province in named if province.name.casefold() in one.reading.casefold())
    return next(exact, named[0][0] if named else likely)


def similar(text: str, scheme: str) -> tuple[Province, ...]:
    """The provinces that a text contains as words, then those that are written like it; three at most."""
    return tuple(dict.fromkeys((*_contained(text, scheme), *_close(text, scheme))))[:_MOST]


def _contained(text: str, scheme: str) -> Iterator[Province]:
    words = f"-{fold(text[:_LONGEST])}-"
    for province in provinces(scheme):
        if any(f"-{fold(name)}-" in words for name in (province.name, *province.aliases)):
            yield province


def _close(text: str, scheme: str) -> Iterator[Province]:
    names = {fold(name): province for province in provinces(scheme) for name in (province.name, *province.aliases)}
    for key in nearest(fold(text[:_LONGEST]), names, most=_MOST, alike=0.75):
        yield names[key]
