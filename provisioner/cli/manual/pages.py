"""The pages: `provisioner(1)`, and one for each command with all that is below it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

import click

from provisioner.base.exit_codes import MEANINGS
from provisioner.cli.manual import roff

_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PROVISIONER_INVENTORY": "The inventory's folder, where -i is left out.",
    "PROVISIONER_OUTPUT": "text or json, where --output is left out.",
    "PROVISIONER_LANGUAGE": "en or vi, where --language is left out; LANG is not asked.",
    "PROVISIONER_CONFIG": "The configuration file in another place; empty, there is none.",
    "PROVISIONER_STATE": "Where runs are recorded: a folder, or the URL of a PostgreSQL database.",
    "PROVISIONER_CONTACTS": "The folder of contacts.",
    "PROVISIONER_SSH_KEY": "The file of the SSH key, or of its public half where the agent has the other.",
    "PROVISIONER_NODES": "The file that says which carriers have a node, and where the broker is.",
    "PROVISIONER_ARTEFACTS": "Folders, separated by colons, from which MediaMTX may be taken.",
    "PROVISIONER_ARTEFACT_MIRRORS": "Hosts, separated by commas, that may be asked for MediaMTX at any address.",
    "PROVISIONER_APPROVAL": "What approved a change, for the record.",
    "PROVISIONER_RECORD_KEY": "The file of the private key that signs entries of the record.",
    "PROVISIONER_FORGE": "The forge that forge tells: github, gitlab or forgejo; the pipeline's own otherwise.",
    "PROVISIONER_FORGE_PROJECT": "Its project, likewise.",
    "PROVISIONER_FORGE_TOKEN": "Its token.",
    "PROVISIONER_FORGE_TOKEN_FILE": "The file that has its token, where no variable may.",
    "PROVISIONER_FORGE_URL": "The address of its API, likewise.",
    "PROVISIONER_RECORD_NOTE": "1 leaves each run's last entry as a Git note.",
    "PROVISIONER_PAGER": "What shows long plans and tables at a terminal, before PAGER; empty or cat: nothing does.",
    "PAGER": "The same, where PROVISIONER_PAGER is not set; otherwise less.",
    "PROVISIONER_NO_CACHE": "Any value: files are read anew, and nothing is kept for the next run.",
    "ANSIBLE_VAULT_PASSWORD_FILE": "The vault's password, as Ansible takes it.",
    "ANSIBLE_VAULT_IDENTITY_LIST": "The vault's passwords by vault id, as Ansible takes them.",
    "XDG_CONFIG_HOME": "Where the configuration file is; otherwise ~/.config.",
    "XDG_STATE_HOME": "Where runs are recorded; otherwise ~/.local/state.",
    "XDG_CACHE_HOME": "What can be read or fetched again; otherwise ~/.cache.",
    "XDG_RUNTIME_DIR": "A folder on tmpfs for what travels to hosts.",
    "NO_COLOR": "Any value: no colours.",
}
_FILES: Final[Mapping[str, str]] = {
    "~/.config/provisioner/config.toml": "It stands in for variables of the environment that are not set."
    " An option counts before the environment, and that before the file.",
    "~/.local/state/provisioner": "The history of runs, and traces of internal errors.",
    "~/.cache/provisioner": "What was read of inventories, and MediaMTX's programs.",
}
_EXAMPLE: Final = re.compile(r"^Example:\s*")


def manual_pages(program: click.Group, version: str) -> dict[str, str]:
    """Every page by the name of its file; the same source makes the same bytes.

    Args:
        program: the program's group of commands.
        version: its version.
    """
    top = click.Context(program, info_name="provisioner", **program.context_settings)
    names = program.list_commands(top)
    pages = {"provisioner.1": _page(_front(program, top, names), "provisioner", version)}
    for name in names:
        command = program.get_command(top, name)
        if command is None or command.hidden:
            continue
        ctx = click.Context(command, info_name=name, parent=top)
        pages[f"provisioner-{name}.1"] = _page(_of(command, ctx), f"provisioner-{name}", version)
    return pages


def _page(lines: Iterator[str], name: str, version: str) -> str:
    head = ['.\\" Made from the help of provisioner: provisioner man --out DIR', roff.title(name, version)]
    listed = [*head, *lines]
    # A paragraph right below a heading begins by itself.
    kept = [line for before, line in pairwise(["", *listed]) if line != ".PP" or not before.startswith((".SH", ".SS"))]
    return "\n".join(kept) + "\n"


def _front(program: click.Group, ctx: click.Context, names: list[str]) -> Iterator[str]:
    yield from _name("provisioner", program)
    yield from [roff.section("SYNOPSIS"), *roff.synopsis("provisioner", program.collect_usage_pieces(ctx))]
    yield from [roff.section("DESCRIPTION"), *_description(program)]
    options = (
        "The options, but for --version, stand before the command or after it. Each command has a page of its own."
    )
    yield from roff.paragraph(options)
    yield from _options(program, ctx, roff.section("OPTIONS"))
    yield roff.section("COMMANDS")
    for name in names:
        command = program.get_command(ctx, name)
        if command is not None and not command.hidden:
            yield from roff.item(f"{roff.bold(f'provisioner-{name}')}(1)", _summary(program, name, command))
    yield roff.section("EXIT STATUS")
    for code, meaning in MEANINGS.items():
        yield from roff.item(roff.bold(str(code)), _sentence(meaning))
    yield roff.section("ENVIRONMENT")
    for variable, meaning in _ENVIRONMENT.items():
        yield from roff.item(roff.bold(variable), meaning)
    yield roff.section("FILES")
    for file, meaning in _FILES.items():
        yield from roff.item(roff.italic(file), meaning)


def _of(command: click.Command, ctx: click.Context) -> Iterator[str]:
    path = ctx.command_path
    yield from _name(path.replace(" ", "-"), command)
    yield roff.section("SYNOPSIS")
    below = _below(command, ctx)
    itself = [(command, ctx)] if not below or getattr(command, "invoke_without_command", False) else []
    for one, its in [*itself, *below]:
        yield from roff.synopsis(its.command_path, one.collect_usage_pieces(its))
    yield from [roff.section("DESCRIPTION"), *_description(command)]
    if below:
        yield roff.section("COMMANDS")
        for one, its in below:
            yield from [roff.part(its.command_path), *_description(one), *_example(one)]
            yield from _options(one, its, "", without=command)
    yield from _options(command, ctx, roff.section("OPTIONS"))
    if shown := _example(command):
        yield from [roff.section("EXAMPLES"), *shown]
    yield from [roff.section("SEE ALSO"), ".PP", f"{roff.bold('provisioner')}(1)"]


def _below(command: click.Command, ctx: click.Context) -> list[tuple[click.Command, click.Context]]:
    if not isinstance(command, click.Group):
        return []
    named = [(name, command.get_command(ctx, name)) for name in command.list_commands(ctx)]
    shown = [(name, one) for name, one in named if one is not None and not one.hidden]
    return [(one, click.Context(one, info_name=name, parent=ctx)) for name, one in shown]


def _name(name: str, command: click.Command) -> Iterator[str]:
    first = _paragraphs(command)[0].rstrip(".")
    yield from [roff.section("NAME"), f"{roff.escaped(name)} \\- {roff.escaped(first[:1].lower() + first[1:])}"]


def _summary(program: click.Group, name: str, command: click.Command) -> str:
    table: Mapping[str, object] = getattr(program, "table", {})
    return str(getattr(table.get(name), "help", "")) or command.get_short_help_str(limit=200)


def _paragraphs(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    return [" ".join(one.split()) for one in re.split(r"\n\s*\n", text) if one.strip()]


def _description(command: click.Command) -> list[str]:
    return [line for one in _paragraphs(command) if not _EXAMPLE.match(one) for line in roff.paragraph(one)]


def _example(command: click.Command) -> list[str]:
    shown = [_EXAMPLE.sub("", one) for one in _paragraphs(command) if _EXAMPLE.match(one)]
    return roff.example(shown) if shown else []


def _options(
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
        yield from roff.item(roff.option_head(names), _sentence(meaning))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "]", ")")) else f"{text}."
