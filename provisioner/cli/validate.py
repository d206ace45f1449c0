"""`provisioner validate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from provisioner import __version__
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError, UsageError
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import counted, print_document, problem_document, problem_lines
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, check, load

_COUNTS = ("provinces", "carriers", "relays", "facilities", "cameras", "paths")
_PASSWORDS = ("ANSIBLE_VAULT_IDENTITY_LIST", "ANSIBLE_VAULT_PASSWORD_FILE")


@click.command()
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Judge designations as of this day; today in Vietnam otherwise.",
)
@click.option(
    "--sarif",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the problems to FILE as well, as SARIF 2.1.0, which merge requests show beside the lines.",
)
@click.option("--no-cache", is_flag=True, help="Read every file anew, and keep nothing for the next run.")
@click.pass_obj
def validate(invocation: Invocation, day: datetime | None, sarif: Path | None, *, no_cache: bool) -> int:
    """Check the inventory and list every problem.

    Needs no network. Without a vault password all but the secrets is checked. Ends with 3 if there is
    an error, with 0 if there are warnings only. docs/problems.md has a line on every code.

    Example: provisioner -i inventories/example validate
    """
    root = invocation.inventory
    cache = None if no_cache else cache_of(root, invocation.env)
    loaded = load(root, today=day.date() if day else today(), cache=cache)
    problems = _all_problems(root, loaded, invocation.env)
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    counts = counts_of(loaded)
    if sarif:
        _write_sarif(sarif, problems)
    if invocation.json:
        print_document(_document(problems, counts, ok=not errors))
    else:
        for line in (*problem_lines(problems), _summary(errors, len(problems) - errors, counts)):
            click.echo(line, color=invocation.color)
    return InventoryError.exit_code if errors else 0


def _write_sarif(path: Path, problems: list[Problem]) -> None:
    from provisioner.report.sarif import sarif_log  # noqa: PLC0415 (few runs need it)

    log = sarif_log(problems, version=__version__, folder=str(Path.cwd()))
    try:
        path.write_text(json.dumps(log, ensure_ascii=False, indent=1) + "\n", "utf-8", "backslashreplace")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="name another file") from error


def _all_problems(root: Path, loaded: Loaded, env: Mapping[str, str]) -> list[Problem]:
    return sorted([*check(loaded), *_problems_of_secrets(root, loaded, env)])


def _problems_of_secrets(root: Path, loaded: Loaded, env: Mapping[str, str]) -> tuple[Problem, ...]:
    if not any(env.get(name, "").strip() for name in _PASSWORDS):
        return (_not_checked(),)
    # Without passwords the libraries behind the vault are not needed, and they take their time.
    from provisioner.base.vault import VaultPasswords  # noqa: PLC0415
    from provisioner.inventory.loader import secrets  # noqa: PLC0415

    passwords = VaultPasswords.from_environment(env).for_secrets()
    if not passwords:
        return (_not_checked(),)
    if loaded.partial is None:
        return ()
    return secrets.check(root, secrets.read_secrets(root, passwords), loaded.partial)


def _not_checked() -> Problem:
    hint = "set ANSIBLE_VAULT_PASSWORD_FILE or ANSIBLE_VAULT_IDENTITY_LIST to check them as well"
    message = "secrets not checked: no vault password is set"
    return Problem("", 0, 0, "secrets-not-checked", message, hint, "secrets", Severity.WARNING)


def counts_of(loaded: Loaded) -> dict[str, int]:
    """Count what an inventory declares; `paths` are those that hosts are to carry."""
    if loaded.frame is None:
        return dict.fromkeys(_COUNTS, 0)
    facilities = loaded.outlines.values()
    one_a_province = {(facility.province, facility.province_scheme): facility for facility in facilities}.values()
    return {
        "provinces": len({loaded.frame.province_counted(facility) for facility in one_a_province}),
        "carriers": len(loaded.frame.carriers),
        "relays": len(loaded.frame.relays),
        "facilities": len(facilities),
        "cameras": sum(facility.cameras for facility in facilities),
        "paths": sum(facility.paths for facility in facilities if facility.rendered),
    }


def _document(problems: list[Problem], counts: dict[str, int], *, ok: bool) -> dict[str, object]:
    return {
        "schema": "provisioner/validate",
        "version": 1,
        "ok": ok,
        "counts": counts,
        "problems": [problem_document(problem) for problem in problems],
    }


def _summary(errors: int, warnings: int, counts: dict[str, int]) -> str:
    nouns = ("province", "carrier", "relay", "facility", "camera", "path")
    found = ", ".join(counted(counts[name], noun) for name, noun in zip(_COUNTS, nouns, strict=True))
    if errors:
        return f"invalid: {counted(errors, 'error')}, {counted(warnings, 'warning')} ({found})"
    return f"valid: {found}" + (f" ({counted(warnings, 'warning')})" if warnings else "")
