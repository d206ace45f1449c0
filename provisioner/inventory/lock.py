"""`allocations.lock.yml` as text: the same value always gives the same bytes, so that Git shows what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioner.inventory.atomic import write_atomic
from provisioner.inventory.layout import LOCK_NAME
from provisioner.inventory.model import Allocations

_HEADER = """\
# Recorded addresses, ports, public keys and hashes. Written by `provisioner allocate` and
# `provisioner keys init` alone; review the change in Git, do not edit by hand.
"""


def render_lock(allocations: Allocations) -> str:
    """Give the lock's text; entries are in the order of their names."""
    document = allocations.model_dump(mode="json", exclude_none=True)
    return _HEADER + "\n".join(_lines(document, "")) + "\n"


def write_lock(root: Path, allocations: Allocations) -> Path:
    """Replace an inventory's lock and give its path.

    Raises:
        OSError: the file cannot be written; the old one is untouched.
    """
    path = root / LOCK_NAME
    write_atomic(path, render_lock(allocations))
    return path


def _lines(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        # Keys stand plain: ids hold nothing that YAML would misread, and the loader takes every key as a text.
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(dict(sorted(value.items())) if indent == "" else value, indent + "  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {{ {_flow(item)} }}" for item in value)
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _flow(item: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {_scalar(value)}" for key, value in item.items())


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
