"""A node that asks for its own people's approvals carries what they approved, and nothing that anybody makes of it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from provisioner.base.errors import StateError
from provisioner.base.secret import Secret
from provisioner.base.ssh_signature import public_key_of
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.nodes import settings
from provisioner.nodes.approvals import (
    AdmittedChange,
    ApprovalMemory,
    ApprovalRules,
    NodeApprovals,
    NodeApprover,
    NodeMemory,
    approval_verdict,
    to_carry,
)
from provisioner.nodes.node import NodeRules
from provisioner.nodes.unit import CarriedCall, pack_unit, unit_in
from provisioner.operations.apply import apply
from provisioner.operations.apply.approvals import approval_files
from provisioner_host.machine import carried
from tests.hostile import NODE
from tests.recorded import Printed, RecordingController, applied_controller
from tests.signatures import key_file, public_line
from tests.watched import WatchedHosts

RELAY, OTHER = "relay-vnpt-1", "relay-viettel-1"
HOST_PROGRAM = "/usr/local/lib/provisioner/provisioner-host"
MANY = 20
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BEFORE = datetime(2021, 5, 1, tzinfo=UTC)
BARE: dict[str, Any] = {"files": {}, "rules": None, "peers": {}, "link": None, "units": set(), "manifest": None}


class KilledError(BaseException):
    """The controller is killed."""


def rules(*people: str, number: int = 1, hours: int = 168, inventory: str = "example") -> ApprovalRules:
    approvers = tuple(NodeApprover(person, public_key_of(public_line(person))) for person in people)
    return ApprovalRules(inventory, number, hours, approvers)


NODE_RULES = NodeRules("vnpt", (ip_network("0.0.0.0/0"),), approved=True)


class ApprovingHosts(WatchedHosts):
    """Hosts of which VNPT's are called by a node that asks for approvals."""

    def __init__(self, approvals: NodeApprovals) -> None:
        super().__init__()
        self.approvals = approvals
        self.carried: dict[str, CarriedCall] = {}

    def _answer(self, call: HostCall) -> HostAnswer:
        if call.spec.carriers == ("vnpt",):
            (one,) = unit_in(pack_unit("0.1.0", [call], 60)).calls
            if refusal := NODE_RULES.refusal(one) or self.approvals.refusal(one, datetime.now(UTC)):
                error = f"the node of vnpt refuses: {refusal}"
                return HostAnswer(call.spec.id, CallOutcome.REFUSED, error=error)
            self.carried[one.request["operation"]] = one
            call = replace(call, request=to_carry(one).request)
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
    controller = applied_controller(tmp_path)
    memory = ApprovalMemory(tmp_path / "memory", datetime.now(UTC))
    hosts = ApprovingHosts(NodeApprovals(rules("noc-1", "noc-2"), memory))
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
    with mock.patch.object(apply, "approval_files", wraps=approval_files) as read:
        assert house.run("apply", file).code == 0
    assert house.is_mended()
    assert read.call_count == 1, "what is checked is what goes to the node"


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
    MADE["house"] = made
    call: CarriedCall = made.hosts.carried["apply"]
    assert not refused(call)
    return call


@pytest.fixture(scope="module")
def confirmed(approved: CarriedCall) -> tuple[CarriedCall, NodeMemory]:
    """The confirmation of that change, and what the node remembers by then."""
    made = MADE["house"]
    call = made.hosts.carried["confirm"]
    assert call.request["run"] == approved.request["run"]
    refusal, memory = approval_verdict(approved, rules("noc-1"), NodeMemory(BEFORE), datetime.now(UTC))
    assert not refusal
    assert not approval_verdict(call, rules("noc-1"), memory, datetime.now(UTC))[0]
    return call, memory


MADE: dict[str, House] = {}


def refused(
    call: CarriedCall, asked: ApprovalRules | None = None, later: timedelta = timedelta(), **last: datetime
) -> str:
    """Why the node refuses a call, by its file or for want of an approval; `last` are moments by host."""
    changes = {host.replace("_", "-"): AdmittedChange(at, "20210501T000000Z-000000") for host, at in last.items()}
    asked = asked or rules("noc-1", "noc-2")
    memory = NodeMemory(BEFORE, changes)
    return NODE_RULES.refusal(call) or approval_verdict(call, asked, memory, datetime.now(UTC) + later)[0]


def with_request(call: CarriedCall, **parts: Any) -> CarriedCall:
    return replace(call, request={**call.request} | parts)


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


def approved_by(call: CarriedCall, person: str) -> CarriedCall:
    return with_warrant(call, lambda one: one.update(approvals=[text for text in one["approvals"] if person in text]))


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
    "another program": lambda call: replace(call, content=b"\x7fELF", artefact_sha256="0" * 64),
    "another on-host program": lambda call: replace(
        call, files=dict(call.files) | {call.request["files"][HOST_PROGRAM]["content"]: b"#!/bin/sh\n"}
    ),
    "a key of the controller's": lambda call: replace(call, files=dict(call.files) | {"identity": b"another"}),
    "a file that leads elsewhere": lambda call: replace(
        call, files=dict(call.files) | {"../../../etc/cron.d/x": b"* * * * * root id\n"}
    ),
    "a file more": lambda call: replace(call, files=dict(call.files) | {"99": b""}),
    "a program as another file": lambda call: replace(
        with_request(call, program=call.request["program"] | {"artefact": True}),
        files=dict(call.files) | {"artefact": b"\x7fELF"},
    ),
    "a key that no request has": lambda call: with_request(call, anything=True),
    "another host": lambda call: replace(call, spec=replace(call.spec, id="relay-vnpt-2")),
    "another machine by the host's name": lambda call: replace(
        call, spec=replace(call.spec, address=ip_address("10.20.0.99"))
    ),
    "another machine by its SSH key": lambda call: replace(
        call, spec=replace(call.spec, ssh=call.spec.ssh.model_copy(update={"host_key": OTHER_KEY}))
    ),
    "another machine by its own key": lambda call: replace(call, spec=replace(call.spec, identity=Secret("0" * 64))),
    "the plan's word for another host": lambda call: replace(call, spec=replace(call.spec, id=OTHER)),
    "no approval": lambda call: replace(call, warrant=b""),
    "what is no approval": lambda call: replace(call, warrant=b"{}"),
    "half of an approval": lambda call: replace(call, warrant=call.warrant[:-20]),
    "too large a one": lambda call: replace(call, warrant=b" " * (9 * 2**20)),
    "another content in the plan": lambda call: with_warrant(with_content(call), lambda one: one["desired"].clear()),
    "another limit in the plan": lambda call: with_warrant(call, lambda one: one["allow"].update(trust=99)),
    "another change in the plan": lambda call: with_warrant(call, lambda one: one["planned"].update({OTHER: "-"})),
    "another call in the plan": lambda call: with_warrant(call, lambda one: one["requests"].clear()),
    "another inventory in the plan": lambda call: with_warrant(call, lambda one: one.update(inventory="other")),
    "nobody in the plan": lambda call: with_warrant(call, lambda one: one["approvals"].clear()),
    "a later version of the plan": lambda call: with_warrant(call, lambda one: one.update(version=3)),
    "another person in the approval": lambda call: with_warrant(
        call, lambda one: one.update(approvals=[text.replace("noc-1", "noc-2") for text in one["approvals"]])
    ),
    "a decommission": lambda call: with_request(call, operation="remove"),
    "an operation that is not known": lambda call: with_request(call, operation="anything"),
}


@NODE
@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_nothing_made_of_it_is_carried(approved: CarriedCall, change: Callable[[CarriedCall], CarriedCall]) -> None:
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
    other = with_warrant(approved, lambda one: one.update(inventory="other"))
    assert "approves plans of example, not of other" in refused(other)
    assert "would make the host one of the inventory example" in refused(approved, rules("noc-1", inventory="other"))


# --- the whole call -------------------------------------------------------------------------------
def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each value of a document that is no list and no object, and of each that is empty."""
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*place, key))
    else:
        yield place


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return ["provisioner-nft.service"]
    return {} if value is None else f"{value}0"


def changed_at(document: Any, place: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not place:
        return change(document)
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[place[0]] = changed_at(copy[place[0]], place[1:], change)
    return copy


@NODE
def test_whatever_is_changed_in_an_approved_call_it_is_not_carried(approved: CarriedCall) -> None:
    places = [place for place in leaves(approved.request) if place[0] not in carried.MAY_DIFFER]
    assert len(places) > MANY
    carried_all_the_same = [
        place
        for place in places
        if place != ("program", "artefact")
        and not refused(replace(approved, request=changed_at(approved.request, place, another)))
    ]
    assert not carried_all_the_same
    without = [key for key in approved.request if key not in carried.MAY_DIFFER]
    assert all(
        refused(replace(approved, request={k: v for k, v in approved.request.items() if k != key})) for key in without
    )
    for name in approved.files:
        assert refused(replace(approved, files=dict(approved.files) | {name: approved.files[name] + b"#"})), name


def test_the_moment_the_run_and_who_makes_it_may_differ(approved: CarriedCall) -> None:
    other = {"run": "20210531T000000Z-abcdef", "who": "somebody", "confirm_s": 90.0, "epoch": 7, "record": None}
    assert not refused(with_request(approved, **other))
    assert refused(with_request(approved, confirm_s=1e9))


@NODE
def test_a_confirmation_writes_down_what_was_approved(confirmed: tuple[CarriedCall, NodeMemory]) -> None:
    call, memory = confirmed

    def refused_now(one: CarriedCall) -> bool:
        return bool(NODE_RULES.refusal(one) or approval_verdict(one, rules("noc-1"), memory, datetime.now(UTC))[0])

    places = [place for place in leaves(call.request) if place[0] not in carried.MAY_DIFFER]
    assert not [
        place
        for place in places
        if place != ("program", "artefact")
        and not refused_now(replace(call, request=changed_at(call.request, place, another)))
    ]
    assert refused_now(with_request(call, run="20210531T000000Z-abcdef")), "a run that the node did not let begin"
    assert refused_now(with_request(call, owner={"inventory": "other", "key": "0" * 32, "host": RELAY}))


# --- used up --------------------------------------------------------------------------------------
def test_an_approval_is_used_up_by_the_run_that_began_with_it(house: House) -> None:
    house.drift()
    file = house.plan()
    house.approve(file, "noc-1")
    assert house.run("apply", file).code == 0
    house.drift()
    again = house.plan("again.json")
    done = house.run("apply", again)
    assert (done.code, house.is_mended()) == (6, False)
    assert "has used it up" in " ".join(done.out.split())
    house.approve(again, "noc-2")
    assert house.run("apply", again).code == 8, "the other carrier's host has moved: it is mended"
    assert house.is_mended()


def test_the_same_saved_plan_is_not_applied_again_after_drift(house: House) -> None:
    house.drift()
    file = house.plan()
    house.approve(file, "noc-1")
    assert house.run("apply", file).code == 0
    house.drift()
    done = house.run("apply", file)
    assert (done.code, house.is_mended()) == (6, False)


@NODE
def test_another_run_is_not_carried_by_a_used_approval(approved: CarriedCall) -> None:
    now, asked = datetime.now(UTC), rules("noc-1")
    refusal, memory = approval_verdict(approved, asked, NodeMemory(BEFORE), now)
    assert not refusal
    assert not approval_verdict(approved, asked, memory, now)[0], "the same run is taken up again"
    other = with_request(approved, run="20210531T000000Z-abcdef")
    assert "has used it up" in approval_verdict(other, asked, memory, now)[0]


@NODE
def test_a_rollback_revokes_the_approvals_of_the_run_that_it_takes_back(approved: CarriedCall) -> None:
    now, asked, run = datetime.now(UTC), rules("noc-1"), approved.request["run"]
    _, memory = approval_verdict(approved, asked, NodeMemory(BEFORE), now)
    back = rollback_of(approved, run)
    assert not NODE_RULES.refusal(back)
    refusal, after = approval_verdict(back, asked, memory, now)
    assert not refusal
    assert "was taken back" in approval_verdict(approved, asked, after, now)[0]
    elsewhere = replace(approved, spec=replace(approved.spec, id="relay-vnpt-2"))
    assert approval_verdict(elsewhere, asked, after, now)[0]


def rollback_of(call: CarriedCall, target: str) -> CarriedCall:
    """The call that takes a change back, with the parts that every change has."""
    shared = (
        *("who", "confirm_s", "units", "peers", "sentinel", "program", "record", "owner", "epoch", "lockout", "gate"),
    )
    request = {key: call.request[key] for key in shared if key in call.request}
    request |= {"operation": "rollback", "run": "20210531T000000Z-abcdef", "target": target, "wanted": {}, "held": []}
    request["digest_key"] = call.request["observe"]["digest_key"]
    return replace(call, request=request, files={}, artefact=None, artefact_sha256="", warrant=b"")


@NODE
@pytest.mark.parametrize("target", ["", "20210501T000000Z-000000", "20210531T000000Z-abcdef"])
def test_a_rollback_takes_back_nothing_but_the_last_change_that_the_node_let_begin(
    approved: CarriedCall, target: str
) -> None:
    """Another one would strip the relay: what it holds is wanted no more by a controller in other hands."""
    now, asked = datetime.now(UTC), rules("noc-1")
    _, memory = approval_verdict(approved, asked, NodeMemory(BEFORE), now)
    for remembered in (memory, NodeMemory(BEFORE)):
        refusal, _ = approval_verdict(rollback_of(approved, target), asked, remembered, now)
        assert "another change than the last one that this node let begin" in refusal
    _, after = approval_verdict(rollback_of(approved, approved.request["run"]), asked, memory, now)
    again = with_request(rollback_of(approved, approved.request["run"]), run="20210532T000000Z-abcdef")
    assert approval_verdict(again, asked, after, now)[0]


@NODE
def test_a_relay_is_not_returned_to_before_its_first_apply_without_approval(house: House) -> None:
    """The node would let the last change be taken back, and nothing would be left of the relay."""
    house.drift()
    file = house.plan()
    house.approve(file, "noc-1")
    assert house.run("apply", file).code == 0
    for name in (RELAY, OTHER):
        host = house.hosts.hosts[name]
        host.generations = [(run, {**state, **BARE}) for run, state in host.generations[-1:]]
    before = dict(house.hosts.hosts[RELAY].files)
    done = house.run("rollback", RELAY, "--yes")
    assert (done.code, house.hosts.hosts[RELAY].files) == (11, before), done
    assert "is the one before its first apply" in " ".join(done.out.split())
    assert house.run("rollback", OTHER, "--yes").code == 0, "a host without such a node returns to it"
    assert not house.hosts.hosts[OTHER].files


@NODE
@pytest.mark.parametrize("part", ["key", "host"])
def test_no_rollback_or_confirmation_marks_a_host_anew(confirmed: tuple[CarriedCall, NodeMemory], part: str) -> None:
    (call, memory), asked, now = confirmed, rules("noc-1"), datetime.now(UTC)
    own = MADE["house"].hosts.carried["apply"]
    back = rollback_of(own, own.request["run"])
    other = {"owner": own.request["owner"] | {part: "other"}}
    assert "mark" in approval_verdict(with_request(back, **other), asked, memory, now)[0]
    refusal, after = approval_verdict(back, asked, memory, now)
    assert not refusal
    done = with_request(call, run=back.request["run"])
    assert not approval_verdict(done, asked, after, now)[0]
    assert "mark" in approval_verdict(with_request(done, **other), asked, after, now)[0]


@NODE
def test_a_rollback_by_an_approved_run_confirms_nothing_else(confirmed: tuple[CarriedCall, NodeMemory]) -> None:
    (call, memory), asked = confirmed, rules("noc-1")
    same = with_request(rollback_of(MADE["house"].hosts.carried["apply"], ""), run=call.request["run"])
    for host in (RELAY, "relay-vnpt-2"):
        back = replace(same, spec=replace(same.spec, id=host))
        assert "which it could then confirm" in approval_verdict(back, asked, memory, datetime.now(UTC))[0]


@NODE
@pytest.mark.parametrize("operation", ["look", "status", "abort"])
def test_nothing_keeps_a_change_from_its_return(approved: CarriedCall, operation: str) -> None:
    endless = with_request(approved, operation=operation, confirm_s=1e9)
    assert (
        "keep a change from its return"
        in approval_verdict(endless, rules("noc-1"), NodeMemory(BEFORE), datetime.now(UTC))[0]
    )


@NODE
def test_an_approval_that_was_held_back_from_its_run_counts_for_no_other(house: House) -> None:
    house.drift()
    file = house.plan()
    house.approve(file, "noc-1")
    house.approve(file, "noc-2")
    assert house.run("apply", file).code == 0
    call, asked = house.hosts.carried["apply"], rules("noc-1", "noc-2")
    first, second = (approved_by(call, person) for person in ("noc-1", "noc-2"))
    now = datetime.now(UTC) + timedelta(minutes=1)
    refusal, memory = approval_verdict(first, asked, NodeMemory(BEFORE), now)
    assert not refusal
    assert not approval_verdict(second, asked, memory, now)[0], "the same run"
    other = with_request(second, run="20210531T000000Z-abcdef")
    assert "has used it up" in approval_verdict(other, asked, memory, now)[0]


@NODE
@pytest.mark.parametrize(
    "parts",
    [
        {"lockout": {"check": False, "ssh_port": 22, "networks": []}},
        {"gate": None},
        {"confirm_s": 0},
        {"owner": {"inventory": "other", "key": "0" * 32, "host": RELAY}},
    ],
)
def test_a_rollback_skips_nothing(approved: CarriedCall, parts: dict[str, Any]) -> None:
    now, asked = datetime.now(UTC), rules("noc-1")
    _, memory = approval_verdict(approved, asked, NodeMemory(BEFORE), now)
    back = rollback_of(approved, approved.request["run"])
    assert not approval_verdict(back, asked, memory, now)[0]
    assert approval_verdict(with_request(back, **parts), asked, memory, now)[0]


@NODE
def test_a_node_that_was_installed_anew_takes_no_approval_of_before(approved: CarriedCall, tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(minutes=1)
    approvals = NodeApprovals(rules("noc-1"), ApprovalMemory(tmp_path / "memory", later))
    assert "and the node remembers since" in approvals.refusal(approved, later)


@NODE
def test_a_lifted_quarantine_is_not_carried_and_no_plan_is_promised_for_it(approved: CarriedCall) -> None:
    lifting = with_request(replace(approved, warrant=b""), lift=["bac-giang/kcl-bg-001/cam-01/main"])
    assert "lifts a quarantine, which is in no saved plan" in refused(lifting)
    assert "save the plan" not in refused(lifting)
    assert refused(replace(lifting, warrant=approved.warrant)), "nor with the approval of another call"


# --- keys -----------------------------------------------------------------------------------------
def keys_call(approved: CarriedCall, **parts: Any) -> CarriedCall:
    request = {"operation": "keys", "relay": True, "who": "noc", **parts}
    program = approved.files[approved.request["files"][HOST_PROGRAM]["content"]]
    bare = replace(approved, artefact=None, artefact_sha256="", warrant=b"")
    return replace(bare, request=request, files={"program": program})


@NODE
def test_keys_bring_nothing_that_nobody_allowed(approved: CarriedCall) -> None:
    call = keys_call(approved)
    assert not refused(call), "keys that are born on the host"
    shell = replace(call, files={"program": b"#!/bin/sh\nid\n"})
    assert "another on-host program than the node's own" in refused(shell)
    key = "A" * 43 + "="
    brought = {"identity": {}, "tunnel-key": {"restores": key}, "next-key": {"following": key}}
    for name, parts in brought.items():
        files = dict(call.files) | {name: b"a" * 44}
        assert parts == {} or refused(replace(call, files=files)).startswith("no host takes it: it brings a file")
        brings = replace(keys_call(approved, **parts), files=files)
        assert f'new_hosts = ["{RELAY}"]' in refused(brings)
        assert not refused(brings, replace(rules("noc-1"), new_hosts=frozenset({RELAY})))
        assert refused(brings, replace(rules("noc-1"), new_hosts=frozenset({OTHER})))
    assert refused(keys_call(approved, restores=key))
    assert refused(keys_call(approved, owner={"inventory": "other", "key": "0" * 32, "host": RELAY}))


@NODE
def test_a_tunnel_s_key_is_sealed_to_the_recovery_key_of_the_node_s_file_alone(approved: CarriedCall) -> None:
    own, other = "A" * 43 + "=", "B" * 42 + "A="
    named = replace(NODE_RULES, recovery=own)
    for key, node, carries in ((own, named, True), (other, named, False), (own, NODE_RULES, False)):
        seal = {"recovery": key, "inventory": "example", "host": RELAY}
        assert (not node.refusal(keys_call(approved, seal=seal))) is carries


@NODE
def test_mediamtx_is_one_that_people_approved_or_that_the_file_names(approved: CarriedCall) -> None:
    content = b"\x7fELF another MediaMTX"
    sha256 = hashlib.sha256(content).hexdigest()
    program = {"path": "/usr/local/lib/provisioner/mediamtx-1.20.1-abcdef", "artefact": True, "sha256": sha256}
    call = replace(with_request(approved, program=program), content=content, artefact_sha256=sha256)
    alone = replace(NODE_RULES, approved=False)
    assert f'mediamtx = ["{sha256}"]' in alone.refusal(call)
    beside = replace(call, artefact=None, artefact_sha256="", files=dict(call.files) | {"artefact": content})
    assert "as another file" in alone.refusal(beside)
    assert not replace(alone, mediamtx=frozenset({sha256})).refusal(call)
    assert "is not the one of the plan that was approved" in refused(call)


# --- what is remembered -----------------------------------------------------------------------------
def test_what_is_remembered_outlives_the_node(tmp_path: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    memory = ApprovalMemory(tmp_path / "memory", at)
    assert memory.memory == NodeMemory(at)
    kept = NodeMemory(at, {RELAY: AdmittedChange(at, "one", "sha256:0")}, {"0" * 64: "one"}, frozenset({"none"}))
    memory.keep(kept)
    assert ApprovalMemory(tmp_path / "memory", at + timedelta(days=1)).memory == kept


@NODE
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"relay-vnpt-1", b"relay-vnpt-1 yesterday\n", b"\xff\n", b"{", b'{"since": 1}'),
        # It would let each approval since 2021 count that a later run has used.
        b"relay-vnpt-1 2021-01-01T00:00:00Z\n",
    ],
)
def test_a_memory_that_is_damaged_is_no_reason_to_begin_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "memory").write_bytes(content)
    with pytest.raises(StateError, match="which approvals were used is not known"):
        ApprovalMemory(tmp_path / "memory", datetime.now(UTC))


def test_what_cannot_be_remembered_is_not_carried(approved: CarriedCall, tmp_path: Path) -> None:
    memory = ApprovalMemory(tmp_path / "memory", BEFORE)
    (tmp_path / "memory").unlink()
    (tmp_path / "memory").mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        NodeApprovals(rules("noc-1"), memory).refusal(approved, datetime.now(UTC))
