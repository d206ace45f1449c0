"""`provisioner allocate`."""

from __future__ import annotations

from collections.abc import Iterable

import click

from provisioner.base.json_document import Document
from provisioner.cli.context import Invocation, today
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.output import print_document
from provisioner.inventory.operations.allocate import AllocatedItem
from provisioner.inventory.operations.allocate import allocate as record_allocations


@click.command()
@click.pass_obj
def allocate(invocation: Invocation) -> int:
    """Record tunnel addresses, ports and prefixes of what is new.

    Writes allocations.lock.yml and nothing else; contacts no host. What is recorded never moves, and
    what was in use is not given out again. Commit the file.

    Example: provisioner -i DIR allocate
    """
    allocation = record_allocations(invocation.inventory, invocation.env, today=today())
    if invocation.json:
        document = {
            "schema": "provisioner/allocate",
            "version": 1,
            "file": str(allocation.path or ""),
            "changed": allocation.path is not None,
            "assigned": _documents(allocation.assigned),
            "retired": _documents(allocation.retired),
            "held": held_documents(allocation.held),
        }
        print_document(document)
        return code_with_held(0, allocation.held)
    for word, items in (("assigned", allocation.assigned), ("retired", allocation.retired)):
        for item in items:
            click.echo(f"{word} {item.object}: {item.address or 'port'} {item.port or ''}".rstrip())
    click.echo(f"wrote {allocation.path}: commit it" if allocation.path else "nothing to allocate")
    print_held(allocation.held, color=invocation.color, what="what is recorded stays as it is")
    return code_with_held(0, allocation.held)


def _documents(items: Iterable[AllocatedItem]) -> list[Document]:
    return [{"object": item.object, "address": item.address, "port": item.port} for item in items]
