"""The work of `provisioner verify`, imported after hosts were called."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import click

from provisioner.base.errors import InventoryError, StateError
from provisioner.base.files import write_atomic
from provisioner.base.language import Translator, marked
from provisioner.base.text import msg
from provisioner.cli.support.attendance import FirstAnswerClock
from provisioner.cli.support.context import Invocation, print_document, print_warning
from provisioner.cli.support.texts import code_with_frozen
from provisioner.desired.limit import parse_limits
from provisioner.operations.apply import verification
from provisioner.operations.pipeline.session import Session, end_calls
from provisioner.report.ci_formats import junit_report
from provisioner.report.verify_html import html_page, verify_comment
from provisioner.report.verify_text import incident_words, text_report
from provisioner.verify.document import verify_in_parts
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.picture_measures import Looks
from provisioner.verify.result import Incident, Verdict, VerifyResult, exit_code
from provisioner.verify.rotation import Share

_UNWRITTEN_HINT = marked(
    "the result is printed here; free some disk space, or name a file in a folder that you can write to"
)


class VerifyChoices(TypedDict):
    """Options of a verification, as click passes them."""

    html: Path | None
    junit: Path | None
    markdown: Path | None
    detail: bool
    fail_on: str
    level: int | None
    sample: Share | None
    deadline: int | None
    picture: str
    once: bool
    confirm: bool
    onvif_again: bool
    accept: bool
    renew: bool


class ResultSoFar(FirstAnswerClock):
    """Prints on standard error what is certain while a verification goes on."""

    def __init__(self, invocation: Invocation) -> None:
        super().__init__()
        self._say, self._print = invocation.say, invocation.progress.remark

    def so_far(self, seconds: float, up: int, of_paths: int, incidents: Sequence[Incident]) -> None:
        """Print incidents, then how many paths are up."""
        say, after = self._say, round(seconds)
        for incident in incidents:
            self._print(say("after {seconds} s: {incident}", seconds=after, incident=incident_words(incident, say)))
        paths = say.counted(of_paths, "path")
        self._print(say("after {seconds} s: {up} of {paths} up", seconds=after, up=up, paths=paths))


def write_files(result: VerifyResult, chosen: VerifyChoices, fail_on: Verdict, say: Translator) -> tuple[Path, ...]:
    """Write the requested files; warn of those that failed, and return them."""
    makers: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (chosen["html"], lambda: html_page(result, say)),
        (chosen["junit"], lambda: junit_report(result, fail_on)),
        (chosen["markdown"], lambda: verify_comment(result, say)),
    )
    unwritten = []
    for path, make in makers:
        if path is None:
            continue
        try:
            write_atomic(path, make())
        except InventoryError as error:
            print_warning(error.message, _UNWRITTEN_HINT)
            unwritten.append(path)
    return tuple(unwritten)


def verify_and_record(invocation: Invocation, session: Session, limits: tuple[str, ...], chosen: VerifyChoices) -> int:
    """Verify paths, show and record the result; return the exit code.

    Raises `UsageError` or `StateError` if pictures cannot be accepted.
    """
    if chosen["accept"]:
        verification.refuse_job(session)
    onlooker = ResultSoFar(invocation)
    options = VerifyOptions(
        level=chosen["level"],
        sample=chosen["sample"],
        deadline_s=chosen["deadline"],
        once=chosen["once"],
        confirms=chosen["confirm"],
        looks=Looks(chosen["picture"]),
        asks_again=chosen["onvif_again"],
        say=invocation.progress.remark,
        onlooker=onlooker,
    )
    verification.expect_verification(session, limits, options)
    result = verification.verify_with_memory(session, parse_limits(limits), options)
    end_calls(session)
    result = replace(result, waits=replace(result.waits, before_s=onlooker.before_s))
    accepted = None
    if chosen["accept"]:
        result, accepted = verification.accept_pictures(session, result, renew=chosen["renew"])
    fail_on, say = Verdict(chosen["fail_on"]), invocation.say
    unwritten = write_files(result, chosen, fail_on, say)
    if invocation.json:
        print_document(verify_in_parts(result))
    else:
        # click removes the colours if they are not wanted.
        click.echo(text_report(result, detail=chosen["detail"], color=True, say=say), nl=False)
    try:
        verification.record_verification(session, result, limits, accepted)
    except verification.NoteError as error:
        print_warning(error.message, error.hint)
    except StateError as error:
        if chosen["accept"]:
            raise
        print_warning(msg("this verification is not recorded: {message}", error.message), error.hint)
    return code_with_frozen(exit_code(result, fail_on), (*result.held, *unwritten))
