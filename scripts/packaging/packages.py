"""What wheels say of themselves: name, version, licence, what they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import Path as PathInZip
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.packaging.tree import digest
from tests.audit import licence_of

_EXTRAS = ("", "postgresql", "binary")  #: What users get beside the packages themselves: the driver for PostgreSQL.


@dataclass(frozen=True, slots=True)
class Package:
    """A package in a wheel."""

    name: str  #: As indexes write it.
    version: str  #: Its version.
    licence: str  #: An SPDX expression as far as the package says one.
    summary: str  #: Its own sentence.
    #: Names of packages that it asks for; those of platforms and extras that nobody gets are not among them.
    needs: tuple[str, ...]
    sha256: str  #: The wheel's.


def packages_of(wheels: Sequence[Path]) -> tuple[Package, ...]:
    """The packages of some wheels, by name."""
    return tuple(sorted(map(_package, wheels), key=lambda package: package.name))


def _package(wheel: Path) -> Package:
    with ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
        about = PathDistribution(PathInZip(archive, path.removesuffix("METADATA"))).metadata
    asked = (Requirement(text) for text in about.get_all("Requires-Dist") or ())
    needs = {canonicalize_name(one.name) for one in asked if _is_asked_for(one)}
    return Package(
        name=canonicalize_name(about["Name"]),
        version=about["Version"],
        licence=licence_of(about),
        summary="".join(about.get_all("Summary") or ()),
        needs=tuple(sorted(needs)),
        sha256=digest(wheel),
    )


def _is_asked_for(requirement: Requirement) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in _EXTRAS)
