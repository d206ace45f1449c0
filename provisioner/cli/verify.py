"""`provisioner verify`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import StateError
from provisioner.cli.context import Invocation, today
from provisioner.cli.held_text import code_with_held
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.waiting import Waiting
from provisioner.cli.word import ListedWord, Place
from provisioner.desired.limit import parse_limits
from provisioner.pipeline import Session, verify_inventory
from provisioner.report.text import text_report
from provisioner.verify.document import verify_document
from provisioner.verify.result import Verdict, exit_code

_RECORDS = "provisioner.runs.verification"


@click.command()
@limit_option
@click.option("--html", type=Place(path_type=Path), metavar="FILE", help="Write the report as one HTML page, too.")
@click.option("--detail", is_flag=True, help="List every path, not only incidents.")
@click.option(
    "--fail-on",
    type=ListedWord(["degraded", "unknown", "down"]),
    default="degraded",
    show_default=True,
    help="End with 1 only if a path is this bad or worse.",
)
@click.pass_obj
def verify(invocation: Invocation, limits: tuple[str, ...], html: Path | None, *, detail: bool, fail_on: str) -> int:
    """Prove that every camera path is up.

    Visits each relay and each monitoring centre once, at the same time: tunnels, camera ports, what the
    relay receives, and a decoded key frame of every stream on the relay and at the centre. What was not
    checked is unknown, never up. Ends with 0 if every path is up, else with 1. What was found is recorded,
    and moves facilities on (`provisioner status`); where it cannot be, a warning says so.

    Example: provisioner -i DIR verify --limit province=bac-giang --html report.html
    """
    invocation.refuse_proposed(html)
    session = Session(invocation.inventory, invocation.env, today())
    waiting = _Waiting(sys.stderr)
    result = verify_inventory(session, parse_limits(limits), waiting)
    result = replace(result, waits=replace(result.waits, before_s=waiting.before_s))
    if html is not None:
        from provisioner.report.html import html_page  # noqa: PLC0415 (few ask for it, and it takes a tenth of a second)

        write_atomic(html, html_page(result))
    if invocation.json:
        print_document(verify_document(result))
    else:
        # click takes the colours out where they are not wanted.
        click.echo(text_report(result, detail=detail, color=True), nl=False, color=invocation.color)
    from provisioner.runs.verification import NoteError, record_verification  # noqa: PLC0415 (see `_Waiting`)

    try:
        record_verification(session, result, limits)
    except NoteError as error:
        print_warning(error.message, error.hint, color=invocation.color)
    except StateError as error:
        print_warning(f"this verification is not recorded: {error.message}", error.hint, color=invocation.color)
    return code_with_held(exit_code(result, Verdict(fail_on)), result.held)


class _Waiting(Waiting):
    """While hosts answer, what records the outcome is imported: it is needed after them, and takes its time."""

    def asked(self, paths: Mapping[str, int]) -> None:
        super().asked(paths)
        threading.Thread(target=import_module, args=(_RECORDS,), daemon=True).start()
