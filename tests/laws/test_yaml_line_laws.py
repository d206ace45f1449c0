"""Law of files that are written plainly: what is read line by line is what strict YAML reads, or it is not read so."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.inventory.files.yaml import NOT_PLAIN, read_carefully, read_lines

INVENTORIES = Path(__file__).parents[2] / "inventories"

keys = st.sampled_from(["a", "b", "cam-01", "no", "08", "id", "x.y", "<<", "k:", '"q"', "- a", "? a", "é", " a", "a b"])
scalars = st.sampled_from(
    [
        *("1", "01", "1.20", "no", "true", "~", "null", "x", "Trường Ví Dụ", "a b  c", "a:b", "a: b", "a #b", "a#b"),
        "rtsp://h:1/x",
        *(
            *("'q'", '"q"', "'it''s'", '"\\n"', '"a" ', "'a' # c", "x # c", "# c", "", "- 1", "-1", "&a 1", "*a"),
            *("!t 1", "|", ">"),
        ),
        *(
            *("[]", "{}", "[1, 2]", "{ a: 1 }", "{a: 1}", "{ a: 1, a: 2 }", "{ a: { b: [1, 'x'] }, c: 'y' }"),
            "[ { a: 1 }, 2 ]",
        ),
        *(
            *("{ a: 1 } # c", "{ a: 1 }x", "{ a: b: c }", "{ a: 1,, b: 2 }", "[1, 2", "{ a }", "{ a: }", "[1,]"),
            "{ a: 1, }",
        ),
        *("{ a:1 }", "{ a: x y , b: z }", "{ 'a': 1 }", "{ a: 'x, y: z' }", "{ a: 'x}' }", "a, b", "a}", "a\u00a0: b"),
        *("\u2028", "\t", "x\t", "@", "%", "2021-05-06", "12:30", "0x1F", "1e3", "+1", ".5", "a\\b"),
        *("{ a: [ ] , b: { } }", "{ a : 1 }", "[ a: 1 ]", "a:", "{ a: b#c }"),
    ]
)
indents = st.sampled_from(["", "", "  ", "  ", "    ", " ", "   "])
lines = st.one_of(
    st.builds("{}{}: {}".format, indents, keys, scalars),
    st.builds("{}{}:".format, indents, keys),
    st.builds("{}{}:{}".format, indents, keys, scalars),
    st.builds("{}- {}".format, indents, scalars),
    st.builds("{}-  {}: {}".format, indents, keys, scalars),
    st.builds("{}- {}: {}".format, indents, keys, scalars),
    st.builds("{}{}".format, indents, scalars),
    st.sampled_from(["", "# c", "   # c", "---", "...", "%YAML 1.2", "-", " "]),
)
nested = st.recursive(
    st.one_of(st.integers(-5, 99), st.booleans(), st.none(), st.text("ab:#-{}[],'\" é", max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)),
    max_leaves=8,
)


def holds(text: str) -> bool:
    """Whether a text is read alike, if it is read line by line at all; and whether it was."""
    value = read_lines(text)
    if value is NOT_PLAIN:
        return False
    careful = read_carefully(text.encode())
    assert not careful.faults, text
    assert repr(value) == repr(careful.value), text
    return True


@settings(max_examples=1500, deadline=None)
@given(st.lists(lines, min_size=1, max_size=5))
def test_what_is_read_by_lines_is_what_strict_yaml_reads(written: list[str]) -> None:
    holds("\n".join(written) + "\n")


@settings(max_examples=300, deadline=None)
@given(st.text("ab:#-{}[],'\" \n01", max_size=24))
def test_any_signs_are_read_alike(text: str) -> None:
    holds(text)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), nested, min_size=1))
def test_what_yaml_libraries_write_is_read_alike(value: dict[str, object]) -> None:
    for flow in (True, False, None):
        holds(yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow))


@pytest.mark.parametrize("path", sorted(INVENTORIES.rglob("*.yml")), ids=str)
def test_the_files_of_our_inventories_are_read_alike(path: Path) -> None:
    if "secrets" not in path.parts:
        holds(path.read_text("utf-8"))


def test_what_people_write_plainly_is_read_so() -> None:
    assert holds("# c\nid: kcl-1\ncameras:\n- id: cam-01\n  streams:\n    sub: { width: 640 } # c\n- { id: cam-02 }\n")
    assert holds(
        "kcl-1:\n  cam-01:\n    username: a\n    password: 'x y'\n  cam-02: { username: a, password: \"b:#\" }\n"
    )
