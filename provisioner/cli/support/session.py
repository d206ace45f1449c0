"""A command's session, and files that people name."""

import os
import stat
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from provisioner.base.errors import StalePlanError, UsageError, os_errors
from provisioner.base.files import read_regular, replace_file
from provisioner.base.language import marked
from provisioner.base.text import local_time, msg, printable
from provisioner.cli.support.context import Invocation, now, print_warning, today
from provisioner.desired.limit import Limit
from provisioner.operations.apply import early_start
from provisioner.operations.questions.overview import FIRST_FACILITY, Overview, overview, overview_at
from provisioner.report.progress import Earlier

if TYPE_CHECKING:
    from provisioner.desired.render.host import RenderedFile
    from provisioner.operations.pipeline.session import Session
    from provisioner.plan.saved.file import WrittenPlan

_SHOWN: Final = 200
_WEEK: Final = timedelta(days=7)


class PlanFile(NamedTuple):
    """A saved plan and its bytes."""

    plan: "WrittenPlan"
    content: bytes


def session_of(invocation: Invocation) -> "Session":
    """Return a session whose calls the progress display watches."""
    from provisioner.operations.pipeline.session import Session  # noqa: PLC0415 (`status` calls no host)

    return Session(invocation.inventory, invocation.env, today(), invocation.progress, begun=early_start.started())


def overview_of(invocation: Invocation, as_of: datetime | None = None) -> Overview:
    """Return the inventory and its evidence, now or at an earlier moment."""
    if as_of is not None:
        if as_of > now():
            hint = marked("name an earlier moment with --as-of")
            raise UsageError(msg("{as_of} is still to come", local_time(as_of)), hint=hint)
        return click.get_current_context().with_resource(overview_at(invocation.inventory, invocation.env, as_of))
    view = overview(invocation.inventory, invocation.env, now())
    if not view.evidence.runs:
        place = view.place.text
        message = msg("no run is recorded in {place}: what hosts hold and which cameras are up is not known", place)
        hint = marked(
            "apply and verify record their runs; PROVISIONER_STATE names the place of those of another machine"
        )
        print_warning(message, hint)
    if view.is_empty:
        print_warning(marked("no facility is registered yet"), FIRST_FACILITY)
    return view


def week_before(
    invocation: Invocation, view: Overview, names: Collection[str], limit: Limit, without: Collection[str] = ()
) -> Earlier:
    """Return the chosen facilities a week before."""
    past = overview_of(invocation, view.now - _WEEK)
    return Earlier(past.now, past.evidence.runs, past.known_statuses(names, limit, without))


def write_tree(folder: Path, files: "Iterable[RenderedFile]") -> list[Path]:
    """Write files into a new or empty private folder, or raise `UsageError`.

    Files with secrets get mode 0600, their folder 0700.
    """
    hint = f"make room, or name a folder that you can write to; remove {folder}, as it may hold a part of the files"
    with os_errors(f"{folder} cannot be written", hint):
        _refuse_shared(folder)
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                msg("{folder} is not empty", folder), hint="name a new folder: files with secrets go into it"
            )
        return [_write_private(folder / file.path.lstrip("/"), file) for file in files]


def _refuse_shared(folder: Path) -> None:
    """Refuse a folder that another user can replace."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    status = existing.stat()
    if status.st_uid not in {0, os.geteuid()}:
        raise UsageError(f"{existing} belongs to another user", hint="name a folder of your own")
    if existing == folder and status.st_mode & stat.S_IWOTH:
        raise UsageError(f"everybody may write to {existing}", hint="name a folder of your own, or one that is new")
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise UsageError(f"everybody may rename what is in {existing}", hint="name a folder of your own")


def _write_private(path: Path, file: "RenderedFile") -> Path:
    _make_private_folder(path.parent)
    mode = 0o600 if file.secret else file.mode
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.content)
        os.fchmod(stream.fileno(), mode)
    return path


def _make_private_folder(folder: Path) -> None:
    if not folder.exists():
        _make_private_folder(folder.parent)
        folder.mkdir(mode=0o700)


def refuse_unread_metrics(path: Path | None) -> None:
    """Raise `UsageError` unless the metrics file ends in `.prom`, for exporters."""
    if path is not None and path.suffix != ".prom":
        raise UsageError(f"{path}: an exporter reads files that end in .prom", hint=f"name it {path.stem}.prom")


def write_report(path: Path, content: bytes, *, force: bool) -> None:
    """Write a private report (it names sites); an existing one raises `UsageError`."""
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="name another file, or overwrite it with --force")
    with os_errors(f"{path} cannot be written", "name a file in a folder that is there and that you can write to"):
        replace_file(path, content)


def read_plan(path: Path) -> PlanFile:
    """Read a plan file once, or raise `StalePlanError`."""
    from provisioner.plan.saved.file import MAX_PLAN_BYTES, written_plan  # noqa: PLC0415 (`status` reads no plan)

    with os_errors(f"{path} cannot be read", "name a file that provisioner plan --out FILE wrote", StalePlanError):
        content = read_regular(path, most=MAX_PLAN_BYTES)
    return PlanFile(written_plan(content, printable(str(path), _SHOWN)), content)
