"""The bill of materials (SBOM) in CycloneDX: every package that users get, its licence, its files and their hashes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from scripts.packaging.packages import Package, packages_of

FORMAT: Final = SchemaVersion.V1_6
#: Ours: a bill's number is made of what it is about, so that the same one has the same number.
_NAMESPACE: Final = uuid.UUID("7b9a6a53-8f0a-5d0e-9c46-6f1f0d1f9f5e")
_LICENCES: Final = LicenseFactory()


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A package of Debian's in an image."""

    name: str  #: Its name.
    version: str  #: Its version.
    architecture: str  #: Its architecture.


def bill_of(wheels: Iterable[Path], seconds: int, *, system: Sequence[SystemPackage] = ()) -> str:
    """A bill as JSON.

    Args:
        wheels: those of all Pythons and machines, the program's among them; the same one may come twice.
        seconds: the time that it says, since 1970.
        system: what is there beside them.

    Returns:
        The document, the same for the same wheels.
    """
    files = {path.name: path for path in wheels}
    packages: dict[str, list[tuple[str, Package]]] = {}
    for name, path in sorted(files.items()):
        (package,) = packages_of([path])
        packages.setdefault(package.name, []).append((name, package))
    components = {name: _component(of_package) for name, of_package in packages.items()}
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, " ".join([*sorted(files), *map(str, system)])))
    bom.metadata.timestamp = datetime.fromtimestamp(seconds, UTC)
    bom.metadata.component = components["provisioner"]
    bom.components.update(component for name, component in components.items() if name != "provisioner")
    bom.components.update(map(_system_component, system))
    _connect(bom, packages, components)
    return make_outputter(bom, OutputFormat.JSON, FORMAT).output_as_string(indent=2) + "\n"


def _component(files: Sequence[tuple[str, Package]]) -> Component:
    package = files[0][1]
    is_program = package.name == "provisioner"
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.APPLICATION if is_program else ComponentType.LIBRARY,
        bom_ref=f"pypi/{package.name}",
        purl=PackageURL("pypi", name=package.name, version=package.version),
        description=package.summary or None,
        licenses=[_LICENCES.make_from_string(package.licence)],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(name),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)],
            )
            for name, one in files
        ],
    )


def _system_component(package: SystemPackage) -> Component:
    about = {"arch": package.architecture}
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"deb/{package.name}/{package.architecture}",
        purl=PackageURL("deb", "debian", package.name, package.version, about),
    )


def _connect(
    bom: Bom, packages: Mapping[str, Sequence[tuple[str, Package]]], components: Mapping[str, Component]
) -> None:
    for name, files in packages.items():
        needs = sorted({need for _, package in files for need in package.needs} & set(components))
        bom.register_dependency(components[name], [components[need] for need in needs])
