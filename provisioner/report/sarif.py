"""Problems as a SARIF 2.1.0 log (OASIS), which merge requests show beside the lines that they are about. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.report.problem_catalogue import CATALOGUE, ProblemEntry
from provisioner.report.problem_places import fingerprint_of, path_from

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning"}


def sarif_log(problems: Sequence[Problem], *, version: str, folder: str) -> Document:
    """The log of one run of `validate`.

    Args:
        problems: what was found.
        version: the program's version.
        folder: the absolute path that files are shown relative to: where the command was run, which in a
            pipeline is the top of the checkout.
    """
    codes = sorted({problem.code for problem in problems})
    run = {
        "tool": {"driver": {"name": "provisioner", "version": version, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder in which the command was run."}}},
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(problem, codes.index(problem.code), folder) for problem in problems],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> Document:
    """Describe a code; one that is not in the catalogue is said to be only what it is called."""
    entry = CATALOGUE.get(code, ProblemEntry(f"{code}.", "Do what the message says."))
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": entry.meaning},
        "help": {
            "text": f"{entry.meaning} {entry.mending}",
            "markdown": f"{entry.meaning}\n\n**To mend it:** {entry.mending}",
        },
    }


def _result(problem: Problem, index: int, folder: str) -> Document:
    uri = quote(path_from(folder, problem.file), safe="/") if problem.file else ""
    result: Document = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": _LEVELS[problem.severity],
        "message": {"text": _plain(f"{problem.message}; {problem.hint}" if problem.hint else problem.message)},
        "locations": [_location(problem, uri)] if uri else [],
        "partialFingerprints": {"problem/v1": fingerprint_of(problem, uri)},
    }
    if problem.object:
        result["properties"] = {"object": printable(problem.object)}
    return result


def _location(problem: Problem, uri: str) -> Document:
    physical: Document = {"artifactLocation": {"uri": uri, "uriBaseId": _ROOT}}
    if problem.line:
        physical["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
    return {"physicalLocation": physical}


def _plain(message: str) -> str:
    """A message that stays one: brackets before parentheses would be a link of any words to any place (3.11.6)."""
    return printable(message).replace("](", "] (")
