"""Options of several commands; times and days are Vietnam's."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Address
from typing import Annotated, Final, TypedDict, TypeVar, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from provisioner.base.errors import UsageError
from provisioner.base.text import VIETNAM, counted, msg, printable
from provisioner.cli.support.completion import limits_like
from provisioner.cli.support.context import print_warning
from provisioner.cli.support.terminal import DAY, Amount, ListedWord
from provisioner.desired.names import NAMES
from provisioner.inventory.model.base import Model, Text, inner_model, use_of
from provisioner.record.availability.measured import Span
from provisioner.verify.picture_measures import Looks

_limit = partial(click.option, "--limit", "limits", multiple=True, metavar="KIND=NAME", shell_complete=limits_like)
limit_option = _limit(help="Only these: carrier, province, facility or host. May be repeated.")
hosts_limit_option = _limit(help="Only these hosts: carrier, host, …")
_MOMENT_FORMS: Final = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M%z")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_SHOWN_MOMENT = 80
_SSH_PORT: Final = "22"
_WEEK = timedelta(days=7)
_MOST_DAMAGED = 5
DAMAGED_HINT = msg("see all that is wrong: provisioner history verify")
C = TypeVar("C", bound=Callable[..., object])
_SHORTEST_DEADLINE_S: Final = 15
_LONGEST_DEADLINE_S: Final = 86_400

LEVELS: Final = 7  #: As in `verify.judge`, whose import would delay calls to hosts.


class MomentWord(click.ParamType[datetime]):
    """A day's start, or a day and time; by default in Vietnam."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse `2021-05-22` or `2021-05-22T06:00`."""
        if isinstance(value, datetime):
            return value
        moment = _parsed_moment(str(value))
        if moment is None:
            text = printable(str(value), _SHOWN_MOMENT)
            self.fail(msg("{text} is not a time: write YYYY-MM-DD or YYYY-MM-DDTHH:MM", repr(text)), param, ctx)
        return moment


from_option = click.option(
    "--from", "begin", type=MomentWord(), metavar="DAY", help="The first moment. Default: a week before the end."
)
until_option = click.option("--until", type=MomentWord(), metavar="DAY", help="The end, exclusive. Default: now.")


def past_options(command: C) -> C:
    """Add the options of a report on an earlier moment."""
    command = click.option("--against-before", is_flag=True, help="Compare with a week before.")(command)
    return click.option(
        "--as-of",
        type=MomentWord(),
        metavar="MOMENT",
        help="Show this moment, by the inventory's commit and the records of then. Default: now.",
    )(command)


class RolloutChoices(TypedDict):
    """Rollout options, as click passes them."""

    max_failed: int
    pause_after: str | None
    min_new_up: float
    max_lost: float
    required: tuple[str, ...]
    gate_patience: float
    approval: str


def span_of(begin: datetime | None, until: datetime | None, as_of: datetime) -> Span:
    """Return the requested span, cut at `as_of`; empty ones raise `UsageError`."""
    end = min(until or as_of, as_of)
    first = begin or end - _WEEK
    if first >= end:
        raise UsageError("the span ends before it begins", hint="--from is earlier than --until, and than --as-of")
    return Span(first, end)


def split_host_and_port(place: str) -> tuple[str, str]:
    """Split host and port; IPv6 with a port has brackets."""
    bracket, closed, after = place.partition("]")
    if bracket.startswith("[") and closed:
        return bracket[1:], after.removeprefix(":") if after.startswith(":") else "" if after else _SSH_PORT
    if place.count(":") > 1:
        return place, _SSH_PORT
    address, colon, digits = place.partition(":")
    return address, digits if colon else _SSH_PORT


def warn_of_damage(damaged: Sequence[str]) -> None:
    """Warn of unreadable records."""
    if damaged:
        named = ", ".join(damaged[:_MOST_DAMAGED])
        records = counted(len(damaged), "record")
        message = msg("{records} cannot be read, and counts as not measured: {named}", records, named)
        print_warning(message, DAMAGED_HINT)


def rollout_options(command: C) -> C:
    """Add the rollout options to a command."""
    options = (
        click.option("--max-failed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
                     help="The number of hosts that may fail before waves stop."),
        click.option("--pause-after", type=ListedWord(NAMES), default=None, help="Pause after this wave."),
        click.option("--min-new-up", type=Amount(0, 1), default=0.0, show_default=True, metavar="SHARE",
                     help="The share of new paths that need a picture, or the host returns."),
        click.option("--max-lost", type=Amount(0, 1), default=0.0, show_default=True, metavar="SHARE",
                     help="The share of paths that may lose their picture."),
        click.option("--require-up", "required", multiple=True, metavar="PATH",
                     help="Require a picture of this path, or of all paths with this prefix, even of new ones."),
        click.option("--gate-patience", type=Amount(5, 600), default=60.0, show_default=True,
                     metavar="SECONDS", help="The time in which paths have to come back."),
        click.option("--approval", default="", metavar="TEXT", help="The reference of the approval, for the record."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def field_options(model: type[Model], /, *, required: bool = False, **helps: str) -> dict[str, Callable[[C], C]]:
    """Return options of a model's fields by name, in order.

    `required` demands options of fields without default. `helps` names the only fields, in order; an empty help means
    the model's.
    """
    options: dict[str, Callable[[C], C]] = {}
    for name in helps or model.model_fields:
        field = model.model_fields[name]
        if (described := use_of(field).option) is not None:
            param_type, metavar = _param_type_of(*_form_of(field))
            flag, needed = name.replace("_", "-"), required and field.is_required()
            flag = f"--{flag}/--no-{flag}" if param_type is click.BOOL else f"--{flag}"
            described = helps.get(name) or described or None
            options[name] = click.option(
                flag, type=param_type, metavar=metavar, required=needed, default=None, help=described
            )
        elif inner := inner_model(field):
            options |= field_options(inner)
    return options


def in_order(options: Mapping[str, Callable[[C], C]]) -> Callable[[C], C]:
    """Return a decorator that adds options in their order."""

    def decorate(command: C) -> C:
        for option in reversed([*options.values()]):
            command = option(command)
        return command

    return decorate


def _form_of(field: FieldInfo) -> tuple[object, tuple[object, ...]]:
    kind: object = field.annotation
    if type(None) in get_args(kind):
        kind = next(part for part in get_args(kind) if part is not type(None))
    inner = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    marks = [*field.metadata, *inner[1:]]
    nested = [bound for mark in marks if isinstance(mark, FieldInfo) for bound in mark.metadata]
    return inner[0], (*marks, *nested)


def _param_type_of(kind: object, marks: Sequence[object]) -> tuple[click.ParamType[object] | None, str | None]:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return ListedWord([member.value for member in kind]), None
    if kind is int:
        bounds = {name: getattr(mark, name) for mark in marks for name in ("ge", "le") if hasattr(mark, name)}
        return click.IntRange(bounds.get("ge"), bounds.get("le")), None
    if kind is bool:
        return click.BOOL, None
    if kind is date:
        return DAY, None
    if kind is IPv4Address:
        return None, "ADDRESS"
    if kind is not str:
        raise TypeError(f"no option has the form of {kind}")
    return None, "TEXT" if all(mark in marks for mark in get_args(Text)[1:]) else "ID"


def deadline_option(description: str) -> Callable[[C], C]:
    """`--deadline SECONDS`."""
    range_s = click.IntRange(_SHORTEST_DEADLINE_S, _LONGEST_DEADLINE_S)
    return click.option("--deadline", type=range_s, metavar="SECONDS", help=description)


def picture_option(default: Looks) -> Callable[[C], C]:
    """`--picture` with its default."""
    return click.option(
        "--picture",
        type=ListedWord([looks.value for looks in Looks]),
        default=default.value,
        show_default=True,
        help="The picture check: none, at most 3 s, 10 to 60 s, or that long for paths due in this run.",
    )


def fail_on_option(description: str) -> Callable[[C], C]:
    """`--fail-on`."""
    return click.option(
        "--fail-on",
        type=ListedWord(["degraded", "unknown", "down"]),
        default="degraded",
        show_default=True,
        help=description,
    )


def _parsed_moment(text: str) -> datetime | None:
    for form in _MOMENT_FORMS:
        with suppress(ValueError):
            moment = datetime.strptime(text, form)  # noqa: DTZ007 (the zone follows)
            if _FIRST_YEAR <= moment.year < _LAST_YEAR:
                return moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)
    return None
