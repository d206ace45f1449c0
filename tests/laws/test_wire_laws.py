"""Whatever stands in an answer of any type: it is read as one that can be shown and counted with, or is unreadable."""

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import HostError, UnreadableError
from provisioner.hosts.answers import read
from provisioner.hosts.facts import parse_facts
from provisioner_host import wire
from tests.hostile import RELAY
from tests.odd import ODDITIES, Oddity, odd_document

KINDS = [kind for name, kind in vars(wire).items() if name.endswith("Answer") and is_typeddict(kind)]
KINDS += [wire.Armed, wire.Manifest, wire.RecordHead, wire.Lease]
HOSTILE = "\x1b]0;own\x07\x9b31m\u202eup\nerror: fake\u2028\r\x00"
FORMS = ["A" * 43 + "=", f"sha256:{'A' * 43}=", "A" * 128, *("0" * length for length in (16, 128, 512))]
PLAIN: dict[Any, Any] = {str: "a word", int: 7, float: 0.5, bool: True, object: {"a": [1, None, "b", {"c": 1.5}]}}


def whole(hint: Any) -> Any:
    """A document of a type, with every key that it may have."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        return {key: whole(one) for key, one in hints(hint).items()}
    if origin is Annotated and isinstance(inner[1], wire.Pattern):
        return next(text for text in FORMS if re.fullmatch(inner[1].pattern, text))
    if origin is Annotated and isinstance(inner[1], wire.Bounds) and get_origin(inner[0]) is list:
        return whole(inner[0]) * int(inner[1].least or 1)
    made: dict[Any, Callable[[], Any]] = {
        list: lambda: [whole(inner[0])],
        dict: lambda: {"name": whole(inner[1])},
        Literal: lambda: inner[0],
    }
    return PLAIN[hint] if hint in PLAIN else made.get(origin, lambda: whole(inner[0]))()


def hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind, vars(wire), include_extras=True)


def parts(value: Any) -> Any:
    """All that is in a document, names included."""
    yield value
    for below in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(below)


def is_sound(value: Any) -> bool:
    if isinstance(value, str):
        return value.isprintable() and len(value) <= 20_000
    return not isinstance(value, int | float) or (math.isfinite(value) and abs(value) <= 2**63)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_whole_answer_is_read_as_it_is(kind: type[Any]) -> None:
    assert read(kind, whole(kind)) == whole(kind)
    left_out = {key for key, hint in hints(kind).items() if get_origin(hint) is NotRequired}
    needed = kind.__required_keys__ - left_out | {k for k, hint in hints(kind).items() if get_origin(hint) is Required}
    least = {key: value for key, value in whole(kind).items() if key in needed}
    assert read(kind, least | {"another": HOSTILE}) == least
    for key in needed:
        with pytest.raises(UnreadableError, match=f"{key} is missing"):
            read(kind, {name: value for name, value in least.items() if name != key})


@RELAY
@given(st.sampled_from(KINDS), st.lists(ODDITIES, min_size=1, max_size=3))
@settings(max_examples=1500, deadline=None)
def test_an_odd_answer_is_sound_or_unreadable(kind: type[Any], oddities: list[Oddity]) -> None:
    wrong = ""
    answer: dict[str, Any] = {}
    try:
        answer = read(kind, odd_document(whole(kind), oddities))
    except UnreadableError as error:
        wrong = str(error)
    assert wrong.isprintable()
    assert len(wrong) < 400
    assert all(map(is_sound, parts(answer)))
    assert answer.keys() <= hints(kind).keys()


@RELAY
@given(st.text(max_size=30))
def test_a_text_is_one_printable_line(text: str) -> None:
    (note,) = read(wire.RemoveAnswer, {"removed": True, "notes": [text]})["notes"]
    assert note.isprintable()
    assert len(note) == len(text)
    assert note == text or not text.isprintable()


def path(settings_: object) -> dict[str, object]:
    return {"settings": settings_, "digest": "", "source_digest": ""}


@RELAY
@pytest.mark.parametrize("cause", [HOSTILE, [HOSTILE], {"a": {"b": [HOSTILE]}}])
def test_no_control_character_of_a_host_comes_through(cause: object) -> None:
    read_ = [*parts(read(wire.PathAnswer, path({"cause": cause})))]
    assert "?]0;own??31m?up error: fake  ?" in read_
    assert all(map(is_sound, read_))


@RELAY
@pytest.mark.parametrize("document", [{HOSTILE: 1}, {"a": {HOSTILE: {}}}, {"a": {"x" * 20_001: {}}}])
def test_a_name_of_control_characters_is_none(document: dict[str, object]) -> None:
    with pytest.raises(UnreadableError, match=r"is no name|is too long"):
        read(wire.PathAnswer, path(document))
    with pytest.raises(UnreadableError, match="a name in flows is no name"):
        read(wire.FlowLookAnswer, {"unit": "", "api_error": "", "flows": {HOSTILE: True}, "seconds": 1})


@RELAY
@pytest.mark.parametrize("value", ["x" * 20_001, float("nan"), float("inf"), 2**63, {"a": [-(10**400)]}, "\ud800"])
def test_what_no_program_of_ours_writes_is_unreadable(value: object) -> None:
    with pytest.raises(UnreadableError):
        read(wire.PathAnswer, path({"a": value}))
    with pytest.raises(UnreadableError):
        read(wire.StepAnswer, {"name": value, "seconds": value})


@RELAY
def test_an_error_names_the_place_and_never_the_value() -> None:
    document = whole(wire.FactsAnswer)
    document["tunnel"]["peers"]["name"]["handshake"] = "a secret"
    with pytest.raises(UnreadableError, match=r"^tunnel\.peers\.name\.handshake is no number$"):
        read(wire.FactsAnswer, document)


@RELAY
def test_a_hosts_stored_terms_lack_no_key_and_have_each_value_in_its_own_kind() -> None:
    def facts_with(part: str, key: str, *values: object) -> dict[str, Any]:
        document: dict[str, Any] = whole(wire.FactsAnswer)
        del document["policy"]["approvals"]
        del document[part][key]
        document[part] |= dict.fromkeys([key], *values) if values else {}
        return document

    for part, kind in {"trust": wire.TrustAnswer, "policy": wire.PolicyAnswer}.items():
        for key in (key for key, hint in hints(kind).items() if get_origin(hint) is not NotRequired):
            with pytest.raises(HostError, match=f"{part}.{key} is missing"):
                parse_facts("relay-1", facts_with(part, key))
    for document in (facts_with("trust", "port", "22"), facts_with("policy", "limits", {"viewers": "20"})):
        with pytest.raises(HostError, match="is no number"):
            parse_facts("relay-1", document)


@RELAY
def test_many_mistakes_cost_no_more_than_one() -> None:
    document = {"unit": "", "api_error": "", "flows": {f"{n}": n for n in range(100_000)}, "seconds": 1}
    with pytest.raises(UnreadableError, match=r"^flows\.0 is neither true nor false$"):
        read(wire.FlowLookAnswer, document)
