"""`provisioner geography` as it is called."""

import json
from typing import Any

import pytest

from provisioner.cli.main import run
from provisioner.inventory.geography import provinces


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed = json.loads(capsys.readouterr().out)
    assert isinstance(printed, dict)
    assert (printed["schema"], printed["version"]) == ("provisioner/geography", 1)
    return printed


def test_a_look_up_shows_every_list_that_knows_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["geography", "lookup", "TP. HCM"], {}) == 0
    assert capsys.readouterr().out == (
        "gso-2021 79 ho-chi-minh: Hồ Chí Minh\n"
        "  also written HCM, HCMC, Sài Gòn\n"
        "  phone 028\n"
        "  since 2008-08-01, until 2025-06-30\n"
        "  went into Hồ Chí Minh (79) of gso-2025\n"
        "gso-2025 79 ho-chi-minh: Hồ Chí Minh\n"
        "  also written HCM, HCMC, Sài Gòn\n"
        "  phone 0274, 0254, 028\n"
        "  since 2025-07-01\n"
        "  made of Bình Dương (74), Bà Rịa - Vũng Tàu (77), Hồ Chí Minh (79) of gso-2021\n"
    )


def test_a_code_of_one_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["geography", "lookup", "24", "--scheme", "gso-2021"], {}) == 0
    assert capsys.readouterr().out.startswith("gso-2021 24 bac-giang: Bắc Giang\n")


def test_a_code_with_two_names_ends_with_2_and_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["geography", "lookup", "24"], {}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: code 24 is Bắc Giang in gso-2021 and Bắc Ninh in gso-2025\n"
        "hint: say which list it is of: --scheme gso-2021 or --scheme gso-2025\n"
    )


def test_an_error_is_a_document_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--output", "json", "geography", "lookup", "24"], {}) == 2
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["code"]) == ("provisioner/error", "province-ambiguous")
    assert "Bắc Giang" in printed["message"]
    assert "Bắc Ninh" in printed["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lookup", "Bac Giangg"], "hint: did you mean Bắc Giang (24)"),
        (["lookup", "Bắc Giang", "--scheme", "gso-2025"], "whose territory is in Bắc Ninh (24) now"),
        (["lookup", "24", "--scheme", "gso-2008"], "gso-2008"),
        (["convert", "Bac Giangg", "--from", "gso-2021"], "is no province of gso-2021"),
        (["convert", "24"], "--from"),
        (["list"], "--scheme"),
    ],
)
def test_the_not_understood_ends_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["geography", *arguments], {}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "hint: " in err


def test_converting_shows_where_a_province_is_in_the_other_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["geography", "convert", "bac-giang", "--from", "gso-2021"], {}) == 0
    assert capsys.readouterr().out == "gso-2021 24 bac-giang: Bắc Giang\n  → gso-2025 24 bac-ninh: Bắc Ninh\n"
    assert run(["geography", "convert", "24", "--from", "gso-2025", "--to", "gso-2021"], {}) == 0
    assert capsys.readouterr().out == (
        "gso-2025 24 bac-ninh: Bắc Ninh\n  → gso-2021 24 bac-giang: Bắc Giang\n  → gso-2021 27 bac-ninh: Bắc Ninh\n"
    )


def test_the_documents_hold_whole_provinces(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--output", "json", "geography", "convert", "Huế", "--from", "gso-2021"], {}) == 0
    printed = document(capsys)
    (hue,) = printed["provinces"]
    reference = {"scheme": "gso-2021", "code": "46", "slug": "thua-thien-hue", "name": "Thừa Thiên Huế"}
    assert hue == {
        "scheme": "gso-2025",
        "code": "46",
        "slug": "hue",
        "name": "Huế",
        "aliases": ["Thừa Thiên Huế", "TT-Huế"],
        "area_codes": ["0234"],
        "valid_from": "2025-01-01",
        "valid_to": None,
        "other": [reference],
    }
    assert reference.items() <= printed["from"].items()
    assert run(["--output", "json", "geography", "lookup", "Saigon"], {}) == 0
    assert [province["scheme"] for province in document(capsys)["provinces"]] == ["gso-2021", "gso-2025"]


@pytest.mark.parametrize(("scheme", "count"), [("gso-2021", 63), ("gso-2025", 34)])
def test_a_list_has_a_line_for_every_province(scheme: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["geography", "list", "--scheme", scheme], {}) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{scheme}: {count} provinces"
    assert len(lines) == count
    for line, province in zip(lines, provinces(scheme), strict=True):
        assert line.startswith(f"{province.code}  {province.slug} ")
        assert f" {province.name} " in line
        assert line == line.rstrip()
    assert run(["--output", "json", "geography", "list", "--scheme", scheme], {}) == 0
    assert [entry["code"] for entry in document(capsys)["provinces"]] == [p.code for p in provinces(scheme)]
