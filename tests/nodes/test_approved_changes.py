"""A node that asks for its own people's approvals carries what they approved, and nothing that anybody makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from provisioner.base.errors import StateError
from provisioner.base.ssh_signature import public_key_of
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.nodes import settings
from provisioner.nodes.approvals import ApprovalRules, ApprovedMoments, NodeApprovals, NodeApprover, approval_verdict
from provisioner.nodes.unit import CarriedCall, pack_unit, unit_in
from tests.hostile import NODE
from tests.recorded import Printed, RecordingController, recording_controller
from tests.signatures import key_file, public_line
from tests.watched import WatchedHosts

RELAY, OTHER = "relay-vnpt-1", "relay-viettel-1"
ALLOW = ("--allow", "trust=9")


class KilledError(BaseException):
    """The controller is killed."""


def rules(*people: str, number: int = 1, hours: int = 168, inventory: str = "example") -> ApprovalRules:
    approvers = tuple(NodeApprover(person, public_key_of(public_line(person))) for person in people)
    return ApprovalRules(inventory, number, hours, approvers)


class ApprovingHosts(WatchedHosts):
    """Hosts of which VNPT's are called by a node that asks for approvals."""

    def __init__(self, approvals: NodeApprovals) -> None:
        super().__init__()
        self.approvals = approvals
        self.carried: dict[str, CarriedCall] = {}

    def _answer(self, call: HostCall) -> HostAnswer:
        if call.spec.carriers == ("vnpt",):
            (carried,) = unit_in(pack_unit("0.1.0", [call], 60)).calls
            if refusal := self.approvals.refusal(carried, datetime.now(UTC)):
                error = f"the node of vnpt refuses: {refusal}"
                return HostAnswer(call.spec.id, CallOutcome.REFUSED, error=error)
            self.carried[str(call.request["operation"])] = carried
        return super()._answer(call)


@dataclass
class House:
    """A controller whose plans are approved by people, and a node of VNPT."""

    controller: RecordingController
    hosts: ApprovingHosts

    def run(self, *words: str) -> Printed:
        with mock.patch.object(settings, "routed", lambda local, _file, _inventory: local):
            return self.controller.run(*words, PROVISIONER_NODES="nodes.toml")

    def drift(self) -> None:
        for host in (RELAY, OTHER):
            self.hosts.hosts[host].units.discard("provisioner-nft.service")

    def is_mended(self, host: str = RELAY) -> bool:
        return "provisioner-nft.service" in self.hosts.hosts[host].units

    def plan(self, name: str = "plan.json") -> str:
        """Save a plan: its file."""
        file = str(self.controller.folder / name)
        assert self.run("plan", "--out", file).code == 0
        return file

    def approve(self, file: str, person: str) -> None:
        done = self.run("approve", file, "--as", person, "--key", str(key_file(person, "ed25519")), "--yes")
        assert done.code == 0, done


@pytest.fixture
def house(tmp_path: Path) -> House:
    """All is applied; from now on VNPT's node asks for an approval of noc-1 or noc-2."""
    controller = recording_controller(tmp_path)
    hosts = ApprovingHosts(NodeApprovals(rules("noc-1", "noc-2"), ApprovedMoments(tmp_path / "moments")))
    assert controller.run("apply", "--yes", *ALLOW).code == 0
    hosts.hosts = controller.hosts.hosts
    controller.hosts = hosts
    signers = "".join(
        f"  - {{ id: {one}, roles: [noc], key: {public_line(one)}, since: 2021-05-01, source: 7/TB }}\n"
        for one in ("noc-1", "noc-2", "noc-3")
    )
    (controller.root / "signers.yml").write_text(f"version: 1\napprovers:\n{signers}", encoding="utf-8")
    return House(controller, hosts)


# --- as people use it -----------------------------------------------------------------------------


def test_what_nobody_approved_is_refused_at_the_node_and_the_others_go_on(house: House) -> None:
    house.drift()
    done = house.run("apply", "--yes")
    assert (done.code, house.is_mended(), house.is_mended(OTHER)) == (6, False, True), done
    said = " ".join(done.out.split())
    assert "the node of vnpt refuses: its file asks for an approval of its own people, and this change brings" in said
    assert "apply that file" in said


def test_what_its_people_approved_is_carried(house: House) -> None:
    house.drift()
    file = house.plan()
    house.approve(file, "noc-1")
    assert house.run("apply", file).code == 0
    assert house.is_mended()


def test_somebody_else_s_approval_is_none_of_its_people_s(house: House) -> None:
    house.drift()
    file = house.plan()
    house.approve(file, "noc-3")
    done = house.run("apply", file)
    assert (done.code, house.is_mended()) == (6, False)
    assert "not counted: that of noc-3 is by SHA256:" in " ".join(done.out.split())


def test_a_killed_apply_that_is_taken_up_again_still_brings_its_approval(house: House) -> None:
    house.drift()
    file = house.plan()
    house.approve(file, "noc-1")

    def killed(operation: str, host: str) -> None:
        if (operation, host) == ("apply", RELAY):
            raise KilledError

    house.hosts.before = killed
    with pytest.raises(KilledError):
        house.run("apply", file)
    house.hosts.before = lambda *_of: None
    assert house.run("apply", "--resume").code == 0
    assert house.is_mended()


def test_looks_ends_and_ways_back_need_none(house: House) -> None:
    assert house.run("plan").code == 0
    assert house.run("verify").code == 0
    house.drift()
    file = house.plan()
    house.approve(file, "noc-2")
    assert house.run("apply", file).code == 0
    assert house.run("rollback", RELAY, "--yes").code == 0


def test_what_no_plan_is_of_is_refused(house: House) -> None:
    done = house.run("hosts", "release", RELAY, "--yes")
    assert done.code != 0
    assert "asks for approvals, and release is in no plan" in " ".join((done.out + done.err).split())


# --- what others make of it -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> CarriedCall:
    """A change that noc-1 approved, as the node has it."""
    made = house.__wrapped__(tmp_path_factory.mktemp("approved"))  # type: ignore[attr-defined]
    made.drift()
    file = made.plan()
    made.approve(file, "noc-1")
    assert made.run("apply", file).code == 0
    call: CarriedCall = made.hosts.carried["apply"]
    assert not refused(call)
    return call


def refused(
    call: CarriedCall, asked: ApprovalRules | None = None, later: timedelta = timedelta(), **last: datetime
) -> str:
    named = {host.replace("_", "-"): at for host, at in last.items()}
    return approval_verdict(call, asked or rules("noc-1", "noc-2"), named, datetime.now(UTC) + later).refusal


def with_request(call: CarriedCall, **parts: Any) -> CarriedCall:
    return replace(call, request=call.request | parts)


def with_file(call: CarriedCall, **parts: Any) -> CarriedCall:
    files = dict(call.request["files"])
    name = "/etc/provisioner/provisioner.nft"
    return with_request(call, files=files | {name: files[name] | parts})


def with_content(call: CarriedCall) -> CarriedCall:
    number = call.request["files"]["/etc/provisioner/provisioner.nft"]["content"]
    return replace(call, files=dict(call.files) | {number: call.files[number] + b"\n# and the rest"})


def with_warrant(call: CarriedCall, change: Callable[[Any], object]) -> CarriedCall:
    document = json.loads(call.warrant)
    change(document)
    return replace(call, warrant=json.dumps(document).encode())


def without_file(call: CarriedCall) -> CarriedCall:
    return with_request(call, files=dict(list(call.request["files"].items())[1:]))


def another_key(call: CarriedCall) -> CarriedCall:
    return with_request(call, observe=call.request["observe"] | {"digest_key": "0" * 64})


TAMPERED: dict[str, Callable[[CarriedCall], CarriedCall]] = {
    "another rule in a file": with_content,
    "another mode of a file": lambda call: with_file(call, mode=0o666),
    "another owner of a file": lambda call: with_file(call, owner="mediamtx"),
    "one file less": without_file,
    "no file at all": lambda call: with_request(call, files={}),
    "a mode that is none": lambda call: with_file(call, mode="rw"),
    "another key of digests": another_key,
    "no lock-out check": lambda call: with_request(call, lockout=call.request["lockout"] | {"check": False}),
    "no path gate": lambda call: with_request(call, gate=None),
    "a switch that never returns": lambda call: with_request(call, confirm_s=1e9),
    "another inventory's host": lambda call: with_request(
        call, owner={"inventory": "other", "key": "0" * 32, "host": RELAY}
    ),
    "another program": lambda call: replace(call, artefact=b"\x7fELF", artefact_sha256="0" * 64),
    "another host": lambda call: replace(call, host=replace(call.host, id="relay-vnpt-2")),
    "the plan's word for another host": lambda call: replace(call, host=replace(call.host, id=OTHER)),
    "no approval": lambda call: replace(call, warrant=b""),
    "what is no approval": lambda call: replace(call, warrant=b"{}"),
    "half of an approval": lambda call: replace(call, warrant=call.warrant[:-20]),
    "too large a one": lambda call: replace(call, warrant=b" " * (9 * 2**20)),
    "another content in the plan": lambda call: with_warrant(with_content(call), lambda one: one["desired"].clear()),
    "another limit in the plan": lambda call: with_warrant(call, lambda one: one["allow"].update(trust=99)),
    "another change in the plan": lambda call: with_warrant(call, lambda one: one["planned"].update({OTHER: "-"})),
    "another program in the plan": lambda call: with_warrant(call, lambda one: one["programs"].clear()),
    "another inventory in the plan": lambda call: with_warrant(call, lambda one: one.update(inventory="other")),
    "nobody in the plan": lambda call: with_warrant(call, lambda one: one["approvals"].clear()),
    "a later version of the plan": lambda call: with_warrant(call, lambda one: one.update(version=2)),
    "another person in the approval": lambda call: with_warrant(
        call, lambda one: one.update(approvals=[text.replace("noc-1", "noc-2") for text in one["approvals"]])
    ),
    "a decommission": lambda call: with_request(call, operation="remove"),
    "an operation that is not known": lambda call: with_request(call, operation="anything"),
}


@NODE
@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_nothing_that_is_made_of_it_is_carried(
    approved: CarriedCall, change: Callable[[CarriedCall], CarriedCall]
) -> None:
    assert refused(change(approved))


def test_each_count_is_of_people_and_of_keys(approved: CarriedCall) -> None:
    assert refused(approved, rules("noc-1", "noc-2", number=2)).endswith("of this plan: only noc-1 approved it")
    twice = with_warrant(approved, lambda one: one["approvals"].extend(one["approvals"]))
    assert refused(twice, rules("noc-1", "noc-2", number=2))
    same_key = replace(rules("noc-1"), approvers=(NodeApprover("noc-2", rules("noc-1").approvers[0].key),))
    assert "which the node's file does not have of that person" in refused(approved, same_key)


def test_an_approval_counts_for_its_hours_and_not_before_it_is_given(approved: CarriedCall) -> None:
    assert not refused(approved, later=timedelta(hours=167))
    assert "lets it count for 168 h" in refused(approved, later=timedelta(hours=169))
    assert "yet to come" in refused(approved, later=-timedelta(minutes=20))


def test_nothing_older_comes_after_something_newer(approved: CarriedCall) -> None:
    assert not refused(approved, relay_vnpt_1=datetime.now(UTC) - timedelta(hours=1))
    assert "is older than what was carried to it last" in refused(
        approved, relay_vnpt_1=datetime.now(UTC) + timedelta(hours=1)
    )
    assert not refused(approved, relay_vnpt_2=datetime.now(UTC) + timedelta(hours=1)), "each host for itself"


def test_an_approval_of_another_inventory_is_refused(approved: CarriedCall) -> None:
    assert "approves plans of other, not of example" in refused(approved, rules("noc-1", inventory="other"))


# --- what is remembered -----------------------------------------------------------------------------


def test_moments_outlive_the_node(tmp_path: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    ApprovedMoments(tmp_path / "moments").add(RELAY, at)
    again = ApprovedMoments(tmp_path / "moments")
    again.add(OTHER, at + timedelta(seconds=1))
    assert dict(ApprovedMoments(tmp_path / "moments")) == {RELAY: at, OTHER: at + timedelta(seconds=1)}


@pytest.mark.parametrize("content", [b"relay-vnpt-1", b"relay-vnpt-1 yesterday\n", b"\xff\n"])
def test_moments_that_are_damaged_are_no_reason_to_begin_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "moments").write_bytes(content)
    with pytest.raises(StateError, match="which approvals were used is not known"):
        ApprovedMoments(tmp_path / "moments")


def test_what_cannot_be_remembered_is_not_carried(approved: CarriedCall, tmp_path: Path) -> None:
    moments = ApprovedMoments(tmp_path / "moments")
    (tmp_path / "moments").mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        NodeApprovals(rules("noc-1"), moments).refusal(approved, datetime.now(UTC))
