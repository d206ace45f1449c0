"""Laws of approvals: they follow what a plan does through every rebase, and nothing forged or replayed counts."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.desired.trust import ApprovalTerms, TermsApprover, TermsRule
from provisioner.inventory.model.policy import ApprovedChanges
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.guards.approvals import (
    APPROVAL_NAMESPACE,
    Approval,
    ApprovalFormError,
    ApprovalNeed,
    Approved,
    HostTerms,
    PlanToApprove,
    approval_in,
    approval_needs,
    approval_statement,
    approval_text,
    approved,
)
from provisioner.plan.plan import Basis
from provisioner.plan.saved.file import WarrantError, WrittenPlan, warrant_bytes, warrant_in, written_plan
from tests import fleets, inventories
from tests.hostile import MERGE_REQUEST, RELAY
from tests.plans import KEY, World
from tests.signatures import by_hand, ed25519_blob

NOW = datetime(2021, 6, 1, 3, 0, tzinfo=UTC)
MEANING = "sha256:" + "a" * 64
PLAN = "sha256:" + "b" * 64
RELAY_1, RELAY_2 = "relay-viettel-1", "relay-viettel-2"
SINCE = date(2021, 5, 1)


@cache
def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def line(name: str) -> str:
    return "ssh-ed25519 " + base64.b64encode(ed25519_blob(key(name))).decode()


def entry(person: str, *roles: str, by: str = "", carriers: tuple[str, ...] = (), **changes: Any) -> TermsApprover:
    one = TermsApprover(person, line(by or person), tuple(sorted(roles)), carriers, SINCE, None)
    return replace(one, **changes)


def terms(*approvers: TermsApprover, rules: Iterable[TermsRule] = (), hours: int = 168) -> ApprovalTerms:
    return ApprovalTerms(hours, tuple(rules) or (TermsRule(ApprovedChanges.ANY, "noc", 1),), approvers)


def signed(person: str, *roles: str, by: str = "", namespace: str = APPROVAL_NAMESPACE, **changes: Any) -> Approval:
    """An approval, signed by a key as `ssh-keygen` would."""
    blank = Approval("example", MEANING, PLAN, person, tuple(sorted(roles)), NOW - timedelta(hours=1))
    approval = replace(blank, **changes)
    made = by_hand(approval_statement(approval), key(by or person), namespace=namespace.encode())
    return replace(approval, signature=made)


def subject(own: ApprovalTerms | None, meaning: str = MEANING, **changes: Any) -> PlanToApprove:
    return replace(PlanToApprove("example", meaning, own, frozenset(), NOW), **changes)


def needs_of(own: ApprovalTerms | None, remembered: ApprovalTerms | None = None) -> tuple[ApprovalNeed, ...]:
    change = Change(RELAY_1, Resource.PATH, "p", Action.UPDATE, Impact.ALL, "r")
    return approval_needs([change], {RELAY_1: HostTerms(("viettel",), remembered)}, own)


def judged(own: ApprovalTerms, *approvals: Approval, **changes: Any) -> Approved:
    return approved(needs_of(own), {f"{n}.json": one for n, one in enumerate(approvals)}, subject(own, **changes))


# --- rebases --------------------------------------------------------------------------------------
HARMLESS = ("a name", "an order", "a designation", "a commit", "applied elsewhere", "a name elsewhere")
HARMFUL = ("a camera there", "a camera elsewhere", "another make", "an allowance", "a limit", "a facility less")


@cache
def rebased(edits: frozenset[str]) -> WrittenPlan:
    """The plan of a merge request that adds a camera, on top of what others have merged and applied meanwhile."""
    world = World()
    elsewhere = 2 if "applied elsewhere" in edits else 1
    world.apply(fleet({"kcl-bg-001": 1, "kcl-bg-002": 1, "kcl-bg-003": elsewhere}))
    counts = {"kcl-bg-001": 2, "kcl-bg-002": 1, "kcl-bg-003": elsewhere}
    counts["kcl-bg-002"] += "a camera there" in edits
    counts["kcl-bg-003"] += "a camera elsewhere" in edits
    if "a facility less" in edits:
        del counts["kcl-bg-002"]
    planned = world.plan(fleet(counts, edits), allow={"trust": 9} | ({"viewers": 7} if "an allowance" in edits else {}))
    basis = replace(planned.plan.basis, inventory="sha256:" + hashlib.sha256(repr(sorted(edits)).encode()).hexdigest())
    plan = replace(planned.plan, basis=basis, commit=hashlib.sha256(repr("a commit" in edits).encode()).hexdigest())
    return written_plan(replace(planned, plan=plan).text(KEY).encode(), "plan.json")


def fleet(counts: dict[str, int], edits: frozenset[str] = frozenset()) -> Any:
    facilities = []
    for name, count in counts.items():
        relay = RELAY_2 if name == "kcl-bg-003" else RELAY_1
        plain = fleets.facility(name, count) | {"plan": {"state": "agreed", "carrier": "viettel", "relay": relay}}
        if ("a name" in edits and name == "kcl-bg-001") or ("a name elsewhere" in edits and name == "kcl-bg-003"):
            plain["name"] = "Trường Khác"
        if "another make" in edits and name == "kcl-bg-001":
            plain["cameras"][0]["make"] = "dahua"
        facilities.append(inventories.signed(plain))
    more: dict[str, Any] = {}
    if "a designation" in edits:
        more["designations"] = [inventories.designation(), inventories.designation("hai-duong")]
    if "an order" in edits:
        more["instructions"] = [
            {"ref": "9/CV", "issuer": "Bộ", "issued_on": "2021-05-10", "before": "2021-05-20", "scope": ["ubnd_tinh"]}
        ]
    if "a limit" in edits:
        more["settings"] = inventories.settings(policy={"limits": {"viewers": 90}})
    relays = [inventories.relay(RELAY_1, 1), inventories.relay(RELAY_2, 2)]
    return inventories.inventory(carriers=[inventories.carrier(relays=relays)], facilities=facilities, **more)


def listed(plan: WrittenPlan) -> list[tuple[str, ...]]:
    return sorted((c.host, c.resource.value, c.name, c.action.value, c.impact.value, c.reason) for c in plan.changes)


@settings(max_examples=240)  # of 154 plans
@given(harmless=st.sets(st.sampled_from(HARMLESS), max_size=2), harmful=st.sets(st.sampled_from(HARMFUL), max_size=1))
def test_approvals_follow_what_a_plan_does_through_rebases(harmless: set[str], harmful: set[str]) -> None:
    before, after = rebased(frozenset()), rebased(frozenset(harmless | harmful))
    own = terms(entry("noc-1", "noc"))
    approval = signed("noc-1", "noc", meaning=before.basis.meaning, plan=before.basis.digest)
    result = judged(own, approval, meaning=after.basis.meaning)
    assert bool(result.lacking) == bool(harmful)
    if listed(before) != listed(after):
        assert result.lacking
    if not result.lacking:
        assert listed(before) == listed(after)
        assert [one.approval.approver for one in result.counted] == ["noc-1"]
    elif harmful:
        assert [one.meaning for one in result.of_others] == [before.basis.meaning]


def test_the_rebases_of_these_laws_are_other_plans_by_their_digests() -> None:
    digests = {rebased(frozenset({edit})).basis.digest for edit in (*HARMLESS, *HARMFUL)}
    assert len(digests) == len(HARMLESS) + len(HARMFUL)


# --- who counts -----------------------------------------------------------------------------------
def test_a_good_approval_counts_and_is_told_with_its_key() -> None:
    result = judged(terms(entry("noc-1", "noc")), signed("noc-1", "noc"))
    assert (result.lacking, result.aside) == ((), {})
    assert [one.key.fingerprint[:7] for one in result.counted] == ["SHA256:"]


FORGED: dict[str, Any] = {
    "another inventory": lambda: signed("noc-1", "noc", inventory="other"),
    "another inventory's name over it": lambda: replace(signed("noc-1", "noc", inventory="other"), inventory="example"),
    "another plan": lambda: signed("noc-1", "noc", meaning=PLAN),
    "another plan's digest over it": lambda: replace(signed("noc-1", "noc", meaning=PLAN), meaning=MEANING),
    "another namespace": lambda: signed("noc-1", "noc", namespace="plan@provisioner"),
    "a file's signature": lambda: signed("noc-1", "noc", namespace="file"),
    "a commit's signature": lambda: signed("noc-1", "noc", namespace="git"),
    "another key": lambda: signed("noc-1", "noc", by="stranger"),
    "another person's name over it": lambda: replace(signed("noc-2", "noc"), approver="noc-1"),
    "a person that is none": lambda: signed("nobody", "noc", by="noc-1"),
    "another role over it": lambda: replace(signed("noc-1", "other"), roles=("noc",)),
    "another role": lambda: signed("noc-1", "other"),
    "a later moment over it": lambda: replace(
        signed("noc-1", "noc", at=NOW - timedelta(days=30)), at=NOW - timedelta(hours=1)
    ),
    "of last month": lambda: signed("noc-1", "noc", at=NOW - timedelta(days=30)),
    "of tomorrow": lambda: signed("noc-1", "noc", at=NOW + timedelta(days=1)),
    "no signature": lambda: replace(signed("noc-1", "noc"), signature="AAAA"),
    "a cut signature": lambda: replace(signed("noc-1", "noc"), signature=signed("noc-1", "noc").signature[:-8]),
    "the other one's signature": lambda: replace(signed("noc-1", "noc"), signature=signed("noc-2", "noc").signature),
}


@MERGE_REQUEST
@pytest.mark.parametrize("forged", FORGED)
def test_what_is_forged_mixed_or_replayed_never_counts_and_says_why(forged: str) -> None:
    own = terms(entry("noc-1", "noc"), entry("noc-2", "noc", carriers=("vnpt",)))
    result = judged(own, FORGED[forged]())
    assert [one.given for one in result.lacking] == [()]
    assert result.counted == ()
    assert [bool(reason) for reason in result.aside.values()] == [True] * (1 - len(result.of_others))
    assert len(result.of_others) == (forged == "another plan")


@MERGE_REQUEST
@settings(max_examples=200)
@given(data=st.data())
def test_no_bit_of_an_approval_can_be_changed_unnoticed(data: st.DataObject) -> None:
    own = terms(entry("noc-1", "noc"))
    whole = bytearray(approval_text(signed("noc-1", "noc")).encode())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        approval = approval_in(bytes(whole))
    except ApprovalFormError:
        return
    counts = not judged(own, approval).lacking
    assert not counts or approval == signed("noc-1", "noc"), "only spaces around values may move"


@MERGE_REQUEST
def test_a_revoked_signer_counts_under_no_terms() -> None:
    remembered = terms(entry("noc-1", "noc"), entry("noc-2", "noc"))
    own = terms(entry("noc-2", "noc"), rules=[TermsRule(ApprovedChanges.POLICY, "noc", 1)])
    needs = needs_of(own, remembered)
    assert [need.terms for need in needs] == [remembered], "the inventory asks nobody for this any more; the host does"
    result = approved(needs, {"a": signed("noc-1", "noc")}, subject(own))
    assert result.lacking
    assert "does not approve by signers.yml" in result.aside["a"]
    assert not approved(needs, {"a": signed("noc-2", "noc")}, subject(own)).lacking


@MERGE_REQUEST
def test_whom_a_merge_request_adds_does_not_count_before_it_is_applied() -> None:
    remembered = terms(entry("noc-1", "noc"))
    own = terms(entry("noc-1", "noc"), entry("mallory", "noc"))
    needs = needs_of(own, remembered)
    result = approved(needs, {"a": signed("mallory", "noc")}, subject(own))
    assert [one.need.terms for one in result.lacking] == [remembered]
    assert not approved(needs, {"a": signed("noc-1", "noc")}, subject(own)).lacking


@MERGE_REQUEST
def test_rules_that_a_merge_request_takes_away_hold_all_the_same() -> None:
    remembered = terms(entry("noc-1", "noc"), entry("noc-2", "noc"), rules=[TermsRule(ApprovedChanges.ANY, "noc", 2)])
    for own in (None, terms(entry("noc-1", "noc"), entry("noc-2", "noc"))):
        needs = needs_of(own, remembered)
        assert approved(needs, {"a": signed("noc-1", "noc")}, subject(own)).lacking
        both = {"a": signed("noc-1", "noc"), "b": signed("noc-2", "noc")}
        assert not approved(needs, both, subject(own)).lacking


@MERGE_REQUEST
def test_a_host_that_was_never_applied_is_held_to_what_the_others_remember() -> None:
    remembered = terms(entry("noc-1", "noc"))
    hosts = {"a-new-one": HostTerms(("viettel",), is_known=False), RELAY_1: HostTerms(("viettel",), remembered)}
    change = Change("a-new-one", Resource.TRUST, "host", Action.CREATE, Impact.NONE, "nothing proves it")
    assert [need.hosts for need in approval_needs([change], hosts, None)] == [("a-new-one",)]


@RELAY
def test_a_relay_that_makes_terms_up_asks_for_more_of_itself_alone() -> None:
    own = terms(entry("noc-1", "noc"))
    made_up = terms(entry("mallory", "noc"), rules=[TermsRule(ApprovedChanges.ANY, "", 9)])
    hosts = {RELAY_1: HostTerms(("viettel",), own), RELAY_2: HostTerms(("viettel",), made_up)}
    changes = [Change(host, Resource.PATH, "p", Action.UPDATE, Impact.PATH, "r") for host in hosts]
    needs = approval_needs(changes, hosts, own)
    result = approved(needs, {"a": signed("noc-1", "noc")}, subject(own))
    assert [(one.need.hosts, one.need.rule.people) for one in result.lacking] == [((RELAY_2,), 9)]


@MERGE_REQUEST
def test_a_person_counts_once_whatever_keys_it_has_and_a_key_whatever_names_it_has() -> None:
    two = [TermsRule(ApprovedChanges.ALL, "", 2)]
    own = terms(entry("noc-1", "noc"), entry("noc-1", "noc", by="second key"), rules=two)
    result = judged(own, signed("noc-1", "noc"), signed("noc-1", "noc", by="second key"))
    assert [one.given for one in result.lacking] == [("noc-1",)]
    shared = terms(entry("noc-1", "noc"), entry("noc-2", "noc", by="noc-1"), rules=two)
    assert judged(shared, signed("noc-1", "noc"), signed("noc-2", "noc", by="noc-1")).lacking
    assert not judged(terms(entry("noc-1", "noc"), entry("noc-2", "noc"), rules=two),
                      signed("noc-1", "noc"), signed("noc-2", "noc")).lacking  # fmt: skip


def test_who_made_a_plan_is_not_the_only_one_who_approves_it() -> None:
    own = terms(entry("noc-1", "noc"), entry("noc-2", "noc"))
    alone = judged(own, signed("noc-1", "noc"), makers=frozenset({"noc-1"}))
    assert "noc-1 made the plan, and nobody else approved it" in alone.lacking[0].words
    both = judged(own, signed("noc-1", "noc"), signed("noc-2", "noc"), makers=frozenset({"noc-1"}))
    assert not both.lacking


def test_a_carrier_s_people_approve_for_its_hosts_alone() -> None:
    own = terms(entry("noc-1", "noc", carriers=("vnpt",)), entry("noc-2", "noc", carriers=("viettel",)))
    assert judged(own, signed("noc-1", "noc")).lacking
    assert not judged(own, signed("noc-2", "noc")).lacking
    change = Change("centre", Resource.PEER, "p", Action.UPDATE, Impact.NONE, "r")
    needs = approval_needs([change], {"centre": HostTerms(("viettel", "vnpt"))}, own)
    assert {need.carrier for need in needs} == {"viettel", "vnpt"}
    assert approved(needs, {"a": signed("noc-1", "noc")}, subject(own)).lacking
    assert not approved(needs, {"a": signed("noc-1", "noc"), "b": signed("noc-2", "noc")}, subject(own)).lacking


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"since": date(2021, 6, 2)}, False),
        ({"until": date(2021, 5, 31)}, False),
        ({"until": date(2021, 6, 1)}, True),
        ({"key": line("another")}, False),
        ({"key": "ssh-ed25519 AAAA"}, False),
        ({"roles": ("other",)}, False),
    ],
)
def test_a_key_counts_from_its_first_day_to_its_last(changes: dict[str, Any], counts: bool) -> None:  # noqa: FBT001
    own = terms(entry("noc-1", "noc", **changes))
    assert bool(judged(own, signed("noc-1", "noc")).lacking) != counts


KINDS: dict[ApprovedChanges, Callable[[Change], bool]] = {
    ApprovedChanges.ANY: lambda _change: True,
    ApprovedChanges.PATH: lambda change: change.impact in {Impact.PATH, Impact.ALL},
    ApprovedChanges.ALL: lambda change: change.impact is Impact.ALL,
    ApprovedChanges.POLICY: lambda change: (
        change.resource is Resource.TRUST
        and change.name.startswith(("limit ", "freeze ", "protected ", "signing: ", "approval: "))
    ),
    ApprovedChanges.TRUST: lambda change: (
        change.resource is Resource.TRUST
        and not change.name.startswith(("limit ", "freeze ", "protected ", "signing: ", "approval: "))
    ),
}
NAMES = ("address", "host", "limit viewers", "freeze x", "protected facility/x", "signing: x", "approval: x")


@settings(max_examples=200)
@given(
    kind=st.sampled_from(sorted(ApprovedChanges)),
    drawn=st.lists(
        st.tuples(st.sampled_from(sorted(Resource)), st.sampled_from(sorted(Impact)), st.sampled_from(NAMES))
    ),
)
def test_a_rule_asks_for_people_exactly_where_it_is_about_a_change(
    kind: ApprovedChanges, drawn: list[tuple[Resource, Impact, str]]
) -> None:
    changes = [Change(RELAY_1, resource, name, Action.UPDATE, impact, "r") for resource, impact, name in drawn]
    own = terms(rules=[TermsRule(kind, "noc", 1)])
    needs = approval_needs(changes, {RELAY_1: HostTerms(("viettel",))}, own)
    assert bool(needs) == any(KINDS[kind](change) for change in changes)


def test_no_rule_asks_for_nobody() -> None:
    assert needs_of(None) == ()
    assert approved((), {"a": signed("noc-1", "noc")}, subject(None)).counted == ()


# --- files ----------------------------------------------------------------------------------------
def test_an_approval_is_read_as_it_was_written() -> None:
    approval = signed("noc-1", "noc", "security")
    assert approval_in(approval_text(approval).encode()) == approval
    assert approval.file_name == "aaaaaaaaaaaaaaaa-noc-1.json"


ODD: dict[str, bytes] = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe{}",
    "a list": b"[]",
    "deep": b"[" * 30_000,
    "large": b'{"schema": "' + b"x" * 60_000 + b'"}',
    "YAML with a tag": b"!!python/object/apply:os.system [touch /tmp/canary]",
    "a number without end": b'{"version": 1e999}',
}


@MERGE_REQUEST
@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_approval_is_told_so(odd: str) -> None:
    with pytest.raises(ApprovalFormError):
        approval_in(ODD[odd])


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("approver", "noc-1\x1b[2J"),
        ("approver", "../../etc/passwd"),
        ("approver", "x" * 200),
        ("roles", []),
        ("roles", ["noc", "noc"]),
        ("roles", ["noc\n"]),
        ("roles", "noc"),
        ("at", "2021-06-01"),
        ("at", "2021-06-01T02:00:00+07:00"),
        ("at", "2021-13-01T02:00:00Z"),
        ("meaning", "sha256:A"),
        ("inventory", "example\u202e"),
        ("signature", "A" * 40_000),
        ("signature", "not base64!"),
        ("version", 2),
        ("schema", "provisioner/plan"),
        ("more", 1),
    ],
)
def test_a_field_of_another_form_is_no_approval(name: str, value: object) -> None:
    document = json.loads(approval_text(signed("noc-1", "noc"))) | {name: value}
    with pytest.raises(ApprovalFormError, match=r"^is no approval$|^is larger"):
        approval_in(json.dumps(document).encode())


@MERGE_REQUEST
def test_a_key_that_stands_twice_is_no_approval() -> None:
    text = approval_text(signed("noc-1", "noc")).replace('"version": 1', '"version": 1, "version": 1')
    with pytest.raises(ApprovalFormError):
        approval_in(text.encode())


# --- a warrant: what a node is told of a plan and of its approvals ------------------------------------
_BASIS = Basis("", "t", {}, planned={"relay-1": "p"}, desired={"relay-1": "d"}, requests={"relay-1": {"apply": "r"}})
_WARRANT = json.loads(warrant_bytes("example", _BASIS, [signed("an", "noc")]))


def test_a_warrant_is_read_as_it_was_written() -> None:
    warrant = warrant_in(json.dumps(_WARRANT).encode())
    assert (warrant.inventory, warrant.approvals) == ("example", (signed("an", "noc"),))
    assert warrant.basis.requests == _BASIS.requests


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "provisioner/plan"}, "is of another form"),
        ({"version": _WARRANT["version"] - 1}, "is of another form"),
        ({"approvals": _WARRANT["approvals"] * 101}, "is of another form"),
        ({"approvals": ["{}"]}, "has an approval that"),
        ({"allow": {"restart": True}}, "is not as such are"),
        ({"held": [1]}, "is not as such are"),
        ({"templates": "t" * 9 * 2**20}, "is larger than any is"),
    ],
)
def test_what_is_no_warrant_is_told_so(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(WarrantError, match=words):
        warrant_in(json.dumps(_WARRANT | changes).encode())
    assert warrant_in(json.dumps(_WARRANT | {"approvals": _WARRANT["approvals"] * 100}).encode())
