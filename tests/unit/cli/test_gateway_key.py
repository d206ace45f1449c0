"""`gateway set-key` notes what a technician reports, in one line of one file."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli.main import run
from tests import inventories as make

SITE = "facilities/bac-giang/kcl-bg-001.yml"
KEY, OTHER = make.public_key("new"), make.public_key("other")

ROUTER = {"lan": "192.168.1.0/24", "lan_interface": "br-lan"}

SetKey = Callable[..., tuple[int, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    bare = make.facility(gateway=ROUTER)
    text = "# Who wrote this cares.\n" + json.dumps(bare, ensure_ascii=False, indent=1) + "\n"
    other = make.facility("kcl-bg-002", gateway=ROUTER | {"public_key": OTHER})
    return make.write_inventory(tmp_path, {SITE: text, "facilities/bac-giang/kcl-bg-002.yml": other})


@pytest.fixture
def set_key(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SetKey:
    def call(*words: str, piped: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped.encode())))
        code = run(["-i", str(root), "gateway", "set-key", *words], {})
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


def test_the_key_is_in_the_file_and_nothing_else_moved(root: Path, set_key: SetKey) -> None:
    before = (root / SITE).read_text(encoding="utf-8")
    code, out = set_key("kcl-bg-001", KEY)
    after = (root / SITE).read_text(encoding="utf-8")
    assert (code, f'public_key: "{KEY}"' in after.replace('"public_key"', "public_key")) == (0, True), out
    assert after.startswith("# Who wrote this cares.\n")
    assert len(set(after.splitlines()) ^ set(before.splitlines())) <= 3
    shown = [line.strip() for line in out.splitlines() if line.startswith("  +")]
    assert shown == [f"+{line}" for line in after.splitlines() if line not in before.splitlines()]
    assert set_key("kcl-bg-001", KEY) == (0, f"{root / SITE}: kcl-bg-001 has this key already\n")
    assert (root / SITE).read_text(encoding="utf-8") == after


def test_it_takes_what_the_package_prints(root: Path, set_key: SetKey) -> None:
    code, out = set_key("kcl-bg-001", "-", "--output", "json", piped=f"Setting up…\n{KEY}\n")
    assert (code, json.loads(out)["public_key"], json.loads(out)["written"]) == (0, KEY, True)
    assert KEY in (root / SITE).read_text(encoding="utf-8")


def test_another_key_is_replaced_only_by_who_says_so(root: Path, set_key: SetKey) -> None:
    assert set_key("kcl-bg-001", KEY)[0] == 0
    before = (root / SITE).read_bytes()
    code, out = set_key("kcl-bg-001", make.public_key("newer"))
    assert (code, f"has another key, {KEY[:8]}…" in out, "--replace" in out) == (2, True, True)
    assert (root / SITE).read_bytes() == before
    assert set_key("kcl-bg-001", make.public_key("newer"), "--replace")[0] == 0
    assert KEY not in (root / SITE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "piped", "said"),
    [
        (("kcl-bg-001", OTHER), "", "kcl-bg-002 has this key"),
        (("kcl-bg-001", "not-a-key-but-secret"), "", "this is no WireGuard public key"),
        (("kcl-bg-001", KEY[:-1]), "", "this is no WireGuard public key"),
        (("kcl-bg-001", "-"), "", "standard input has no key"),
        (("kcl-bg-001", "-"), "x" * 5000, "standard input has no key"),
        (("kcl-bg-01", KEY), "", "did you mean kcl-bg-001"),
    ],
)
def test_what_is_not_that_gateways_key_changes_nothing(
    root: Path, set_key: SetKey, words: tuple[str, ...], piped: str, said: str
) -> None:
    before = (root / SITE).read_bytes()
    code, out = set_key(*words, piped=piped)
    assert (code, said in out, "secret" in out.replace("something secret", "")) == (2, True, False), out
    assert (root / SITE).read_bytes() == before


def test_a_site_without_a_router_is_told_what_to_write(root: Path, set_key: SetKey) -> None:
    make.write_files(root, {SITE: json.dumps({k: v for k, v in make.facility().items() if k != "gateway"})})
    code, out = set_key("kcl-bg-001", KEY)
    assert (code, "facility kcl-bg-001 has no gateway" in out) == (2, True), out
