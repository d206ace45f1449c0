"""Table of commands, groups that import on use, options of every command.

Inventory, output, language and verbosity may stand before or after the command. An option given twice must have the
same value: the program does not guess.

Help is in the reader's language: `vi.po` of the command line has the Vietnamese text of each paragraph, option and
heading; other texts stay English.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, wraps
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import click

from provisioner.base.files import top_of
from provisioner.base.git import without_programs_of
from provisioner.base.language import VARIABLE, Language, language_of
from provisioner.base.processes import without_collector
from provisioner.base.text import did_you_mean, msg
from provisioner.cli.support.attendance import attended, progress_of
from provisioner.cli.support.configuration import OUTPUT, Configuration, output_of
from provisioner.cli.support.context import Invocation, print_warning
from provisioner.cli.support.terminal import PAGER_VARIABLE, ListedWord, ValidPath, is_paged, paged

CATALOGUE: Final = Path(__file__).parents[1] / "vi.po"
EXAMPLE: Final = "Example:"
_EXTRA = re.compile(r"(.*?)  (\[.*\])", re.DOTALL)  #: click's facts behind an option's text.
_EXTRA_WORDS = re.compile(r"(?<=\[)(?:default|required)|(?<=; )required")


class HelpFormatter(click.HelpFormatter):
    """A formatter whose texts are in one language."""

    texts: Mapping[str, str] = {}

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage."""
        super().write_usage(prog, args, prefix or f"{self._text_of('Usage:')} ")

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(self._text_of(heading))

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        super().write_text("\n\n".join(map(self._text_of, text.split("\n\n"))))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands with their texts."""
        super().write_dl([(name, self._described(text)) for name, text in rows], col_max, col_spacing)

    def _described(self, text: str) -> str:
        if match := _EXTRA.fullmatch(text):
            extra = _EXTRA_WORDS.sub(lambda word: self._text_of(word[0]), match[2])
            return f"{self._text_of(match[1])}  {extra}"
        return self._text_of(text)

    def _text_of(self, text: str) -> str:
        sentence = " ".join(text.split())
        if sentence.startswith(EXAMPLE):
            return self.texts.get(EXAMPLE, EXAMPLE) + sentence.removeprefix(EXAMPLE)
        return self.texts.get(sentence, text)


class HelpContext(click.Context):
    """A command's context, whose help is in the caller's language."""

    def make_formatter(self) -> click.HelpFormatter:
        """Make the formatter of one help."""
        formatter = HelpFormatter(width=self.terminal_width, max_width=self.max_content_width)
        formatter.texts = help_texts(getattr(self.find_root().obj, "language", Language.EN))
        return formatter


@lru_cache(maxsize=len(Language))
def help_texts(language: Language) -> Mapping[str, str]:
    """Return a language's help by its English texts."""
    if language is Language.EN:
        return {}
    from polib import pofile  # noqa: PLC0415 (English does not pay for it)

    return {entry.msgid: entry.msgstr for entry in pofile(str(CATALOGUE), encoding="utf-8") if entry.msgstr}


_WITH_MARKDOWN = ("drift", "plan", "plan diff")
_INVENTORY, _OUTPUT, _LANGUAGE, _LOG = "inventory", "output", "language", "log"
_QUIET, _VERBOSE, _NO_PAGER = "quiet", "verbose", "no_pager"


def _keep(ctx: click.Context, param: click.Parameter, values: tuple[object, ...]) -> None:
    """Store values for the command that runs."""
    distinct = ctx.meta.setdefault(f"{__name__}.{param.name}", [])
    distinct += [value for value in values if value not in distinct]
    if len(distinct) > 1 and not ctx.resilient_parsing:
        named = " and ".join(map(str, distinct))
        raise click.UsageError(msg("{opts} is given twice, and says {named}: name one", param.opts[0], named), ctx)


def _keep_flag(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value:
        ctx.meta[f"{__name__}.{param.name}"] = [True]


def _given(ctx: click.Context, name: str) -> object:
    return next(iter(ctx.meta.get(f"{__name__}.{name}", ())), None)


def inventory_of(ctx: click.Context) -> Path | None:
    """Return the folder in `-i` so far."""
    return _path(ctx, _INVENTORY)


def _path(ctx: click.Context, name: str) -> Path | None:
    path = _given(ctx, name)
    return path if isinstance(path, Path) else None


class _GlobalOption(click.Option):
    """An option that only the program's help lists."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return None if ctx.parent else super().get_help_record(ctx)


def _flag(*names: str, meaning: str) -> click.Option:
    return _GlobalOption(list(names), is_flag=True, expose_value=False, callback=_keep_flag, help=meaning)


def _value(*names: str, kind: click.ParamType[object], meaning: str, metavar: str | None = None) -> click.Option:
    return _GlobalOption(
        list(names), type=kind, multiple=True, metavar=metavar, expose_value=False, callback=_keep, help=meaning
    )


def _options() -> tuple[click.Option, ...]:
    return (
        _value(
            *("-i", "--inventory"),
            kind=ValidPath(),
            metavar="DIR",
            meaning="The inventory's folder. Default: PROVISIONER_INVENTORY.",
        ),
        _value(
            "--output",
            kind=ListedWord(["text", "json", "markdown"]),
            meaning="Text, one JSON document on standard output, or (plan, drift) one merge-request comment."
            f" Default: {OUTPUT}, else text.",
        ),
        _value(
            "--language",
            kind=ListedWord([language.value for language in Language]),
            meaning=f"English or Vietnamese text. Default: {VARIABLE}, else English.",
        ),
        _flag("-q", "--quiet", meaning="Print results, warnings and errors only: no progress, no remarks."),
        _flag(
            *("-v", "--verbose"),
            meaning="Print each stage and each host's answer on standard error; plan, drift: list every change.",
        ),
        _flag("--no-pager", meaning=f"Do not page long results at a terminal. {PAGER_VARIABLE} names another pager."),
        _value(
            "--log",
            kind=ValidPath(),
            metavar="FILE",
            meaning="Write a log of the steps with their times, without secrets and personal data.",
        ),
    )


def with_options_anywhere(command: click.Command) -> click.Command:
    """Add the global options to a command and its subcommands."""
    if any(param.callback is _keep for param in command.params):
        return command  # a module's command is one object, however often it is asked for
    command.params += _options()
    command.context_class = HelpContext
    command.epilog = "Global options: see `provisioner --help`."
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_options_anywhere(below)
    if command.callback is not None and (not isinstance(command, click.Group) or command.invoke_without_command):
        command.callback = _with_invocation(command.callback)
    return command


def _with_invocation(callback: Callable[..., object]) -> Callable[..., object]:
    """Pass the invocation to a command as its first argument."""

    @wraps(callback)
    def run(*arguments: object, **options: object) -> object:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is not None:  # the command below is told whose inventory, and how to print
            return callback(ctx.obj, *arguments, **options)
        invocation = _invocation_of(ctx)
        invocation.refuse_tracked_state()
        log = _path(ctx, _LOG)
        invocation.refuse_tracked_links(log)
        progress = progress_of(invocation, log, quiet=bool(_given(ctx, _QUIET)))
        ctx.obj = replace(invocation, progress=progress)
        wanted = is_paged(ctx.command_path.partition(" ")[2]) and not _given(ctx, _NO_PAGER)
        with paged(invocation.env, wanted=wanted and not invocation.json and not invocation.markdown):
            return attended(progress, ctx.command_path, lambda: callback(ctx.obj, *arguments, **options))

    return run


def _invocation_of(ctx: click.Context) -> Invocation:
    output = _given(ctx, _OUTPUT)
    command = ctx.command_path.partition(" ")[2]
    if output == "markdown" and command not in _WITH_MARKDOWN:
        raise click.UsageError(f"{command} has no Markdown: only {', '.join(_WITH_MARKDOWN)} have", ctx)
    configuration: Configuration = ctx.find_root().obj
    if configuration.wrong:
        raise configuration.wrong
    env = configuration.environment
    option = _given(ctx, _LANGUAGE)
    language = language_of(str(option) if option else None, env)
    inventory = inventory_of(ctx)
    if named := inventory or (env.get("PROVISIONER_INVENTORY") and Path(env["PROVISIONER_INVENTORY"])):
        env = without_programs_of(env, top_of(named))
    as_json = (output or output_of(env)) == "json"
    invocation = Invocation(
        inventory,
        as_json,
        env,
        markdown=output == "markdown",
        language=language,
        chose_language=bool(option or env.get(VARIABLE)),
        configuration=configuration,
        verbose=bool(_given(ctx, _VERBOSE)),
    )
    if invocation.verbose and _given(ctx, _QUIET):
        raise click.UsageError("--quiet and --verbose exclude each other: name one", ctx)
    invocation.refuse_tracked_configuration()
    return invocation


#: Commands by job, in the order of work: module below `provisioner.cli`, its click object, help with each subcommand.
_SECTIONS: dict[str, dict[str, tuple[str, str, str]]] = {
    "Set up an inventory": {
        "init": ("init", "init", "Create an inventory: files, vault, Git repository."),
        "validate": ("validate", "validate", "Check the inventory and list every problem."),
        "allocate": ("validate", "allocate", "Assign tunnel addresses and ports to new objects."),
        "designation": ("geography", "designation", "Add, import and end the carriers of provinces."),
        "geography": ("geography", "geography", "Look up, list and convert provinces of 2021 and 2025."),
        "schema": ("config", "schema", "Print JSON Schemas of inventory files and documents."),
    },
    "Bring sites and their people in": {
        "import": ("import_", "import_", "Check a province's spreadsheet cell by cell; write its sites."),
        "facility": ("facility", "facility", "Add/set/survey, claim, plan, move, close/reopen/contact/next."),
        "camera": ("camera", "camera", "Add, replace, move, accept and remove cameras and recorders."),
        "secrets": ("keys", "secrets", "Set and forget logins of cameras and recorders in the vault."),
        "sign-off": ("sign_off", "sign_off", "Record that the parties agreed to a facility's plan."),
        "site-package": ("render", "site_package", "Write the install package of a site's gateway."),
        "gateway": ("gateway", "gateway", "Set the key of a gateway; record an installed package."),
        "contacts": ("contacts", "contacts", "Check, list, find and erase contacts (personal data)."),
    },
    "Change hosts": {
        "plan": ("plan", "plan", "Show the changes of the next apply; diff, push, fetch plans."),
        "approve": ("sign_off", "approve", "Approve a saved plan with your own key."),
        "apply": ("apply", "apply", "Change hosts to match the inventory, in waves."),
        "rollback": ("apply", "rollback", "Return hosts to the state before a run."),
        "maintenance": ("maintenance", "maintenance", "Add a window of work without alarms; list and end windows."),
        "policy": ("policy", "policy", "Test the Rego rules that judge plans; print their input."),
        "prove": ("prove", "prove", "Show the allowed connections; check reachability intents."),
        "render": ("render", "render", "Write the config files of each host into a folder."),
    },
    "Look after hosts and keys": {
        "hosts": ("hosts", "hosts", "Scan keys of hosts; prepare, adopt, release, decommission."),
        "relay": ("relay", "relay", "Set a relay's addresses; drain, keep, replace or restore it."),
        "keys": ("keys", "keys", "Init, rotate, keep tunnel keys; their status; a recovery key."),
        "certificate": ("certificate", "certificate", "List, renew, request and set the TLS certificates of relays."),
        "quarantine": ("quarantine", "quarantine", "List devices that refused their login; lift their quarantine."),
    },
    "See how it goes": {
        "status": ("status", "status", "Show the state of facilities and their deadlines."),
        "verify": ("verify", "verify", "Prove that every camera path is up."),
        "watch": ("watch", "watch", "Check every few seconds that every path flows."),
        "drift": ("plan", "drift", "Check whether hosts match the inventory."),
        "readers": ("prove", "readers", "List the addresses at which a reader gets each path."),
    },
    "Account for it": {
        "availability": ("status", "availability", "Show the share of time in which paths were up."),
        "export": ("export", "export", "Count progress; write the ministry's documents."),
        "report": ("report", "report", "Write HTML pages; publish the signed report to the ministry."),
        "history": ("history", "history", "Show runs with author, outcome and steps; verify the record."),
        "retention": ("history", "retention", "Show the documents in the history; delete expired ones."),
    },
    "Run as a service": {
        "nightly": ("nightly", "nightly", "Verify, find drift, write reports, notify receivers."),
        "notify": ("nightly", "notify", "Send the last verification to receivers."),
        "agent": ("agent", "agent", "Follow a Git branch and apply its signed commits."),
        "serve": ("serve", "serve", "Serve the web pages, read-only."),
        "view": ("view", "view", "Join reports: show status; serve, export, take, prune, HTML."),
        "node": ("node", "node", "Run a node in a carrier's network; set up its key and broker."),
        "metrics": ("monitoring", "metrics", "Write Prometheus metrics of the last verification."),
        "monitoring": ("monitoring", "monitoring", "Write alert rules, routes and a dashboard."),
        "forge": ("forge", "forge", "Comment on merge requests; set labels and commit status."),
    },
    "Use this program": {
        "config": ("config", "config", "Show each setting and its source."),
        "completion": ("man", "completion", "Install completion of commands, options and ids in your shell."),
        "man": ("man", "man", "Write the manual pages."),
    },
}
#: Former spellings of options by command; they work until the next major release.
FORMER: Mapping[str, Mapping[str, str]] = {
    "apply": {"--approvals": "--approvals-dir"},
    "approve": {"--approvals": "--approvals-dir"},
    "camera": {"--until": "--accept-old-until"},
    "contacts": {"--export": "--out"},
    "forge": {"--key": "--name"},
    "history": {"--limit": "--rows"},
    "hosts": {"--key": "--public-key"},
    "import": {"--from": "--mapping", "--lang": "--language"},
    "init": {"--from": "--answers"},
    "node": {"--days": "--valid-days"},
    "validate": {"--date": "--as-of"},
    "verify": {"--detail": "--details"},
}
_WHOLE = 1_000  #: Longer than any first sentence.


class CommandEntry(NamedTuple):
    """A command's module, attribute of its click object, help line, section."""

    module: str
    attribute: str
    help: str
    section: str


COMMANDS = {
    name: CommandEntry(f"provisioner.cli.{module}", attribute, meaning, section)
    for section, rows in _SECTIONS.items()
    for name, (module, attribute, meaning) in rows.items()
}


class UnknownCommandError(click.UsageError):
    """An unknown command; `hint` has similar ones, or is empty."""

    def __init__(self, name: str, commands: Iterable[str], ctx: click.Context) -> None:
        super().__init__(f"No such command {name!r}.", ctx)
        self.hint = did_you_mean(name, commands, "")


class NamedGroup(click.Group):
    """A group that suggests similar names for an unknown command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the named command, or raise `UnknownCommandError`."""
        if args and self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing and args[0][:1] != "-":
            raise UnknownCommandError(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command's help whole."""
        with formatter.section("Commands"):
            rows = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
            formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in rows if command])


def _present_spellings(ctx: click.Context, former: Mapping[str, str], words: list[str]) -> Iterator[str]:
    """Yield a command's words; warn of former spellings."""
    options = words.index("--") if "--" in words else len(words)
    for number, word in enumerate(words):
        old, equals, value = word.partition("=")
        new = former.get(old) if number < options else None
        if new and not ctx.resilient_parsing:
            message = msg("{spelling} is now {present}: the former spelling ends with the next major release", old, new)
            print_warning(message, "")
        yield f"{new}{equals}{value}" if new else word


class LazyGroup(NamedGroup):
    """A group over its class's table; listing and help import no command."""

    table: ClassVar[Mapping[str, CommandEntry]]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the named command; former spellings of its options become present ones."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, list(_present_spellings(ctx, FORMER.get(name or "", {}), rest))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, sorted."""
        return sorted([*super().list_commands(ctx), *self.table])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; it accepts the global options too."""
        entry = self.table.get(cmd_name)
        if entry is None:
            command = super().get_command(ctx, cmd_name)
            return with_options_anywhere(command) if command else None
        with without_collector():
            command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is not a click command")
        command.short_help = entry.help
        return with_options_anywhere(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """Write the table's help lines by section, aligned."""
        longest = max(map(len, self.table))
        for title, names in groupby(self.table, lambda name: self.table[name].section):
            rows = [(name, self.table[name].help) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows, col_spacing=2 + longest - max(len(name) for name, _ in rows))
