"""Manual pages, `provisioner(1)` and one a command with its subcommands; the installation of completion.

The text of pages is in man(7)'s language and plain ASCII, for every system's `man`.
"""

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import click

from provisioner import __version__
from provisioner.base.document import Ordered, Printed
from provisioner.base.errors import MEANINGS, UsageError, os_errors
from provisioner.base.files import replace_file
from provisioner.base.text import counted, msg
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import INSTRUCTION, SHELLS, script_of
from provisioner.cli.support.context import Invocation, show
from provisioner.cli.support.terminal import ListedWord, ValidPath

_NAMED: Final = {"…": "...", "→": "->", "“": '"', "”": '"', "`": "'"}
_WIDTH: Final = 72


def escaped(text: str) -> str:
    """Escape a text: no request, no escape, no unwanted word break."""
    plain = "".join(_NAMED.get(letter, letter) for letter in text).replace("\\", "\\e").replace("-", "\\-")
    plain = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in plain)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def bold(text: str) -> str:
    """Return a text in bold."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """Return a placeholder, in italics."""
    return f"\\fI{escaped(text)}\\fR"


def title(name: str, version: str) -> str:
    """Return a page's first requests, without a date, for reproducible pages."""
    return f'.TH "{escaped(name.upper())}" "1" "" "{escaped(version)}" "User Commands"\n.nh\n.ad l'


def section(name: str) -> str:
    """Return a section's heading."""
    return f'.SH "{escaped(name)}"'


def part(name: str) -> str:
    """Return a subsection's heading."""
    return f'.SS "{escaped(name)}"'


def paragraph(text: str) -> list[str]:
    """Return a paragraph in short lines."""
    return [".PP", *filled(text)]


def filled(text: str) -> list[str]:
    """Wrap and escape a text; a leading dot would be a request."""
    lines = textwrap.wrap(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [escaped(line) for line in lines]


def item(head: str, text: str) -> list[str]:
    """Return a list item from its formatted head and its text."""
    return [".TP", head, *(filled(text) or ["\\&"])]


def example(lines: Iterable[str]) -> list[str]:
    """Return lines as typed."""
    return [".PP", ".nf", ".RS 4", *(escaped(line) for line in lines), ".RE", ".fi"]


def _option(text: str) -> str:
    name, _, value = text.partition(" ")
    # A long choice may be broken between its words.
    return f"{bold(name)} {italic(value)}".replace("|", "|\\:") if value else bold(name)


def _synopsis(command: str, pieces: Iterable[str]) -> list[str]:
    return [".PP", " ".join([bold(command), *map(italic, pieces)])]


_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PROVISIONER_INVENTORY": "The inventory's folder, if -i is missing.",
    "PROVISIONER_OUTPUT": "text or json, if --output is missing.",
    "PROVISIONER_LANGUAGE": "en or vi, if --language is missing; LANG does not count.",
    "PROVISIONER_CONFIG": "Another configuration file; empty: no file.",
    "PROVISIONER_STATE": "The record of runs: a folder, or the URL of a PostgreSQL database.",
    "PROVISIONER_CONTACTS": "The folder of contacts.",
    "PROVISIONER_SSH_KEY": "The file of the SSH key, or of its public half if the SSH agent has the private half.",
    "PROVISIONER_NODES": "The file with the broker and the carriers that have a node.",
    "PROVISIONER_ARTEFACTS": "Folders with MediaMTX programs, separated by colons.",
    "PROVISIONER_ARTEFACT_MIRRORS": "Mirrors of MediaMTX with any address: hosts, separated by commas.",
    "PROVISIONER_RECEIVER_HOSTS": "Receivers with any address: hosts, separated by commas.",
    "PROVISIONER_APPROVAL": "The reference of a change's approval, for the record.",
    "PROVISIONER_RECORD_KEY": "The file of the private key that signs entries of the record.",
    "PROVISIONER_FORGE": "The forge: github, gitlab or forgejo. Default: the pipeline's.",
    "PROVISIONER_FORGE_PROJECT": "The forge's project. Default: the pipeline's.",
    "PROVISIONER_FORGE_TOKEN": "The forge's token.",
    "PROVISIONER_FORGE_TOKEN_FILE": "The file with the forge's token, instead of the variable.",
    "PROVISIONER_FORGE_URL": "The address of the forge's API. Default: the pipeline's.",
    "PROVISIONER_RECORD_NOTE": "1: write each run's last entry as a Git note.",
    "PROVISIONER_PAGER": "The pager of long plans and tables, before PAGER; empty or cat: no pager.",
    "PAGER": "The pager, if PROVISIONER_PAGER is not set. Default: less.",
    "PROVISIONER_NO_CACHE": "Any value: read files anew, and write no cache.",
    "ANSIBLE_VAULT_PASSWORD_FILE": "The vault's password, as Ansible takes it.",
    "ANSIBLE_VAULT_IDENTITY_LIST": "The vault's passwords by vault id, as Ansible takes them.",
    "XDG_CONFIG_HOME": "The folder of the configuration file. Default: ~/.config.",
    "XDG_STATE_HOME": "The folder of the record. Default: ~/.local/state.",
    "XDG_CACHE_HOME": "The folder of caches. Default: ~/.cache.",
    "XDG_RUNTIME_DIR": "A folder on tmpfs for files on their way to hosts.",
    "NO_COLOR": "Any value: no colours.",
}
_FILES: Final[Mapping[str, str]] = {
    "~/.config/provisioner/config.toml": "Defaults of variables. An option overrides the environment,"
    " the environment overrides the file.",
    "~/.local/state/provisioner": "The history of runs, and traces of internal errors.",
    "~/.cache/provisioner": "Caches of inventories, and MediaMTX programs.",
}
_EXAMPLE: Final = re.compile(r"^Example:\s*")


def manual_pages(program: click.Group, version: str) -> dict[str, str]:
    """Return all pages by file name, reproducible bytes."""
    top = click.Context(program, info_name="provisioner", **program.context_settings)
    names = program.list_commands(top)
    pages = {"provisioner.1": _page_text(_front_page(program, top, names), "provisioner", version)}
    for name in names:
        command = program.get_command(top, name)
        if command is None or command.hidden:
            continue
        ctx = click.Context(command, info_name=name, parent=top)
        pages[f"provisioner-{name}.1"] = _page_text(_command_page(command, ctx), f"provisioner-{name}", version)
    return pages


def _page_text(lines: Iterator[str], name: str, version: str) -> str:
    head = ['.\\" Made from the help of provisioner: provisioner man --out DIR', title(name, version)]
    listed = [*head, *lines]
    # A paragraph right below a heading begins by itself.
    body = [
        line for previous, line in pairwise(["", *listed]) if line != ".PP" or not previous.startswith((".SH", ".SS"))
    ]
    return "\n".join(body) + "\n"


def _front_page(program: click.Group, ctx: click.Context, names: list[str]) -> Iterator[str]:
    yield from _name("provisioner", program)
    yield from [section("SYNOPSIS"), *_synopsis("provisioner", program.collect_usage_pieces(ctx))]
    yield from [section("DESCRIPTION"), *_description(program)]
    options = "All options except --version may stand before or after the command. Each command has its own page."
    yield from paragraph(options)
    yield from _option_lines(program, ctx, section("OPTIONS"))
    yield section("COMMANDS")
    for name in names:
        command = program.get_command(ctx, name)
        if command is not None and not command.hidden:
            yield from item(f"{bold(f'provisioner-{name}')}(1)", command.get_short_help_str())
    yield section("EXIT STATUS")
    for code, meaning in MEANINGS.items():
        yield from item(bold(str(code)), _sentence(meaning))
    yield section("ENVIRONMENT")
    for variable, meaning in _ENVIRONMENT.items():
        yield from item(bold(variable), meaning)
    yield section("FILES")
    for file, meaning in _FILES.items():
        yield from item(italic(file), meaning)


def _command_page(command: click.Command, ctx: click.Context) -> Iterator[str]:
    path = ctx.command_path
    yield from _name(path.replace(" ", "-"), command)
    yield section("SYNOPSIS")
    below = _subcommands(command, ctx)
    itself = [(command, ctx)] if not below or getattr(command, "invoke_without_command", False) else []
    for subcommand, sub_ctx in [*itself, *below]:
        yield from _synopsis(sub_ctx.command_path, subcommand.collect_usage_pieces(sub_ctx))
    yield from [section("DESCRIPTION"), *_description(command)]
    if below:
        yield section("COMMANDS")
        for subcommand, sub_ctx in below:
            yield from [part(sub_ctx.command_path), *_description(subcommand), *_example(subcommand)]
            yield from _option_lines(subcommand, sub_ctx, "", without=command)
    yield from _option_lines(command, ctx, section("OPTIONS"))
    if examples := _example(command):
        yield from [section("EXAMPLES"), *examples]
    yield from [
        section("SEE ALSO"),
        ".PP",
        f"{bold('provisioner')}(1): global options, exit status, environment, files",
    ]


def _subcommands(command: click.Command, ctx: click.Context) -> list[tuple[click.Command, click.Context]]:
    if not isinstance(command, click.Group):
        return []
    named = [(name, command.get_command(ctx, name)) for name in command.list_commands(ctx)]
    visible = [(name, subcommand) for name, subcommand in named if subcommand is not None and not subcommand.hidden]
    return [(subcommand, click.Context(subcommand, info_name=name, parent=ctx)) for name, subcommand in visible]


def _name(name: str, command: click.Command) -> Iterator[str]:
    first = _paragraphs(command)[0].rstrip(".")
    yield from [section("NAME"), f"{escaped(name)} \\- {escaped(first[:1].lower() + first[1:])}"]


def _paragraphs(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n", text) if block.strip()]


def _description(command: click.Command) -> list[str]:
    return [line for text in _paragraphs(command) if not _EXAMPLE.match(text) for line in paragraph(text)]


def _example(command: click.Command) -> list[str]:
    examples = [_EXAMPLE.sub("", text) for text in _paragraphs(command) if _EXAMPLE.match(text)]
    return example(examples) if examples else []


def _option_lines(
    command: click.Command, ctx: click.Context, heading: str, *, without: click.Command | None = None
) -> Iterator[str]:
    common = {opt for param in without.params for opt in param.opts} if without else set()
    records = [
        record
        for param in command.get_params(ctx)
        if isinstance(param, click.Option)
        and not common.intersection(param.opts)
        and (record := param.get_help_record(ctx)) is not None
    ]
    if without is not None:
        records = [record for record in records if not record[0].endswith("--help")]
    if records and heading:
        yield heading
    for names, meaning in records:
        yield from item(", ".join(map(_option, names.split(", "))), _sentence(meaning))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "]", ")")) else f"{text}."


class ManDocument(Printed, name="man", title="Manual pages"):
    """Output of `provisioner man --output json`."""

    folder: Path
    pages: Ordered


@click.command()
@click.option("--out", type=ValidPath(), metavar="DIR", required=True, help="The folder for the pages.")
@click.pass_context
def man(ctx: click.Context, invocation: Invocation, /, *, out: Path) -> None:
    """Write the manual pages: one for the program, and one for each command.

    They have the text of --help. The package installs them already: man provisioner, man provisioner-plan. Use this
    command if man reads another folder on this machine, e.g. ~/.local/share/man/man1. The command creates a missing DIR
    and overwrites only files of these names.

    Example: provisioner man --out ~/.local/share/man/man1
    """
    invocation.refuse_tracked_links(out)
    invocation.refuse_inside(out)
    program = ctx.find_root().command
    if not isinstance(program, click.Group):
        raise TypeError("the program is a group of commands")
    pages = manual_pages(program, f"provisioner {__version__}")
    with os_errors(f"{out} cannot be written", msg("name a folder that you can write to")):
        out.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            replace_file(out / name, page.encode("ascii"), mode=0o644, lasting=False)
    show(invocation, ManDocument(folder=out, pages=pages), [f"wrote {counted(len(pages), 'page')} into {out}"])


class CompletionDocument(Printed, name="completion", title="Installed completion"):
    """Output of `provisioner completion install --output json`."""

    shell: str
    file: Path


@click.group(cls=NamedGroup)
def completion() -> None:
    """Complete commands, options and ids in your shell."""


@completion.command()
@click.argument("shell", type=ListedWord(SHELLS), required=False)
@click.pass_context
def install(ctx: click.Context, invocation: Invocation, /, shell: str | None) -> None:
    """Write the completion script into the folder from which your shell loads such files.

    The command writes that one file and changes no other one. Without an argument it takes the shell in SHELL. bash
    needs the package bash-completion; zsh needs the folder in fpath, and the command prints that line for ~/.zshrc.

    Example: provisioner completion install bash
    """
    shell = shell or invocation.env.get("SHELL", "").rpartition("/")[2]
    if shell not in SHELLS:
        raise UsageError("the shell is not known", hint=f"name it: {', '.join(SHELLS)}")
    file = _completion_file(shell, invocation.env)
    invocation.refuse_tracked_links(file, here=True)
    with os_errors(f"{file} cannot be written", "see who may write there"):
        if file.exists() and INSTRUCTION not in file.read_text(encoding="utf-8", errors="replace"):
            raise UsageError(f"{file} is another program's file", hint="move it away, then run the command again")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, script_of(ctx.find_root().command, shell).encode(), mode=0o644)
    lines = [msg("wrote {file}: new shells complete provisioner", file)]
    if shell == "zsh":
        lines.append(f"put it above compinit in ~/.zshrc, unless it is there: fpath+=({file.parent})")
    show(invocation, CompletionDocument(shell=shell, file=file), lines)


def _completion_file(shell: str, env: Mapping[str, str]) -> Path:
    home = Path(env.get("HOME") or Path.home())
    data = Path(env.get("XDG_DATA_HOME") or home / ".local/share")
    configuration = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": data / "bash-completion/completions/provisioner",
        "fish": configuration / "fish/completions/provisioner.fish",
        "zsh": data / "zsh/site-functions/_provisioner",
    }[shell]
