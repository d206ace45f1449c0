"""`scripts/audit`: what is locked has a hash, may be used under its licence, and has no known vulnerability."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import requests
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

LOCK: Final = Path(__file__).parents[1] / "requirements.lock"
DATABASE: Final = "https://api.osv.dev/v1/querybatch"
IN_ORDER, NOT_IN_ORDER, NOT_ASKED = 0, 1, 2

#: Licences under which a package may be imported. MPL-2.0 binds its own files alone, and we change none of them.
FREE: Final = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense"}
)

#: Packages under another licence, and why they may be here all the same.
REASONED: Final = {
    "aiosmtpd": "Apache-2.0, with a classifier more that names none: a mail server of the tests",
    "axe-playwright-python": "its licence's file says MIT, its metadata nothing: it looks at pages in the tests",
    "ansible-core": "GPL-3.0-or-later: run as a program, never imported (the contract `ansible-is-a-program`)",
    "psycopg": "LGPL-3.0-only: an optional library, used as it is, which anybody can replace",
    "psycopg-binary": "LGPL-3.0-only: the compiled half of psycopg",
}

#: Trove classifiers, for packages that have no SPDX expression yet. What is not here is not free until it is read.
_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+_]+)((?: --hash=sha256:[0-9a-f]{64})*)")


@dataclass(frozen=True, slots=True)
class Locked:
    """A package of the lock."""

    name: str  #: As the index has it.
    version: str  #: The one that is installed.
    hashes: tuple[str, ...]  #: The SHA-256 of each of its files.


def locked(text: str) -> tuple[Locked, ...]:
    """The packages of a lock's text.

    Raises:
        ValueError: a line is something else than a package, its version and its hashes, e.g. an option or an address.
    """
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return tuple(_locked(line) for line in lines if line and not line.startswith("#"))


def _locked(line: str) -> Locked:
    match = _REQUIREMENT.fullmatch(line)
    if match is None:
        raise ValueError(f"requirements.lock: not a package with its version and hashes: {line}")
    return Locked(match[1], match[2], tuple(re.findall(r"[0-9a-f]{64}", match[3])))


# --- licences -------------------------------------------------------------------------------------
def licence_of(package: metadata.PackageMetadata) -> str:
    """What a package says its licence is, as an SPDX expression as far as it can be one."""
    if "License-Expression" in package:
        return package["License-Expression"]
    names = [c.rpartition(" :: ")[2] for c in package.get_all("Classifier") or () if c.startswith("License ::")]
    return " AND ".join(_CLASSIFIERS.get(name, name) for name in names) or "".join(package.get_all("License") or ())


def is_free(expression: str) -> bool:
    """Tell whether an SPDX expression lets a package be imported here."""
    try:
        words = canonicalize_license_expression(expression).replace("(", "( ").replace(")", " )").split()
    except InvalidLicenseExpression:
        return False
    return _any_of(words) and not words


def _any_of(words: list[str]) -> bool:
    free = _all_of(words)
    while words and words[0] == "OR":
        del words[0]
        free = _all_of(words) or free
    return free


def _all_of(words: list[str]) -> bool:
    free = _one(words)
    while words and words[0] == "AND":
        del words[0]
        free = _one(words) and free
    return free


def _one(words: list[str]) -> bool:
    word = words.pop(0)
    if word != "(":
        return word in FREE
    free = _any_of(words)
    del words[0]
    return free


def licence_faults(packages: Sequence[Locked]) -> Iterator[str]:
    """What is wrong with the licences of what is locked and installed."""
    for package in packages:
        try:
            installed = metadata.metadata(package.name)
        except metadata.PackageNotFoundError:
            yield f"{package.name} is locked and not installed, so that its licence is not known: run scripts/setup"
            continue
        if installed["Version"] != package.version:
            yield f"{package.name} {installed['Version']} is installed, {package.version} is locked: run scripts/setup"
        licence = licence_of(installed)
        if not is_free(licence) and package.name.lower() not in REASONED:
            why = "read it, and add it to FREE, or the package to REASONED, of tests/audit.py with the reason"
            yield f"{package.name}: its licence is {licence[:80] or 'not named'}: {why}"
    names = {package.name.lower() for package in packages}
    yield from (f"{name} has an exception and is not locked: take it out" for name in REASONED if name not in names)


# --- vulnerabilities ------------------------------------------------------------------------------
Ask = Callable[[dict[str, Any]], Any]


class NobodyAnsweredError(Exception):
    """The database could not be reached, or its answer is none."""


def vulnerabilities(packages: Sequence[Locked], ask: Ask) -> Iterator[str]:
    """The known vulnerabilities of what is locked.

    Raises:
        NobodyAnsweredError: nothing is known about them.
    """
    queries = [{"package": {"name": p.name, "ecosystem": "PyPI"}, "version": p.version} for p in packages]
    answer = ask({"queries": queries})
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != len(packages):
        raise NobodyAnsweredError("the answer has not one result for each package")
    for package, result in zip(packages, results, strict=True):
        if not isinstance(result, dict):
            raise NobodyAnsweredError(f"the result for {package.name} is none")
        for known in result.get("vulns") or ():
            yield f"{package.name} {package.version}: {known.get('id')}: upgrade it (scripts/lock --upgrade-package …)"


def asking(database: str) -> Ask:
    """Ask a database with OSV's interface."""

    def ask(question: dict[str, Any]) -> Any:
        try:
            response = requests.post(database, json=question, timeout=30)
            response.raise_for_status()
            return response.json()
        except (requests.RequestException, ValueError) as error:
            raise NobodyAnsweredError(type(error).__name__) from error

    return ask


def audit(packages: Sequence[Locked], ask: Ask) -> tuple[int, list[str]]:
    """The exit code and what is said."""
    faults = [f"{p.name} is locked without a hash: run scripts/lock" for p in packages if not p.hashes]
    faults += licence_faults(packages)
    unknown = ""
    try:
        faults += vulnerabilities(packages, ask)
    except NobodyAnsweredError as error:
        unknown = f"known vulnerabilities: NOT CHECKED, the database did not answer ({error})"
    code = NOT_IN_ORDER if faults else NOT_ASKED if unknown else IN_ORDER
    said = unknown or "known vulnerabilities: asked about every package"
    return code, [*faults, f"{len(packages)} packages; faults: {len(faults)}; {said}"]


def main(arguments: Sequence[str]) -> int:
    """Audit the lock, and print what there is to say."""
    parser = argparse.ArgumentParser(prog="scripts/audit", description=__doc__)
    parser.add_argument("--database", default=DATABASE, metavar="URL", help="a database with OSV's interface")
    code, lines = audit(locked(LOCK.read_text(encoding="utf-8")), asking(parser.parse_args(arguments).database))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
