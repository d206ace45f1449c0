"""The files that `provisioner verify` writes beside what it prints, each where a person asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.cli.output import print_warning
from provisioner.verify.result import Verdict, VerifyResult

_HINT = marked(
    "what was found is not lost: it is printed here; make room, or name a file in a folder that you can write to"
)


@dataclass(frozen=True, slots=True)
class VerifyFiles:
    """Where a verification is to be written; None where it is not."""

    html: Path | None
    junit: Path | None
    markdown: Path | None


def write_files(
    result: VerifyResult, files: VerifyFiles, fail_on: Verdict, *, color: bool | None, say: Translator = ENGLISH
) -> tuple[Path, ...]:
    """Write what was asked for, and warn of what cannot be written: it undoes no verification.

    Args:
        result: what was found.
        files: where it goes.
        fail_on: how bad a path has to be to fail.
        color: as click takes it.
        say: whoever says what people read.

    Returns:
        the files that could not be written.
    """
    makers: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (files.html, lambda: _html(result, say)),
        (files.junit, lambda: _junit(result, fail_on)),
        (files.markdown, lambda: _markdown(result, say)),
    )
    unwritten = []
    for path, make in makers:
        if path is None:
            continue
        try:
            write_atomic(path, make())
        except InventoryError as error:
            print_warning(error.message, _HINT, color=color, say=say)
            unwritten.append(path)
    return tuple(unwritten)


# Each is imported where it is asked for: few ask, and it takes a tenth of a second.


def _html(result: VerifyResult, say: Translator) -> str:
    from provisioner.report.html import html_page  # noqa: PLC0415

    return html_page(result, say)


def _junit(result: VerifyResult, fail_on: Verdict) -> str:
    from provisioner.report.junit import junit_report  # noqa: PLC0415

    return junit_report(result, fail_on)


def _markdown(result: VerifyResult, say: Translator) -> str:
    from provisioner.report.verify_markdown import verify_comment  # noqa: PLC0415

    return verify_comment(result, say)
