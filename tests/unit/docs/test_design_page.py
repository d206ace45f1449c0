"""The map of the design is what the code is: folders, layers; so is the page of dependencies."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.unit.docs.pages import ROOT, fences, section, text_of

PAGE = text_of("docs/internals/design.md")
SETTINGS: Mapping[str, Any] = tomllib.loads(text_of("pyproject.toml"))
DEPENDENCIES = text_of("docs/internals/dependencies.md")
LONGEST = 200
#: The folder of a root package that is no folder of the top level.
HOST = {"provisioner_host": "playbooks/provisioner_host"}


def tree() -> Iterator[str]:
    """The paths of the page's tree; a folder ends with `/`."""
    (fence,) = fences(section(PAGE, "Where things are"))
    above: list[str] = []
    for line in fence.lines:
        depth, name = (len(line) - len(line.lstrip(" "))) // 2, line.split()[0]
        above = [*above[:depth], name]
        assert len(above) == depth + 1, f"indented too far: {line}"
        yield "".join(above)


def layers_of(folder: str) -> list[set[str]]:
    """Return the layers of a folder's contract, the highest first; empty without a contract."""
    container = folder.replace("/", ".")
    for contract in SETTINGS["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and container in contract["containers"]:
            return [{name.strip() for name in layer.split("|")} for layer in contract["layers"]]
    return []


def spans(text: str) -> list[str]:
    """The code spans of a text, in order."""
    return re.findall(r"`([^`]+)`", text)


def paragraph(page: str, beginning: str) -> str:
    """The paragraph of a page that begins with some words, without them."""
    (text,) = re.findall(rf"^{re.escape(beginning)}.*?(?=\n\n|\Z)", page, re.MULTILINE | re.DOTALL)
    return str(text).removeprefix(beginning)


def test_everything_in_the_tree_is_there() -> None:
    named = list(tree())
    assert len(named) == len(set(named))
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert [path for path in named if (ROOT / path).is_dir() != path.endswith("/")] == []


def test_every_folder_of_the_package_and_every_layer_that_is_a_folder_is_in_the_tree() -> None:
    folders = {f"provisioner/{path.parent.name}/" for path in (ROOT / "provisioner").glob("*/__init__.py")}
    modules = {f"provisioner/{path.name}" for path in (ROOT / "provisioner").glob("[!_]*.py")}
    layered = {path for container, names in _layered().items() for path in _folders(container, names)}
    assert folders | modules | layered <= set(tree())


def _layered() -> dict[str, set[str]]:
    """By folder, the names that its contract of layers has."""
    contracts = SETTINGS["tool"]["importlinter"]["contracts"]
    containers = {name.replace(".", "/") for c in contracts if c["type"] == "layers" for name in c["containers"]}
    return {HOST.get(container, container): set().union(*layers_of(container)) for container in containers}


def _folders(container: str, names: set[str]) -> Iterator[str]:
    for name in names:
        if (ROOT / container / name).is_dir():
            yield f"{container}/{name}/"


def test_the_layers_are_those_of_the_contract() -> None:
    lines = re.findall(r"^\d+\. (.+)$", section(PAGE, "Layers"), re.MULTILINE)
    assert [set(spans(line)) for line in lines] == layers_of("provisioner")


def test_the_dependencies_are_those_of_the_package() -> None:
    project = SETTINGS["project"]
    optional = project["optional-dependencies"]
    listed = re.findall(r"^- `([\w-]+)`:", section(DEPENDENCIES, "Of the package"), re.MULTILINE)
    assert sorted(listed) == sorted(map(_name, [*project["dependencies"], *optional["postgresql"], *optional["rego"]]))
    assert spans(paragraph(DEPENDENCIES, "The extra `dev`: ")) == list(map(_name, optional["dev"]))


def _name(requirement: str) -> str:
    match = re.match(r"[\w-]+", requirement)
    assert match is not None
    return match[0]


def test_every_dependency_is_used_by_the_package() -> None:
    """A page may name only what is there, and the package may declare only what it uses."""
    imported = {
        "ansible-core": None,
        "nats-py": "nats",
        "phonenumberslite": "phonenumbers",
        "psycopg": None,
        "pyjwt": "jwt",
        "python-docx": "docx",
        "pyyaml": "yaml",
    }
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "provisioner").rglob("*.py"))
    for requirement in SETTINGS["project"]["dependencies"]:
        name = _name(requirement)
        module = imported.get(name, name.replace("-", "_"))
        assert module is None or re.search(rf"^\s*(?:import|from) {module}\b", sources, re.MULTILINE), name


def test_the_map_fits_a_few_screens() -> None:
    assert len(PAGE.splitlines()) <= LONGEST
