"""Shell completion: scripts, and words for the shell.

A shell asks during typing: no output to standard error, no vault, no hosts, and no words on any failure or if an
inventory or a history takes longer than two seconds. Without a named inventory the present folder counts if it is one:
completion only lists names.
"""

import contextlib
import io
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

from provisioner.cli.support.commands import inventory_of
from provisioner.cli.support.configuration import Configuration

INSTRUCTION: Final = "_PROVISIONER_COMPLETE"  #: The shell's request variable: `bash_source`, `bash_complete` and so on.
_PROGRAM: Final = "provisioner"
_WRONG_USAGE = 2
_KINDS = ("carrier", "province", "facility", "host")
_MOST = 1_000  #: More words than a person reads.
_RUNS = 50
_LONGEST_S = 2.0  #: A slow disk or database must not hold up a shell.


class _Bash(BashComplete):
    """Bash splits `kind=name`; it tells its version only if started."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' line
    COMPREPLY=()
    while read -r line; do
        case "$line" in
            dir,*) COMPREPLY=(); compopt -o dirnames ;;
            file,*) COMPREPLY=(); compopt -o default ;;
            plain,*=) COMPREPLY+=("${line#plain,}"); compopt -o nospace ;;
            plain,*) COMPREPLY+=("${line#plain,}") ;;
        esac
    done < <(COMP_WORDS="$(IFS=' '; echo "${COMP_WORDS[*]}")" COMP_CWORD=$COMP_CWORD \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    @staticmethod
    def _check_version() -> None:
        """Skip the check, which would start a shell."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        position = int(os.environ["COMP_CWORD"])
        before, last = words[1:position], words[position] if position < len(words) else ""
        if last == "=":
            before, last = [*before, "="], ""
        joined = _joined([*before, last])
        return joined[:-1], joined[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        answers = super().get_completions(args, incomplete)
        typed = incomplete.partition("=")[2] if incomplete.startswith("-") else incomplete
        for answer in answers if "=" in typed else ():
            answer.value = str(answer.value).rpartition("=")[2]  # bash replaces what comes after the last one
        return answers


def _joined(words: Iterable[str]) -> list[str]:
    """Join words around `=`, as they were typed."""
    joined: list[str] = []
    open_end = False
    for word in words:
        if joined and (word == "=" or open_end):
            joined[-1] += word
        else:
            joined.append(word)
        open_end = word == "="
    return joined


SHELLS: Final[Mapping[str, type[ShellComplete]]] = {"bash": _Bash, "fish": FishComplete, "zsh": ZshComplete}


def complete(cli: click.Command, instruction: str, configuration: Configuration) -> int:
    """Answer a shell; return 0, or 2 for an unknown instruction."""
    name, _, action = instruction.partition("_")
    shell = SHELLS.get(name)
    if shell is None or action not in {"source", "complete"}:
        if action != "complete":
            instructions = ", ".join(f"{shell_name}_source" for shell_name in SHELLS)
            click.echo(
                f"error: {INSTRUCTION} names no shell that there is\nhint: it is one of {instructions}", err=True
            )
        return _WRONG_USAGE
    completion = shell(cli, {"obj": configuration}, _PROGRAM, INSTRUCTION)
    if action == "source":
        click.echo(completion.source())
        return 0
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            answer = completion.complete()
        except (Exception, SystemExit):  # noqa: BLE001 (a shell wants words or none)
            return 0
    if answer:
        click.echo(answer)
    return 0


def script_of(cli: click.Command, shell: str) -> str:
    """Return a shell's script."""
    return SHELLS[shell](cli, {}, _PROGRAM, INSTRUCTION).source()


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Raise `TimeoutError` in a block that takes too long."""

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def limits_like(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 (click's)
    """Complete `--limit`: a kind, then names of that kind."""
    kind, equals, prefix = incomplete.partition("=")
    if not equals:
        return [CompletionItem(f"{candidate}=") for candidate in _KINDS if candidate.startswith(kind)]
    return [CompletionItem(f"{kind}={name}") for name in _names_starting_with(ctx, kind, prefix)]


def _names_like(kind: str, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    return [CompletionItem(name) for name in _names_starting_with(ctx, kind, incomplete)]


facilities_like = partial(_names_like, "facility")
carriers_like = partial(_names_like, "carrier")
hosts_like = partial(_names_like, "host")
provinces_like = partial(_names_like, "province")  #: With facilities.


def devices_like(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete facilities, and behind `FACILITY/` its recorders and cameras."""
    from provisioner.operations.edit.file_edit import devices_in  # noqa: PLC0415 (help does not need the inventory)

    facility, slash, prefix = incomplete.partition("/")
    root, _ = _inventory_place(ctx)
    if not slash or root is None:
        return facilities_like(ctx, param, incomplete)
    with _limited():
        names = devices_in(root, facility)
    return [CompletionItem(f"{facility}/{name}") for name in names if name.startswith(prefix)][:_MOST]


def runs_like(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete a recorded run, newest first."""
    from provisioner.operations.questions.history import run_names  # noqa: PLC0415 (other words need no history)

    root, environment = _inventory_place(ctx)
    with _limited():
        names = run_names(root, environment, _RUNS) if root else ()
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def hosts_and_runs_like(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete hosts, or runs if no host fits."""
    return hosts_like(ctx, param, incomplete) or runs_like(ctx, param, incomplete)


def _inventory_place(ctx: click.Context) -> tuple[Path | None, Mapping[str, str]]:
    """Return the inventory's folder, if named, and the environment."""
    configuration: Configuration = ctx.find_root().obj or Configuration()
    named: Path | str | None = inventory_of(ctx) or configuration.environment.get("PROVISIONER_INVENTORY")
    if not named and Path("inventory.yml").is_file():
        named = Path()
    return Path(named) if named else None, configuration.environment


def _names_starting_with(ctx: click.Context, kind: str, prefix: str) -> list[str]:
    from provisioner.operations.edit.file_edit import names_of  # noqa: PLC0415 (help does not need the inventory)

    root, _ = _inventory_place(ctx)
    if root is None or kind not in _KINDS:
        return []
    with _limited():
        candidates: tuple[str, ...] = getattr(names_of(root), kind)
    return [name for name in candidates if name.startswith(prefix)][:_MOST]
