"""`provisioner schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.errors import UsageError
from provisioner.inventory.schema import KINDS, PATHS, schema_of


@click.command()
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the schema of every kind into DIR, as KIND.schema.json.",
)
@click.pass_obj
def schema(invocation: Invocation, kind: str | None, out: Path | None) -> int:
    """Print the JSON Schema of a kind of file, for editors (docs/editors.md).

    Without a kind, and without --out, it lists the kinds and where their files stand.

    Example: provisioner schema facility
    """
    if out is not None:
        written = _write(out, [kind] if kind else list(KINDS))
        if invocation.json:
            print_document({"schema": "provisioner/schema", "version": 1, "written": written})
        else:
            click.echo("\n".join(f"wrote {path}" for path in written))
    elif kind is not None:
        print_document(schema_of(kind))
    elif invocation.json:
        print_document({"schema": "provisioner/schema", "version": 1, "kinds": dict(PATHS)})
    else:
        width = max(map(len, PATHS))
        click.echo("\n".join(f"{name:{width}}  {path}" for name, path in PATHS.items()))
    return 0


def _write(folder: Path, kinds: list[str]) -> list[str]:
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            path = folder / f"{kind}.schema.json"
            path.write_text(json.dumps(schema_of(kind), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            written.append(str(path))
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", hint="name another folder") from error
    return written
