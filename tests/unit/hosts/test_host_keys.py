"""The keys of a host as its own program makes, seals and takes them; only `wg` and the users stand apart."""

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.recovery_key import RecoveryPair, open_box, pair_of
from provisioner_host.machine import files, paths
from provisioner_host.machine.shell import Failed
from provisioner_host.state import keys

RECOVERY, KEPT, OTHER = pair_of(b"\x01" * 32), pair_of(b"\x02" * 32), pair_of(b"\x03" * 32)
ORDER = {"recovery": RECOVERY.public_key, "inventory": "example", "host": "relay-1"}
REQUEST: dict[str, Any] = {"operation": "keys", "relay": True, "who": "somebody"}


def wg(argv: Sequence[str], *, stdin: str = "", **_options: object) -> subprocess.CompletedProcess[str]:
    """What `wg` prints."""
    printed = OTHER.private_key.reveal()
    if argv[1] == "pubkey":
        printed = pair_of(base64.b64decode(stdin.strip())).public_key
    return subprocess.CompletedProcess(list(argv), 0, f"{printed}\n", "")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle, on a host whose files lie here."""

    def write(path: Path, content: bytes, *, mode: int, **_owners: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)

    for name in ("WG_KEY", "API_PASSWORD", "PROBE_PASSWORD", "IDENTITY", "HOST_PROGRAM", "MANIFEST", "OWNER"):
        monkeypatch.setattr(paths, name, tmp_path / "host" / name.lower())
    monkeypatch.setattr(keys, "prepare", lambda: None)
    monkeypatch.setattr(keys, "run", wg)
    monkeypatch.setattr(keys, "claim_first", lambda *_arguments, **_options: None)
    monkeypatch.setattr(files, "write", write)
    bundle = tmp_path / "bundle/files"
    bundle.mkdir(parents=True)
    (bundle / "identity").write_text("identity", encoding="ascii")
    (bundle / "program").write_text("program", encoding="ascii")
    return bundle.parent


def bring(folder: Path, pair: RecoveryPair) -> dict[str, Any]:
    (folder / "files/tunnel-key").write_text(f"{pair.private_key.reveal()}\n", encoding="ascii")
    return {**REQUEST, "restores": pair.public_key}


def make(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    answer: Any = keys.make_keys(request, folder)  # type: ignore[arg-type]  # a request of a test
    return dict(answer)


def test_a_host_seals_the_key_that_it_makes_and_the_one_that_it_has(folder: Path) -> None:
    for _ in range(2):
        answer = make({**REQUEST, "seal": ORDER}, folder)
        box = answer["sealed"]["box"]
        opened = open_box(box, RECOVERY, inventory="example", host="relay-1", public_key=answer["public_key"])
        assert opened.reveal() == paths.WG_KEY.read_text(encoding="ascii").strip() == OTHER.private_key.reveal()
    assert "sealed" not in make(REQUEST, folder)


def test_the_answer_has_no_secret_in_it(folder: Path) -> None:
    said = str(make({**REQUEST, "seal": ORDER}, folder))
    for path in (paths.WG_KEY, paths.API_PASSWORD, paths.PROBE_PASSWORD):
        assert path.read_text(encoding="ascii").strip() not in said


def test_a_key_that_is_brought_is_kept_root_only_and_once_more_is_the_same(folder: Path) -> None:
    first = make(bring(folder, KEPT), folder)
    assert first["public_key"] == KEPT.public_key
    assert paths.WG_KEY.read_text(encoding="ascii").strip() == KEPT.private_key.reveal()
    assert paths.WG_KEY.stat().st_mode & 0o777 == 0o600
    assert make(bring(folder, KEPT), folder) == first


def test_one_that_nobody_used_yet_gives_way_and_one_that_ran_does_not(folder: Path) -> None:
    make(REQUEST, folder)
    assert make(bring(folder, KEPT), folder)["public_key"] == KEPT.public_key
    paths.MANIFEST.write_text('{"run": "20210520T013000Z-1a2b3c"}', encoding="ascii")
    with pytest.raises(Failed, match="stands in for nobody"):
        make(bring(folder, OTHER), folder)
    assert paths.WG_KEY.read_text(encoding="ascii").strip() == KEPT.private_key.reveal()
    assert make(bring(folder, KEPT), folder)["public_key"] == KEPT.public_key, "its own is no other one"


def test_a_key_that_is_not_the_named_one_leaves_nothing_behind(folder: Path) -> None:
    request = bring(folder, KEPT) | {"restores": OTHER.public_key}
    with pytest.raises(Failed, match="nothing was kept"):
        make(request, folder)
    assert not (folder.parent / "host").exists()
