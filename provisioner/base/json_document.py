"""The type of JSON documents that are built as dictionaries."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
"""A document or a part of one, by key. `Any`: what a document may hold is said by its JSON Schema, which tests hold
against what is printed; `object` would forbid every look into it."""
