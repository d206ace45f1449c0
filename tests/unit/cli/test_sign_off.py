"""`sign-off` writes what was agreed, and a later edit shows."""

import json
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.inventory.loader.load import check, load
from tests import inventories as make

SITE = "facilities/bac-giang/kcl-bg-001.yml"
ALL = ("--by", "dic", "--by", "health", "--by", "carrier", "--source", "12/BB", "--on", "2021-05-08")


def unsigned() -> str:
    """A facility's file as people write it, agreed and not signed."""
    plain = make.facility()
    plain["plan"].pop("sign_offs")
    return "# Who wrote this cares.\n" + json.dumps(plain, ensure_ascii=False, indent=1) + "\n"


def codes(root: Path) -> list[str]:
    return [p.code for p in check(load(root, today=make.TODAY)) if p.code.startswith("sign-off")]


def test_a_new_agreement_takes_the_place_of_the_old_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path, {SITE: make.facility(cameras=[make.camera(host=12)])})
    text = (root / SITE).read_text(encoding="utf-8").replace("192.168.1.12", "192.168.1.13")
    (root / SITE).write_text(text, encoding="utf-8")
    assert run(["-i", str(root), "sign-off", "kcl-bg-001", "--by", "health", "--source", "13/BB"], {}) == 0
    assert codes(root) == ["sign-off-stale"]
    assert "still to sign what kcl-bg-001 says now: the DIC, the carrier" in capsys.readouterr().out
    signed = load(root, today=make.TODAY).partial
    assert signed
    plan = signed.facilities["kcl-bg-001"].plan
    assert plan
    assert [s.by.value for s in plan.sign_offs] == ["dic", "health", "carrier"]


def test_signing_again_what_is_signed_changes_no_byte(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path, {SITE: unsigned()})
    for _ in range(2):
        assert run(["-i", str(root), "sign-off", "kcl-bg-001", *ALL], {}) == 0
        before = (root / SITE).read_bytes()
    assert (root / SITE).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nobody", *ALL], 2),
        (["kcl-bg-001", "--by", "mayor", "--source", "x"], 2),
        (["kcl-bg-001", *ALL, "--on", "2999-01-01"], 2),
        (["kcl-bg-001", *ALL, "--successor"], 2),
        (["kcl-bg-001", "--by", "dic"], 2),
        (["kcl-bg-001", *ALL, "--source", " "], 2),
        (["kcl-bg-001", *ALL, "--source", "\u00a0\u2003"], 2),
    ],
)
def test_what_cannot_be_signed_is_refused_and_changes_nothing(tmp_path: Path, arguments: list[str], code: int) -> None:
    root = make.write_inventory(tmp_path, {SITE: unsigned()})
    before = (root / SITE).read_bytes()
    assert run(["-i", str(root), "sign-off", *arguments], {}) == code
    assert (root / SITE).read_bytes() == before


def test_a_file_with_errors_is_not_signed(tmp_path: Path) -> None:
    root = make.write_inventory(tmp_path, {SITE: make.facility(colour="red")})
    assert run(["-i", str(root), "sign-off", "kcl-bg-001", *ALL], {}) == 3


def test_the_parties_have_their_vietnamese_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path, {SITE: unsigned()})
    command = ["-i", str(root), "--language", "vi", "sign-off", "kcl-bg-001", "--source", "12/BB"]
    assert run([*command, "--by", "dic", "--by", "health", "--on", "2021-05-08"], {}) == 0
    out = capsys.readouterr().out
    assert "Sở TT&TT, Sở Y tế đã ký phương án" in out
    assert "nội dung hiện nay của kcl-bg-001: doanh nghiệp viễn thông" in out


def test_a_plan_that_would_be_invalid_once_agreed_is_not_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routed = make.facility()
    routed["plan"] |= {"state": "proposed", "access": "routed", "sign_offs": []}
    root = make.write_inventory(tmp_path, {SITE: routed})
    before = (root / SITE).read_bytes()
    assert run(["-i", str(root), "sign-off", "kcl-bg-001", *ALL], {}) == 3
    assert "outside the routed networks of viettel" in capsys.readouterr().err
    assert (root / SITE).read_bytes() == before
