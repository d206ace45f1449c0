"""`provisioner policy`: test an inventory's Rego rules, and show their input."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click

from provisioner.base.document import Printed
from provisioner.base.errors import HostError, InventoryError, Severity
from provisioner.base.language import Translator
from provisioner.base.text import printable
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, print_document, print_error
from provisioner.cli.support.options import limit_option
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import Terminal, stdout_of
from provisioner.desired.limit import parse_limits
from provisioner.inventory.policy_rules.file import RegoFile
from provisioner.inventory.policy_rules.judge import RegoTest, RegoTestEnd, rego_problems, run_tests
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import make_plan, rego_input_of

_COLOURS = {RegoTestEnd.PASSED: "green", RegoTestEnd.FAILED: "red", RegoTestEnd.UNTESTED: "red"}
_FAILED = 1


@click.group(cls=NamedGroup)
def policy() -> None:
    """Test the Rego rules of an inventory, and show their input.

    Rules in policy/*.rego judge every plan beside the limits of inventory.yml; their tests stand beside them, in
    policy/*_test.rego.

    A file begins with a package of its own and "import rego.v1", has a "deny contains …" or a "warn contains …", and
    sees no other file and no data. Every name in it is declared (some, every, :=, an argument, a rule), every field
    taken of input is one of `provisioner schema policy-input`, and a test is about one plan: "with input as …".

    Rules may call functions of their own file, and these:

    abs, array.concat, array.flatten, array.reverse, array.slice, ceil, concat, contains, count, endswith, floor,
    format_int, glob.match, indexof, intersection, is_array, is_boolean, is_null, is_number, is_object, is_set,
    is_string, lower, max, min, numbers.range, object.filter, object.get, object.keys, object.remove, object.subset,
    object.union, product, regex.is_valid, regex.match, round, set, sort, split, sprintf, startswith,
    strings.any_prefix_match, strings.any_suffix_match, strings.count, strings.reverse, substring, sum,
    time.add_date, time.clock, time.date, time.diff, time.format, time.parse_rfc3339_ns, time.weekday, to_number,
    trim, trim_left, trim_prefix, trim_right, trim_space, trim_suffix, type_name, union, upper.
    """


@policy.command()
def test(invocation: Invocation) -> int:
    """Run the tests of the inventory's Rego rules.

    The command runs every rule test_… of policy/*_test.rego and prints its result. Then it leaves out each deny and
    warn in turn, and names each rule that no test misses: such a rule may never refuse a plan. It needs no host, no
    vault and no network. Exit code 1: a test fails, or no test misses a rule; 3: a file cannot be evaluated.

    Example: provisioner -i DIR policy test
    """
    files = _files(session_of(invocation))
    tests = run_tests(files)
    failed = any(test.end is not RegoTestEnd.PASSED for test in tests)
    if invocation.json:
        rules = [file.path for file in files if not file.is_test]
        print_document(PolicyTestDocument(ok=not failed, files=rules, tests=tests).plain)
    else:
        terminal = stdout_of(invocation.env)
        terminal.print(_test_lines(files, tests, terminal, invocation.say))
    return _FAILED if failed else 0


@policy.command("input")
@limit_option
def input_(invocation: Invocation, limits: tuple[str, ...]) -> int:
    """Print the input that Rego rules would get for the plan of now, as JSON.

    The command reads every chosen host, changes none and evaluates no rule. Exit code 5: a host could not be read.
    `provisioner schema policy-input` describes each field.

    Example: provisioner -i DIR policy input --limit province=bac-giang
    """
    session, now = session_of(invocation), datetime.now(UTC)
    planned = make_plan(session, parse_limits(limits), now=now, is_judged=False)
    print_document(rego_input_of(planned.plan, session.served, {spec.id: spec for spec in planned.hosts}, now))
    for _, error in sorted(planned.unreadable.items()):
        print_error(error)
    return HostError.exit_code if planned.unreadable else 0


def _files(session: Session) -> tuple[RegoFile, ...]:
    loaded = session.loaded
    files = loaded.frame.rego if loaded.frame else ()
    problems = [problem for problem in loaded.problems if problem.is_of_rego]
    problems += rego_problems(files, session.root)
    errors = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
    if errors:
        hint = "correct the places listed"
        raise InventoryError(f"the Rego rules of {session.root} cannot be tested", problems=errors, hint=hint)
    return files


class PolicyTestDocument(Printed, name="policy-test", title="Tests of Rego rules"):
    """Output of `provisioner policy test --output json`."""

    ok: bool
    files: tuple[str, ...]
    tests: tuple[RegoTest, ...]


def _test_lines(
    files: Sequence[RegoFile], tests: Sequence[RegoTest], terminal: Terminal, say: Translator
) -> Iterator[str]:
    for row in tests:
        head = f"{click.style(say.word(row.end), fg=_COLOURS[row.end])} {row.file}:{row.line} {printable(row.name, 80)}"
        yield from terminal.below(head, printable(say.restated(row.detail)), 2)
    rules = sum(len(file.module.judging) for file in files if not file.is_test)
    if not rules:
        yield say("no Rego rules in policy/")
        return
    ended = {end: sum(row.end is end for row in tests) for end in RegoTestEnd}
    counted = {"rules": say.counted(rules, "Rego rule"), "tests": say.counted(ended[RegoTestEnd.PASSED], "test")}
    if ended[RegoTestEnd.FAILED]:
        failed = say.counted(ended[RegoTestEnd.FAILED], "test")
        yield say("failed: {failed}; {tests} passed, {rules}", failed=failed, **counted)
    elif ended[RegoTestEnd.UNTESTED]:
        missed = say.counted(ended[RegoTestEnd.UNTESTED], "Rego rule")
        yield say("untested: {missed}, which no test misses; {tests} passed, {rules}", missed=missed, **counted)
    else:
        yield say("passed: {tests}, {rules}, each missed by a test", **counted)
