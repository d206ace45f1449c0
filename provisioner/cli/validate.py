"""`provisioner validate` and `provisioner allocate`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from provisioner import __version__
from provisioner.base.document import Count, HeldRow, Printed, ProblemRow, Row, Truth, of
from provisioner.base.errors import InventoryError, Problem, Severity, os_errors
from provisioner.base.language import Translator
from provisioner.cli.support import texts
from provisioner.cli.support.context import Invocation, echo_lines, print_document, problem_lines, today
from provisioner.cli.support.terminal import DAY, ValidPath
from provisioner.operations.edit.validate import COUNTED, AllocatedItem, Validation
from provisioner.operations.edit.validate import allocate as record_allocations
from provisioner.operations.edit.validate import validate as check_all


@click.command()
@click.option("--as-of", "day", type=DAY, help="Check designations as of this day. Default: today in Vietnam.")
@click.option(
    "--sarif",
    type=ValidPath(dir_okay=False),
    metavar="FILE",
    help="Write the problems to FILE too, as SARIF 2.1.0 (merge requests show them beside the lines).",
)
@click.option(
    "--code-quality",
    type=ValidPath(dir_okay=False),
    metavar="FILE",
    help="Write the problems as a Code Quality report too (for GitLab's merge requests).",
)
@click.option(
    "--junit",
    type=ValidPath(dir_okay=False),
    metavar="FILE",
    help="Write the problems as JUnit XML too, one case a problem.",
)
@click.option("--no-cache", is_flag=True, help="Read every file anew, and write no cache.")
def validate(
    invocation: Invocation,
    day: datetime | None,
    sarif: Path | None,
    code_quality: Path | None,
    junit: Path | None,
    *,
    no_cache: bool,
) -> int:
    """Check the inventory and list every problem.

    The command needs no network. Without a vault password it checks everything except the secrets. Exit code 3: there
    is an error; 0: warnings only. Errors come first; with --output json each problem has its code.

    Example: provisioner -i DIR validate
    """
    for named in (sarif, code_quality, junit):
        invocation.refuse_tracked_links(named)
    judged_on = day.date() if day else today()
    validation = check_all(invocation.inventory, invocation.env, today=judged_on, cached=not no_cache)
    _write_reports(validation.problems, sarif, code_quality, junit)
    if invocation.json:
        print_document(ValidateDocument.model_validate(validation).plain)
    else:
        # Errors first, so that hundreds of warnings do not hide them.
        listed = sorted(validation.problems, key=lambda problem: problem.severity is not Severity.ERROR)
        echo_lines((*problem_lines(listed, invocation.say), _summary_line(validation, invocation.say)))
    return InventoryError.exit_code if validation.errors else 0


def _write_reports(problems: Sequence[Problem], sarif: Path | None, quality: Path | None, junit: Path | None) -> None:
    if not (sarif or quality or junit):
        return
    from provisioner.report import ci_formats  # noqa: PLC0415 (few runs need it)

    folder = str(Path.cwd())
    if sarif:
        _write_text(sarif, _json_text(ci_formats.sarif_log(problems, version=__version__, folder=folder)))
    if quality:
        _write_text(quality, _json_text(ci_formats.code_quality(problems, folder=folder)))
    if junit:
        _write_text(junit, ci_formats.junit_problems(problems, folder=folder, at=datetime.now(UTC)))


def _write_text(path: Path, text: str) -> None:
    with os_errors(f"{path} cannot be written", "name another file"):
        path.write_text(text, "utf-8", "backslashreplace")


def _json_text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


class CountsRow(Row):
    """Counts of the inventory's objects."""

    provinces: Count
    carriers: Count
    relays: Count
    facilities: Count
    cameras: Count
    paths: Count


class SignOffsRow(Row):
    """The sign-offs of agreed plans."""

    signed: Count  #: Signed with the party's key.
    claimed: Count  #: Claimed by the file's author.


class ValidateDocument(Printed, name="validate", title="A validation"):
    """Output of `provisioner validate --output json`."""

    ok: bool  #: Whether no error exists. Warnings do not count.
    counts: CountsRow
    sign_offs: SignOffsRow
    problems: tuple[ProblemRow, ...]


def _summary_line(validation: Validation, say: Translator) -> str:
    nouns = ("province", "carrier", "relay", "facility", "camera", "path")
    counts = ", ".join(say.counted(validation.counts[name], noun) for name, noun in zip(COUNTED, nouns, strict=True))
    if validation.has_signers:
        counts += say("; sign-offs: {signed} signed, {claimed} claimed", **validation.sign_offs)
    warnings = say.counted(validation.warnings, "warning")
    if validation.errors:
        errors = say.counted(validation.errors, "error")
        return say("invalid: {errors}, {warnings} ({counts})", errors=errors, warnings=warnings, counts=counts)
    valid = say("valid: {counts}", counts=counts)
    return f"{valid} ({warnings})" if validation.warnings else valid


class AllocateDocument(Printed, name="allocate", title="An allocation"):
    """Output of `provisioner allocate --output json`."""

    file: Path | Literal[""]  #: Empty if no allocation is new and the file was not written.
    changed: Truth = of("path")
    assigned: tuple[AllocatedItem, ...]
    retired: tuple[AllocatedItem, ...]
    held: tuple[HeldRow, ...]


@click.command()
@texts.commit_option
def allocate(invocation: Invocation, *, commits: bool) -> int:
    """Assign tunnel addresses, ports and prefixes to new objects.

    The command writes allocations.lock.yml only and contacts no host. Recorded addresses never move; retired ones are
    not reused.

    Example: provisioner -i DIR allocate
    """
    checkout = texts.checkout_for(invocation, commits=commits)
    allocation = record_allocations(invocation.inventory, invocation.env, today=today())
    texts.commit_written(invocation, checkout, [allocation.path] if allocation.path else [], "addresses of new objects")
    if invocation.json:
        print_document(AllocateDocument.made_of(allocation, file=allocation.path or "").plain)
        return texts.code_with_frozen(0, allocation.held)
    for verb, items in (("assigned", allocation.assigned), ("retired", allocation.retired)):
        for item in items:
            click.echo(f"{verb} {item.object}: {item.address or 'port'} {item.port or ''}".rstrip())
    click.echo(texts.written_line(allocation.path, checkout) if allocation.path else "nothing to allocate")
    texts.print_frozen(allocation.held, consequence="what is recorded stays as it is")
    return texts.code_with_frozen(0, allocation.held)
