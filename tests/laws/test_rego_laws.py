"""Laws of Rego rules: no answer but a clear one lets a plan pass, and no edit of rules goes unsaid."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from provisioner.base.text import VIETNAM
from provisioner.desired.trust import AppliedPolicy
from provisioner.inventory.policy_rules.engine import RegoAnswer, verdict_of
from provisioner.inventory.policy_rules.file import RegoFile, RegoTextError, parsed_module, words_of
from provisioner.inventory.policy_rules.judge import input_fields, static_faults
from provisioner.plan.change import Action, Change, Impact, Resource, is_of_policy
from provisioner.plan.diff.trust import _loosened_policy
from provisioner.plan.guards.policy_rules import PlanForRego, rego_input, rego_refusals
from tests.hostile import MERGE_REQUEST

HEAD = "package provisioner.x\n\nimport rego.v1\n\n"
RULES = parsed_module("x", HEAD + 'deny contains "a" if input.offline\n\nwarn contains "b" if input.offline\n').judging
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["message", "hint", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
ANSWERS = st.builds(RegoAnswer, JSON, st.sampled_from(["", "", "", "it failed"]), st.booleans())
NOW = datetime(2021, 5, 20, 12, 30, tzinfo=UTC)


@MERGE_REQUEST
@given(ANSWERS, ANSWERS)
def test_a_plan_passes_exactly_where_every_rule_said_clearly_that_it_may(deny: RegoAnswer, warn: RegoAnswer) -> None:
    def is_message(value: object) -> bool:
        if isinstance(value, dict):
            texts = all(isinstance(one, str) for one in value.values())
            return texts and set(value) <= {"message", "hint"} and bool(value.get("message", "").strip())
        return isinstance(value, str) and bool(value.strip())

    verdict = verdict_of("policy/x.rego", RULES, [deny, warn])
    passes = not rego_refusals(verdict)
    warns = isinstance(warn.value, list) and warn.is_defined and all(map(is_message, warn.value))
    assert passes == (deny.is_defined and deny.value == [] and isinstance(deny.value, list) and warns)
    listed = (*verdict.denied, *verdict.warned, *verdict.failed)
    assert all(one.message.isprintable() and one.hint.isprintable() and one.line in {5, 7} for one in listed)


@given(
    st.text(st.characters(codec="utf-8"), max_size=60) | st.text('{}[]()":=#`some in if with deny.\n\t 12', max_size=60)
)
def test_any_text_is_words_at_their_places_or_an_error_with_a_place(text: str) -> None:
    try:
        words = words_of(text)
    except RegoTextError as error:
        words, place = (), (error.line, error.column)
        assert min(place) >= 1
    for word in words:
        assert text[word.offset : word.offset + len(word.text)] == word.text
        assert text[: word.offset].count("\n") == word.line - 1
        assert word.offset - (text[: word.offset].rfind("\n") + 1) == word.column - 1


@given(
    st.text('{}[]()":=# some in if with as deny contains not every x input.changes\n\t12', max_size=120), st.booleans()
)
def test_no_text_makes_the_look_at_it_fail(body: str, is_test: bool) -> None:  # noqa: FBT001
    static_faults(parsed_module("x", HEAD + body, is_test=is_test), parsed_module("x", HEAD))


FILES = st.dictionaries(st.sampled_from(["a", "b", "c_test", "d"]), st.sampled_from(["1", "2"]), max_size=4)


@MERGE_REQUEST
@given(FILES, FILES)
def test_rules_that_go_or_change_are_trust_and_new_ones_not(before: dict[str, str], after: dict[str, str]) -> None:
    def policy(files: dict[str, str]) -> AppliedPolicy:
        listed = (RegoFile(f"policy/{name}.rego", text) for name, text in files.items())
        return AppliedPolicy(rego=tuple(sorted(file.mark for file in listed if not file.is_test)))

    found = list(_loosened_policy(policy(before), policy(after), NOW))
    lost = {name for name, text in before.items() if not name.endswith("_test") and after.get(name) != text}
    assert {name for name, _, _ in found} == {f"Rego rules {name}.rego" for name in lost}
    for name, action, reason in found:
        assert action is (Action.UPDATE if name.split()[2].removesuffix(".rego") in after else Action.DELETE)
        assert is_of_policy(Change("relay-1", Resource.TRUST, name, action, Impact.NONE, reason))


CHANGES = st.lists(
    st.builds(
        Change,
        st.sampled_from(["relay-1", "relay-2", "centre-1"]),
        st.sampled_from([Resource.PATH, Resource.PEER, Resource.FILE, Resource.TRUST]),
        st.text(max_size=5),
        st.sampled_from(list(Action)),
        st.sampled_from(list(Impact)),
        st.text(max_size=5),
        province=st.just("bac-giang"),
        facility=st.sampled_from(["", "kcl-bg-001", "kcl-bg-002"]),
    ),
    max_size=8,
)
VALIDATOR = Draft202012Validator(dict(input_fields().schema))


@given(CHANGES, st.dictionaries(st.sampled_from(["kcl-bg-001", "kcl-bg-003"]), st.integers(0, 9)))
def test_what_rules_see_is_as_its_schema_says_and_leaves_out_nothing_that_changes(
    changes: list[Change], cameras: dict[str, int]
) -> None:
    seen: dict[str, Any] = rego_input(PlanForRego("ours", changes, {}, cameras), NOW)
    VALIDATOR.validate(seen)
    changing = [change for change in changes if change.pending]
    assert [(one["host"], one["name"]) for one in seen["changes"]] == [(c.host, c.name) for c in changing]
    assert {one["id"] for one in seen["hosts"]} == {change.host for change in changing}
    assert {one["id"] for one in seen["facilities"]} == {change.facility for change in changing} - {""}
    for one in seen["facilities"]:
        own = [c for c in changes if c.facility == one["id"] and c.resource is Resource.PATH]
        assert one["new"] == (one["id"] in cameras and all(c.action is Action.CREATE for c in own))
    total = {action: sum(one["counts"][action] for one in seen["hosts"]) for action in ("create", "update", "delete")}
    assert total == {action: seen["summary"][action] for action in total}


@given(st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1)), st.integers(-12, 12))  # noqa: DTZ001 (naive)
def test_the_moment_is_vietnam_s_whatever_the_clock_s_zone_is(at: datetime, hours: int) -> None:
    moment = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    now: Any = rego_input(PlanForRego("ours", [], {}, {}), moment)["now"]
    local = moment.astimezone(VIETNAM)
    assert (now["date"], now["hour"], now["minute"]) == (str(local.date()), local.hour, local.minute)
    assert now["weekday"] == local.strftime("%A").lower()
