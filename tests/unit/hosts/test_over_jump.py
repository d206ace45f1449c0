"""What a call over a jump host comes to, where two programs of ssh speak: each call is carried once, or not at all."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provisioner.hosts.ansible.play import AnsibleRunner
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.inventory.model.hosts import JumpHost
from tests import fleets
from tests.hostile import RELAY
from tests.unit.operations.rollout.world import state

SPEC = state({}).hosts["centre"]
JUMP = JumpHost(address=IPv4Address("192.0.2.9"), ssh=SPEC.ssh)
PLACE = f"{SPEC.ssh.user}@192.0.2.9:22"
# With ControlPersist the real ssh gives the one of a jump host no standard error.
SSH = r"""#!/bin/sh
folder=$(dirname "$0")
case "$*" in
  *ControlMaster=yes*) echo "${*##* }" >> "$folder/open"; exit 255 ;;
  *ssh_config.alone*) echo alone ;;
  *ControlPersist*) echo shared; path="${*##*ControlPath=}"; echo "${path%% *}" >> "$folder/links" ;;
  *) echo own ;;
esac >> "$folder/ways"
cat >> "$folder/sent"
. "$folder/deed"
"""
NOTHING_CAME = r"""
printf 'kex_exchange_identification: Connection closed by remote host\r\n' >&2
printf 'Connection closed by UNKNOWN port 65535\r\n' >&2
exit 255
"""
AT_JUMP = (
    "case \"$*\" in *ControlPersist*) ;; *) echo 'noc@192.0.2.9: Permission denied (publickey).' >&2 ;; esac"
    + NOTHING_CAME
)
ANSWERED = r"""
case "$*" in
  *'receive(sys.stdin.buffer)'*)
    printf '\nPROVISIONER-ANSWER {"ok": true, "answer": {"a": "%s"}}\n' \
      'kex_exchange_identification: x  Connection closed by UNKNOWN port 65535' ;;
  *) printf '\nPROVISIONER-OWNER nothing\n' ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a false ssh is, and keeps what it was asked for."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "ssh").write_text(SSH)
    (place / "ssh").chmod(0o755)
    return place


@pytest.fixture
def runner(folder: Path) -> Iterator[AnsibleRunner]:
    runtime = Path("/dev/shm") / f"jump-{os.getpid()}-{time.time_ns()}"  # noqa: S108 (tmpfs is the point)
    runtime.mkdir(mode=0o700)
    carrier = AnsibleRunner(fleets.templates(), {"XDG_RUNTIME_DIR": str(runtime), "PATH": f"{folder}:/usr/bin:/bin"})
    yield carrier
    carrier.close()
    runtime.rmdir()


def called(runner: AnsibleRunner, folder: Path, deed: str, *, shares: bool) -> tuple[HostAnswer, list[str]]:
    """What comes of one call, and which connections were made for it."""
    (folder / "deed").write_text(deed)
    call = HostCall(
        replace(SPEC, jump=JUMP), {"operation": "observe"}, {"file": b"of the bundle"}, unproved=True, shares=shares
    )
    (answer,) = runner.call([call], timeout_s=30).values()
    return answer, (folder / "ways").read_text().split()


@pytest.mark.parametrize("made", [["shared", "alone"], ["own"]])
def test_the_fault_is_heard_of_a_connection_of_its_own(runner: AnsibleRunner, folder: Path, made: list[str]) -> None:
    answer, ways = called(runner, folder, AT_JUMP, shares=made[0] == "shared")
    assert answer.outcome is CallOutcome.UNREACHABLE
    assert answer.error.startswith(f"its jump host {PLACE} cannot be used: it refused the login")
    assert ways == made
    assert (folder / "open").read_text() == "jump.0\n", "one connection is begun for all calls"
    assert b"of the bundle" not in (folder / "sent").read_bytes()


def test_a_last_leg_refused_over_an_open_connection_is_asked_why(runner: AnsibleRunner, folder: Path) -> None:
    refused = "Stdio forwarding request failed: Session open refused by peer"
    leg = "channel 0: open failed: administratively prohibited: open failed"
    deed = f"case \"$*\" in *ssh_config.alone*) echo '{leg}' ;; *) echo '{refused}' ;; esac >&2\n"
    answer, ways = called(runner, folder, deed + NOTHING_CAME, shares=False)
    assert answer.error == f"its jump host {PLACE} does not get to it: it may not lead connections on"
    assert ways == ["own", "alone"]


def test_what_is_still_unheard_of_is_not_asked_a_third_time(runner: AnsibleRunner, folder: Path) -> None:
    answer, ways = called(runner, folder, NOTHING_CAME, shares=True)
    assert answer.error.startswith(f"its jump host {PLACE} does not get to it")
    assert ways == ["shared", "alone"]


@RELAY
def test_a_host_that_answers_in_the_words_of_a_failure_is_not_asked_again(runner: AnsibleRunner, folder: Path) -> None:
    answer, ways = called(runner, folder, ANSWERED, shares=True)
    assert answer.outcome is CallOutcome.ANSWERED, answer
    # Whose it is, and then the bundle.
    assert ways == ["shared", "shared"]
    assert (folder / "sent").read_bytes().count(b"of the bundle") == 1


def test_calls_share_a_connection_only_with_those_since_the_same_change(runner: AnsibleRunner, folder: Path) -> None:
    (folder / "deed").write_text(ANSWERED)
    links = []
    for since in ("", "run-1", "run-1", "run-2", "", "run-1"):
        call = HostCall(SPEC, {"operation": "observe"}, unproved=True, shares=True, since=since)
        (answer,) = runner.call([call], timeout_s=30).values()
        assert answer.outcome is CallOutcome.ANSWERED, answer
        (link,) = set((folder / "links").read_text().split())
        links.append(link)
        (folder / "links").unlink()
    before, first, _, second, *_ = links
    assert len({before, first, second}) == 3
    assert links == [before, first, first, second, before, first]
