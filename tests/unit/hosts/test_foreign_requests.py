"""A controller in other hands sends looks with names that are not ours: a host reads and asks nothing by them."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.change import confirm
from provisioner_host.change.transaction import Transaction
from provisioner_host.firewall import firewall
from provisioner_host.look import probe
from provisioner_host.machine import carried, paths, units
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay
from tests.hostile import NODE

pytestmark = NODE

OBSERVE: Any = {"operation": "observe", "digest_key": "k", "files": [], "units": [], "program": None}
UNMOVED: Any = {"available": True, "online": True, "inbound_bytes": 5, "damaged": 0, "tracks": []}


@pytest.mark.parametrize(
    "changes",
    [
        {"units": ["--host=root@192.0.2.66"]},
        {"units": ["-Hroot@192.0.2.66"]},
        {"units": [paths.UNIT_NFT, "--root=/tmp"]},
        {"units": ["*"]},
        {"units": [""]},
        {"units": ["provisioner-nft"]},
        {"files": [""]},
        {"files": [str(paths.WG_KEY)]},
        {"files": [str(paths.UNIT_FOLDER / "ssh.service")]},
        {"program": "/dev/zero"},
        {"program": f"{paths.LIB}/../mediamtx-1-a"},
        {"files": [str(paths.NFT_FILE)] * 1001},
        {"networks": ["10.0.0.0/8"] * 1001},
        {"ports": {"tcp": [], "udp": list(range(1001))}},
    ],
    ids=lambda changes: f"{next(iter(changes))} {str(next(iter(changes.values())))[:40]}",
)
def test_facts_are_told_of_nothing_that_is_not_ours(changes: dict[str, Any]) -> None:
    assert not carried.refusal(OBSERVE, {}, paths.OURS)
    assert carried.refusal(OBSERVE | changes, {}, paths.OURS)


@pytest.mark.parametrize(
    "line",
    [
        *('include "/etc/shadow"', 'table ip a { }; include "/etc/shadow"', '\tinclude"/etc/shadow"'),
        *('# \\\ninclude "/etc/*"', 'table ip a { comment "of two\n# lines"; }; include "/etc/shadow"'),
        'table ip a { comment "of two\n# lines \\"; }; include "/etc/shadow"',
        '# of one quote "\ntable ip a { comment "of two\n# lines"; }; include "/etc/shadow"',
    ],
)
def test_intended_rules_read_no_other_file_of_the_host(tmp_path: Path, line: str) -> None:
    (tmp_path / "nft").write_text(f"table inet a {{ }}\n{line}\n")
    with pytest.raises(Failed, match="include another file"):
        firewall.loadable(tmp_path / "nft")
    (tmp_path / "nft").write_text('# what "comments include\ntable inet a { comment "include"; }\n')
    assert firewall.loadable(tmp_path / "nft")


def test_a_confirmation_takes_a_running_program_from_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runs, old = tmp_path / "mediamtx-1", tmp_path / "mediamtx-0"
    for program in (runs, old):
        program.touch()
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"programs": {str(runs): "", str(old): ""}}))
    (tmp_path / paths.UNIT_MEDIAMTX).write_text(f"[Service]\nExecStart={runs} /etc/provisioner/mediamtx.yml\n")
    monkeypatch.setattr(paths, "MANIFEST", manifest)
    monkeypatch.setattr(paths, "UNIT_FOLDER", tmp_path)
    monkeypatch.setattr(paths, "GENERATIONS", tmp_path / "none")
    request: Any = {"run": "run-1", "who": "noc", "program": {"path": "/mediamtx-2", "artefact": False, "sha256": ""}}
    confirm._forget_programs(Transaction(request, tmp_path))  # noqa: SLF001
    assert (runs.exists(), old.exists()) == (True, False)


def test_a_paths_name_asks_the_control_api_no_second_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    came: list[Any] = []
    (tmp_path / "password").write_text("x")
    monkeypatch.setattr(relay, "API_PASSWORD", tmp_path / "password")
    monkeypatch.setattr(socket, "create_connection", lambda *place: came.append(place))
    name = "x HTTP/1.1\r\nHost: a\r\n\r\nDELETE /v3/config/paths/delete/hn/a/cam-1/sub"
    with pytest.raises(Failed, match="400"):
        relay.api(f"/v3/paths/get/{name}")
    assert came == []


@pytest.mark.parametrize("number", [1e9, float("inf"), float("nan")])
def test_no_request_keeps_a_host_busy_without_end(monkeypatch: pytest.MonkeyPatch, number: float) -> None:
    names = ("deadline_s", "max_readers", "sample_s", "read_s", "connect_s", "cpu_share")
    asked: Any = dict.fromkeys(names, number)
    limits = probe.ProbeBudget(asked)
    assert limits.until <= limits.begun + 86_400
    assert (limits.readers, limits.sample_s, limits.read_s, limits.connect_s) == (64, 60, 120, 30)
    assert limits.cores == (os.cpu_count() or 1)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(probe, "sample", lambda paths: (dict.fromkeys(paths, UNMOVED), ""))
    monkeypatch.setattr(units, "active", lambda _name: "active")
    probe.flow({"operation": "flow", "paths": ["a"], "sample_s": number}, Path())
    assert max(slept) <= 60
