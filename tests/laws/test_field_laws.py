"""Laws of the model's fields: each says where it is used, and the uses follow."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter
from pydantic_core import to_json

from provisioner.base.text import canonical_json
from provisioner.cli.support.options import field_options
from provisioner.inventory import outline
from provisioner.inventory.model.base import Day, LanAddress, Model, Slug, Text, Use, inner_model, use_of
from provisioner.inventory.model.devices import Camera, Recorder, Stream, Zone
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.free_texts import WITHHELD, text_keys, texts_in, with_texts
from provisioner.inventory.outline import Outline, outline_of
from provisioner.inventory.signed import agreed_on, signed_content, stale_sign_offs
from provisioner.operations.edit.file_edit import named_values
from tests import inventories as make
from tests.hostile import MERGE_REQUEST


class Typed(Model):
    """What a person may type, with uses beside it."""

    name: Annotated[Text, Use(signed=True)]
    note: Annotated[Text | None, Use(signed=False)] = None
    path: Annotated[Slug | None, Use(private=True)] = None
    id: Annotated[Slug, Use(signed=True)] = "a"


class Optional(Model):
    """A field of each form that an option may have."""

    kind: Annotated[Zone, Use(option="What it is.")]
    other: str = ""
    text: Annotated[Text | None, Use(option="")] = None
    count: Annotated[Annotated[int, Field(ge=1, le=9)] | None, Use(option="How many.")] = None
    day: Annotated[Day | None, Use(option="When.")] = None
    address: Annotated[LanAddress | None, Use(option="Where.")] = None
    slug: Annotated[Slug | None, Use(option="Whose.")] = None
    sound: Annotated[bool, Use(option="Whether it is heard.")] = False


class Strange(Model):
    """A field of a form that no option has."""

    several: Annotated[tuple[Slug, ...], Use(option="Which.")] = ()


STREAM = {"codec": "h265", "width": 1280, "height": 720, "kbps": 2048, "least_kbps": 64, "fps": 15, "rtsp_path": "/a"}
ONVIF = {"port": 8000, "model": "DS", "serial": "01", "profile": "sub"}
LOGIN = {"old": {"login": "vault"}, "until": "2021-06-01"}
RECORDER: dict[str, Any] = {
    "id": "nvr-01",
    "make": "dahua",
    "model": "X",
    "address": "192.168.1.9",
    "port": 555,
    "analog_channels": 4,
    "ip_channels": 8,
    "max_sessions": 9,
    "max_out_kbps": 9000,
    "onvif": ONVIF,
    "accept": LOGIN,
}
OWN: dict[str, Any] = {
    "id": "cam-01",
    "zone": "cong",
    "location": "cổng",
    "make": "axis",
    "model": "Y",
    "address": "192.168.1.8",
    "port": 556,
    "dark_hours": ["22:00-05:00"],
    "audio": True,
    "tour": True,
    "onvif": ONVIF,
    "accept": LOGIN,
    "streams": {
        "sub": STREAM | {"accept": {"old": {"fps": 10}, "until": "2021-06-01"}},
        "main": STREAM | {"accept": {"old": {"codec": "h264"}, "until": "2021-06-01"}},
    },
}
CHANNELS: list[dict[str, Any]] = [
    {"id": "cam-02", "zone": "san", "recorder": "nvr-01", "channel": 7, "streams": {"sub": STREAM}},
    {"id": "cam-03", "zone": "san", "recorder": "nvr-01", "ip_channel": 2, "streams": {"sub": STREAM}},
]
#: What the three signed of this facility in an early version, with rates and limits; it stays agreed.
SIGNED_IN_2021 = "sha256:066072e957782f2b8a58e2d26be81c8e83e87f37999d790fce69e52dd4fb71b4"
#: The same without rates and limits; the hash of an agreed plan is never another one.
SIGNED_WITHOUT_RATES = "sha256:974374e934c63c978b1dea97a08b0a300be3d89c3a54e6a2d0a61c415466414e"
MEASURED: dict[type[Model], set[str]] = {
    Stream: {"kbps", "least_kbps", "fps"},
    Recorder: {"max_sessions", "max_out_kbps"},
}


def facility_of(signed: str = "", *, rates: Mapping[str, int] | None = None) -> Facility:
    """The facility as `signed`, with other rates of its first camera and recorder if named; 0 removes one."""
    plain = copy.deepcopy(make.facility(recorders=[RECORDER], cameras=[OWN, *CHANNELS]))
    plain["plan"]["sign_offs"] = make.sign_offs(signed) if signed else []
    for name, value in (rates or {}).items():
        part = plain["recorders"][0] if name.startswith("max") else plain["cameras"][0]["streams"]["sub"]
        part.pop(name)
        if value:
            part[name] = value
    return Facility.model_validate_json(json.dumps(plain))


def content_of(facility: Facility) -> str:
    assert facility.plan is not None
    return signed_content(facility, facility.plan)


def signed_models(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for field in model.model_fields.values():
        if use_of(field).signed is not False and (inner := inner_model(field)):
            yield from signed_models(inner)


@pytest.mark.parametrize("model", [*signed_models(Camera), *signed_models(Recorder)])
def test_every_field_of_a_signed_model_says_whether_it_is_signed(model: type[Model]) -> None:
    assert [name for name, field in model.model_fields.items() if use_of(field).signed is None] == []


def test_what_was_signed_stays_signed() -> None:
    assert content_of(facility_of()) == SIGNED_WITHOUT_RATES
    for signed in (SIGNED_IN_2021, SIGNED_WITHOUT_RATES):
        facility = facility_of(signed)
        assert content_of(facility) == signed
        assert facility.plan is not None
        assert agreed_on(facility, facility.plan) is not None
        assert stale_sign_offs(facility, facility.plan) == ()


@MERGE_REQUEST
@pytest.mark.parametrize(
    "rates", [{name: value} for names in MEASURED.values() for name in sorted(names) for value in (0, 77)]
)
def test_a_rate_needs_no_sign_off_unless_an_early_one_covers_it(rates: dict[str, int]) -> None:
    assert content_of(facility_of(SIGNED_WITHOUT_RATES, rates=rates)) == SIGNED_WITHOUT_RATES
    # A hash that covers the former value says nothing of the new one.
    facility = facility_of(SIGNED_IN_2021, rates=rates)
    assert content_of(facility) == SIGNED_WITHOUT_RATES
    assert facility.plan is not None
    assert len(stale_sign_offs(facility, facility.plan)) == 3
    assert agreed_on(facility, facility.plan) is None


@MERGE_REQUEST
@given(st.sets(st.sampled_from(sorted(MEASURED[Stream]))), st.sets(st.sampled_from(sorted(MEASURED[Stream]))))
def test_an_early_sign_off_allows_new_rates_and_no_other_change(before: set[str], after: set[str]) -> None:
    def site(names: set[str], width: int = 640, **rates: int) -> Facility:
        streams = {"sub": {"width": width, "height": 360} | {name: rates.get(name, 99) for name in sorted(names)}}
        return Facility.model_validate_json(json.dumps(make.facility(cameras=[make.camera(streams=streams)])))

    def as_signed(facility: Facility) -> str:
        """The form of an early version, made without the program's own."""
        plain = json.loads(facility.model_dump_json(exclude_defaults=True))
        places = {key: plain["plan"][key] for key in ("carrier", "relay", "access") if key in plain["plan"]}
        cameras = {camera["id"]: camera for camera in plain["cameras"]}
        whole = {"facility": facility.id, "plan": {"access": "pull_portmap"} | places, "recorders": {}}
        return "sha256:" + hashlib.sha256(canonical_json(whole | {"cameras": cameras})).hexdigest()

    def is_agreed(facility: Facility) -> bool:
        assert facility.plan is not None
        offs = tuple(off.model_copy(update={"content": early}) for off in facility.plan.sign_offs)
        return agreed_on(facility, facility.plan.model_copy(update={"sign_offs": offs})) is not None

    early = as_signed(site(before))
    assert is_agreed(site(after)) is (before <= after)
    assert not is_agreed(site(after, width=704))
    for name in before:
        assert not is_agreed(site(after | {name}, **{name: 98}))


def test_rates_and_limits_alone_were_once_signed() -> None:
    found: dict[type[Model], set[str]] = {}
    for model in {*signed_models(Camera), *signed_models(Recorder)}:
        if names := {name for name, field in model.model_fields.items() if use_of(field).once_signed}:
            found[model] = names
    assert found == MEASURED


@pytest.mark.parametrize("kind", ["cameras", "recorders"])
def test_a_change_voids_signatures_exactly_if_the_field_is_signed(kind: str) -> None:
    facility = facility_of()
    first, *others = getattr(facility, kind)
    assert first.model_fields_set | {"recorder", "channel", "ip_channel"} >= set(type(first).model_fields)
    for name in first.model_fields_set:
        field = type(first).model_fields[name]
        if not field.is_required():
            other = first.model_copy(update={name: field.default})
            changed = facility.model_copy(update={kind: (other, *others)})
            assert (content_of(changed) != SIGNED_WITHOUT_RATES) is use_of(field).signed, name


def test_uses_beside_a_text_hide_it_from_no_rule() -> None:
    typed = Typed(name="one", note="two", path="three")
    assert dict(texts_in(typed)) == {("name",): "one", ("note",): "two"}
    assert text_keys(Typed) == {"name", "note", "path"}


def test_an_option_is_of_its_field_s_form_and_its_value_goes_into_the_file() -> None:
    @click.command()
    @click.pass_context
    def command(context: click.Context, /, **words: object) -> None:
        context.obj.update(named_values(Optional, words))

    for option in field_options(Optional, required=True).values():
        option(command)
    forms = {param.name: param.type for param in command.params}
    assert list(forms) == ["kind", "text", "count", "day", "address", "slug", "sound"]
    assert [param.name for param in command.params if param.required] == ["kind"]
    words = {"kind": "cong", "text": "một  hai", "count": "3", "day": "2021-05-08", "address": "192.168.1.9"}
    found: dict[str, object] = {}
    command.main([f"--{key}={value}" for key, value in words.items()], obj=found, standalone_mode=False)
    assert found == words | {"text": "một hai", "count": 3, "day": "2021-05-08"}
    for word, value in (("--sound", True), ("--no-sound", False)):
        command.main(["--kind=cong", word], obj=found, standalone_mode=False)
        assert found["sound"] is value
    with pytest.raises(TypeError):
        field_options(Strange)
    for wrong in ("--kind=x", "--count=0", "--count=10", "--day=8.5.2021"):
        with pytest.raises(click.BadParameter):
            command.main(["--kind=cong", wrong], obj={}, standalone_mode=False)


def test_what_reports_show_of_devices_goes_with_the_outline(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[type[Model], set[str]] = {Facility: set(), Camera: set(), Recorder: set()}
    monkeypatch.setattr(outline, "_in_status", shown.__getitem__)
    assert outline_of(facility_of()).remarks == ""
    shown |= {Facility: {"kind"}, Camera: {"location", "audio"}, Recorder: {"model"}}
    found = outline_of(facility_of())
    assert found.read_remarks.fields == {"kind": facility_of().kind.value}
    assert found.read_remarks.devices == {"nvr-01": {"model": "X"}, "cam-01": {"location": "cổng", "audio": True}}
    assert TypeAdapter(Outline).validate_json(to_json(found)) == found
    public = with_texts(found.read_remarks, lambda text: text.replace("cổng", WITHHELD))
    assert public.devices == {"nvr-01": {"model": "X"}, "cam-01": {"location": WITHHELD, "audio": True}}
