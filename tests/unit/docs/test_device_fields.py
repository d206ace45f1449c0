"""docs/reference/devices.md lists each field of a facility and its devices as the model declares it."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from provisioner.importing.forms.forms import CAMERAS, FACILITIES
from provisioner.inventory.explanation.schema import schema_of
from provisioner.inventory.model.base import Model, use_of
from provisioner.inventory.model.devices import Camera, Recorder, Stream
from provisioner.inventory.model.facility import Capacity, Facility, Location

PAGE = Path(__file__).parents[3] / "docs/reference/devices.md"
MODELS: dict[str, type[Model]] = {
    "A facility": Facility,
    "Its place": Location,
    "Its size": Capacity,
    "A recorder": Recorder,
    "A camera": Camera,
    "A stream": Stream,
}
HEAD = """\
# Fields of facilities and devices

Each field of a facility's file (`facilities/<province>/<facility>.yml`), with the places that use it. **Signed**: DIC,
Health and the carrier sign it with the plan, and another value needs new sign-offs. **Option**: `facility add` or
`camera add` sets it. **Sheet**: it is imported from the spreadsheet. **Status**: `status` and `export progress` show
it. `provisioner schema facility` has the forms of the values.

This page is made from the models in `provisioner/inventory/model/`.
"""

SIGNATURES = """\
## What a signature covers

DIC, Health and the carrier agree on what is connected, and where. They sign the carrier, the relays and the access mode
of the plan, and the *signed* fields of devices. The other fields serve the checks: they need no new sign-off.

Earlier versions signed the *earlier* fields, too. A sign-off of theirs counts while the values that it covers are
unchanged. A value that the file lacked may be added. Another value of a covered field needs new sign-offs once.
"""


def page() -> str:
    """The page as it has to be."""
    return "\n".join(
        [HEAD, *signatures(), *("\n".join([f"## {title}", "", *entries(MODELS[title]), ""]) for title in MODELS)]
    )


def signatures() -> Iterator[str]:
    """The table of fields that parties sign, and of those that need no sign-off."""
    yield from [*SIGNATURES.splitlines(), "", "| field | recorder | camera | stream |", "|---|---|---|---|"]
    models = (Recorder, Camera, Stream)
    for name in dict.fromkeys(name for model in models for name in model.model_fields):
        cells = (word_of(model.model_fields[name]) if name in model.model_fields else "" for model in models)
        yield f"| `{name}` | {' | '.join(cells)} |"
    yield ""


def word_of(field: FieldInfo) -> str:
    use = use_of(field)
    return "signed" if use.signed else "earlier" if use.once_signed else "unsigned"


def entries(model: type[Model]) -> Iterator[str]:
    schema = schema_of("facility")
    properties = (schema if model is Facility else schema["$defs"][model.__name__])["properties"]
    columns = {*(CAMERAS if model in {Recorder, Camera, Stream} else FACILITIES).fields_of(model)}
    columns |= {"width", "height"} if model is Stream and "size" in CAMERAS.by_key else set()
    for name, field in model.model_fields.items():
        use, form = use_of(field), properties[field.alias or name]
        marks = {"signed": use.signed, "option": use.option is not None, "sheet": name in columns, "status": use.status}
        said = " ".join((use.option or form.get("description", "")).split())
        of_it = ", ".join(mark for mark, is_so in marks.items() if is_so)
        text = f"- `{name}`" + (f" ({of_it})" if of_it else "") + (f": {said}" if said else "")
        yield from textwrap.wrap(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def test_the_page_is_what_the_models_say(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run pytest --update-golden and read the diff"
