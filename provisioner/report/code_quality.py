"""Problems as a Code Quality report, which GitLab shows in a merge request's changes. Pure.

The fields are those that GitLab reads (docs.gitlab.com, "Code Quality report format"): `description`, `check_name`,
`fingerprint`, `severity` and `location`. It tells reports of two branches apart by the fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.report.problem_places import fingerprint_of, path_from

_SEVERITIES: Final = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def code_quality(problems: Sequence[Problem], *, folder: str) -> list[Document]:
    """The report of one run of `validate`; a problem that is in no file is said of the folder itself.

    Args:
        problems: what was found.
        folder: the absolute path that files are shown relative to.
    """
    report: dict[str, Document] = {}
    for problem in problems:
        path = path_from(folder, problem.file) if problem.file else "."
        said = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
        fingerprint = fingerprint_of(problem, path)
        # GitLab leaves out what has the fingerprint of another one: a second one on another line would be lost.
        number = 1
        while fingerprint in report:
            number += 1
            fingerprint = fingerprint_of(problem, f"{path} {number}")
        report[fingerprint] = {
            "description": printable(said),
            "check_name": problem.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[problem.severity],
            "location": {"path": path, "lines": {"begin": max(problem.line, 1)}},
        }
    return list(report.values())
