"""`facility plan` and `sign-off` of several facilities: a list, a province, a file; all of them or none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from provisioner.inventory.loader.load import check, load
from tests import inventories as make
from tests.document_schemas import holds

Call = Callable[..., tuple[int, str, str]]
IDS = tuple(f"kcl-bg-{number:03}" for number in range(1, 12))
SIGN = ("--all-parties", "--source", "12/BB", "--on", "2021-05-08")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eleven sites with cameras and without plans, one without a camera, and one closed."""
    bare: dict[str, Any] = {"plan": None, "gateway": None}
    sites = {name: make.facility(**bare, id=name) for name in IDS}
    sites["kcl-bg-012"] = make.facility(**bare, id="kcl-bg-012", cameras=[])
    closed = {"operating": "closed", "closed_on": "2021-05-09"}
    sites["kcl-bg-013"] = make.facility(**bare, **closed, id="kcl-bg-013")
    return make.write_inventory(tmp_path / "inv", {f"facilities/bac-giang/{k}.yml": v for k, v in sites.items()})


@pytest.fixture
def call(root: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def answer(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["-i", str(root), *words], {"XDG_STATE_HOME": str(root.parent / "state")})
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return answer


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "facilities").rglob("*.yml")}


def states(root: Path) -> dict[str, str]:
    outlines = load(root, today=make.TODAY).outlines.values()
    return {site.id: site.plan.state.value if site.plan else "" for site in outlines}


def test_two_calls_bring_a_province_to_its_agreed_plans(root: Path, call: Call) -> None:
    assert call("facility", "plan", "--limit", "province=bac-giang")[0] == 0
    assert states(root) == {**dict.fromkeys(IDS, "proposed"), "kcl-bg-012": "", "kcl-bg-013": ""}
    code, out, err = call("sign-off", "--limit", "province=bac-giang", *SIGN)
    assert (code, out.count("all three have signed")) == (0, 11), err
    assert states(root) == {**dict.fromkeys(IDS, "agreed"), "kcl-bg-012": "", "kcl-bg-013": ""}
    assert not [p for p in check(load(root, today=make.TODAY)) if p.code.startswith("sign-off")]
    # Nothing is left that needs a plan or a signature.
    for words in (("facility", "plan"), ("sign-off", *SIGN)):
        assert call(*words, "--limit", "province=bac-giang")[:1] == (2,)


def test_one_by_one_says_what_all_at_once_says(root: Path, call: Call) -> None:
    before = files(root)
    for name in IDS[:3]:
        assert call("facility", "plan", name)[0] == call("sign-off", name, *SIGN)[0] == 0
    one_by_one = files(root)
    for name, data in before.items():
        (root / "facilities/bac-giang" / name).write_bytes(data)
    listing = root.parent / "ids.txt"
    listing.write_text(f"\ufeff# the first three\n{IDS[0]}\n\n{IDS[1]}  # twice\n{IDS[1]}\r\n", encoding="utf-8")
    assert call("facility", "plan", IDS[2], "--file", str(listing))[0] == 0
    assert call("sign-off", *IDS[:3], *SIGN)[0] == 0
    assert files(root) == one_by_one != before


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("facility", "plan", *IDS, "kcl-bg-012"), 2, "kcl-bg-012 has no device with an address"),
        (("facility", "plan", IDS[0], "kcl-zz-001"), 2, "there is no facility kcl-zz-001"),
        (("facility", "plan", *IDS[:2], "--lan", "10.9.0.0/24"), 3, "kcl-bg-001, kcl-bg-002 would be invalid"),
        (("facility", "plan"), 2, "no facility is named"),
        (("facility", "plan", "--file", "/dev/null"), 2, "cannot be read as a list of ids"),
        (("facility", "plan", "--limit", "province=ha-noi"), 2, "no facility is chosen"),
        (("facility", "plan", "--limit", "facility=kcl-bg-013"), 2, "no facility is chosen"),
        (("sign-off", IDS[0], IDS[1], *SIGN), 2, "has no plan to sign"),
        (("sign-off", IDS[0], IDS[1], "--show"), 2, "take one facility"),
        (("sign-off", IDS[0], IDS[1], "--by", "dic", "--source", "1", "--statement"), 2, "take one facility"),
    ],
)
def test_a_refusal_of_one_writes_none(root: Path, call: Call, words: tuple[str, ...], code: int, error: str) -> None:
    before = files(root)
    got, _, err = call(*words)
    assert (got, error in err) == (code, True), err
    assert files(root) == before


def test_the_documents_are_as_their_schemas_say(call: Call) -> None:
    for words in (
        ("facility", "plan", *IDS[:2], "--dry-run"),
        ("facility", "plan", *IDS[:2]),
        ("sign-off", *IDS[:2], *SIGN),
    ):
        code, out, err = call("--output", "json", *words)
        assert code == 0, err
        document = json.loads(out)
        holds(document["schema"].partition("/")[2], document)
        rows = document.get("edits") or document["sign_offs"]
        assert [row["facility"] for row in rows] == list(IDS[:2])
