"""docs/reference/json.md names each document and its fields as the models declare them."""

import json
import re
import textwrap
from typing import Any
from urllib.parse import unquote

import pytest

from provisioner.base import errors
from provisioner.base.errors import ProvisionerError
from provisioner.cli.config import DOCUMENTS, document_schema
from tests.unit.docs.pages import ROOT

PAGE = ROOT / "docs/reference/json.md"
# Texts of the form of a document's name that are none; each with what it is.
NO_DOCUMENTS = {"mediamtx": "a folder of the cache", "plan-seal": "what a seal's key is made for"}
HEAD = """\
# JSON documents

For whoever reads the output of commands in a pipeline: each document with its fields. With `--output json` standard
output is one document with `schema` and `version`, whatever the exit code. `provisioner schema NAME` prints the JSON
Schema of a document, which says what each field means. More fields may come; no field changes its meaning. A field that
the schema does not list under `required` may be left out. The paths that are not up, for example:

```
provisioner verify --output json | jq -r '.paths[] | select(.verdict != "up") | [.path, .verdict, .cause] | @tsv'
```

This page is made from the models in `provisioner/`.
"""
TAIL = """\
Their fields are as stable.

## Fields

```"""


def page() -> str:
    """The page as it has to be."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "provisioner").rglob("*.py"))
    named = {name for text in sources for name in re.findall(r'"provisioner/([a-z-]+)"', text)}
    entries = (entry(name, form) for name in DOCUMENTS for form in _forms(document_schema(name)))
    without = ", ".join(f"`{name}`" for name in sorted(named - {*NO_DOCUMENTS, *DOCUMENTS}))
    failed = (
        f"A command without a result prints `error`. Its `code`, with the exit code: {', '.join(_error_codes())}.\n"
    )
    return "\n".join(
        [HEAD, wrapped(failed), "", wrapped(f"Documents without a schema: {without}."), TAIL, *entries, "```\n"]
    )


def _error_codes() -> list[str]:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, ProvisionerError)]
    return [f"`{code}` ({number})" for number, code in sorted({(one.exit_code, one.code) for one in classes})]


def _forms(schema: Any) -> Any:
    return schema.get("anyOf", [schema])


def entry(name: str, schema: Any) -> str:
    """A document and its fields in order; a part that was shown before is an ellipsis."""
    fields = ", ".join(_fields(schema, schema.get("$defs", {}), set()))
    return wrapped(f"{name}: {fields.removeprefix('schema, version, ')}", "    ")


def wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _fields(schema: Any, parts: Any, shown: set[str]) -> list[str]:
    return [
        f"{name}: {part}" if (part := _part(value, parts, shown)) else name
        for name, value in schema["properties"].items()
    ]


def _part(value: Any, parts: Any, shown: set[str]) -> str:
    """The fields of a value, or of those in it; empty if it has none."""
    if not isinstance(value, dict):
        return ""
    value = parts[unquote(value["$ref"].rpartition("/")[2])] if "$ref" in value else value
    if "properties" in value:
        names = json.dumps([*value["properties"]])
        fields = "…" if names in shown else ", ".join(_fields(value, parts, shown))
        shown.add(names)
        return f"{{{fields}}}"
    if inner := _part(value.get("items"), parts, shown):
        return f"[{inner}]"
    if inner := _part(value.get("additionalProperties"), parts, shown):
        return f"{{NAME: {inner}}}"
    return next(filter(None, (_part(one, parts, shown) for one in value.get("anyOf", ()))), "")


def test_the_page_is_what_the_models_say(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run pytest --update-golden and read the diff"
