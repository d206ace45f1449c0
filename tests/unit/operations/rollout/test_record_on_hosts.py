"""What hosts keep of the controller's record: with each confirmation, in manifest and receipt."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.change import confirm
from provisioner_host.change.transaction import Transaction
from provisioner_host.machine import files, paths
from provisioner_host.state import last_good
from tests.hostile import RELAY

HEAD: dict[str, Any] = {"run": "run-1", "sequence": 7, "head": "sha256:1", "seal": "hmac-sha256:2"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's folder of state, written to without owners."""

    def write(path: Path, document: object) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")

    monkeypatch.setattr(paths, "MANIFEST", tmp_path / "manifest.json")
    monkeypatch.setattr(paths, "RECEIPTS", tmp_path / "receipts")
    monkeypatch.setattr(files, "write_json", write)
    monkeypatch.setattr(files, "folder", lambda path, _mode: path.mkdir(exist_ok=True))
    return tmp_path


def change(host: Path, **more: Any) -> Transaction:
    request: Any = {"run": "run-1", "who": "noc", "confirm_s": 60.0, **more}
    return Transaction(request, host)


def test_a_confirmed_run_s_entry_is_in_manifest_and_receipt(host: Path) -> None:
    confirmed = change(host, record=HEAD)
    confirm.persist(confirmed, ["/etc/provisioner/tunnel.json"])
    confirmed.receipt("applied")
    assert files.read_json(paths.MANIFEST)["record"] == HEAD
    assert last_good.recorded_heads() == [HEAD]


def test_a_run_without_a_record_leaves_none(host: Path) -> None:
    files.write_json(paths.MANIFEST, {"run": "run-0", "record": HEAD})
    confirmed = change(host)
    confirm.persist(confirmed, [])
    confirmed.receipt("applied")
    assert files.read_json(paths.MANIFEST) == {"files": [], "run": "run-1", "record": None}
    assert last_good.recorded_heads() == []


@RELAY
@pytest.mark.parametrize("content", ["", "{", "[]", '{"record": 7}', '{"record": {"run": "x"}}'])
def test_a_receipt_that_is_damaged_holds_no_entry(host: Path, content: str) -> None:
    change(host, record=HEAD).receipt("applied")
    (paths.RECEIPTS / "run-2.json").write_text(content, encoding="utf-8")
    assert last_good.recorded_heads() == [HEAD]
