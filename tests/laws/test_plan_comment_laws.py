"""Laws of the merge-request comment: always short enough, and nothing that a host wrote is markup in it."""

import re
from collections.abc import Iterator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.plan import Basis, Plan
from provisioner.report.plan_markdown import MAX_BYTES, plan_comment

FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
NASTY = [
    *("`", "``", "<", ">", "|", "*", "_", "@ops", "#1", "[x](http://example.com)", "![x](y)", "\n\n# big"),
    "</details>",
]
NASTY += ["<script>", "\x1b[31m", "\u202e", "\u2028", "\\", "&lt;", "~~~", "$G1", "- ", "--", "Ẳ", "😀", " "]
words = st.lists(st.sampled_from(NASTY) | st.text(max_size=5), min_size=1, max_size=8).map("".join)
short = words.map(lambda text: text[:30])


@st.composite
def changes(draw: st.DrawFn) -> Change:
    viewers = draw(st.integers(0, 9))
    host, name = draw(short), draw(words)
    return Change(
        host,
        draw(st.sampled_from(Resource)),
        name,
        draw(st.sampled_from(Action)),
        draw(st.sampled_from(Impact)),
        draw(words),
        {host: {name: viewers}} if viewers else {},
        draw(short),
        draw(short),
    )


plans = st.builds(
    Plan,
    basis=st.builds(Basis, st.just("i"), st.just("t"), st.just({}), allow=st.just({"hosts": 3})),
    changes=st.lists(changes(), max_size=15).map(tuple),
    commit=short,
    left_out=st.lists(short, max_size=4).map(tuple),
    refused=st.lists(
        st.builds(PlanRefusal, st.sampled_from(["hosts", "lock_out"]), message=words, hint=words), max_size=4
    ).map(tuple),
    uncounted=st.lists(short, max_size=3).map(tuple),
    unreadable=st.dictionaries(short, words, max_size=3),
    notes=st.lists(words, max_size=3).map(tuple),
)


def tokens(text: str) -> Iterator[Token]:
    """Every token that a forge would make of a comment, those inside lines too."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


OURS = re.compile(
    r"[A-Za-z0-9 .,:;%()~+=…_-]*|<details><summary>[A-Za-z ]+ \(\d+\)</summary>\n*|</details>\n*", re.DOTALL
)
ALLOWED = {"heading", "paragraph", "inline", "text", "code_inline", "bullet_list", "list_item", "strong", "softbreak"}
ALLOWED |= {"table", "thead", "tbody", "tr", "th", "td", "html_block"}


@FEW
@given(plan=plans)
def test_nothing_that_a_host_wrote_is_markup(plan: Plan) -> None:
    for token in tokens(plan_comment(plan)):
        assert token.type.removesuffix("_open").removesuffix("_close") in ALLOWED, token
        if token.type in {"text", "html_block"}:
            assert OURS.fullmatch(token.content), token.content


@FEW
@given(plan=plans, times=st.integers(1, 80), length=st.integers(1, 60))
def test_a_comment_is_never_too_long_and_says_what_it_leaves_out(plan: Plan, times: int, length: int) -> None:
    many = tuple(
        Change(
            c.host, c.resource, f"{c.name * length}/{n}", c.action, c.impact, c.reason * length, c.cut, f"{n}", f"{n}"
        )
        for n in range(times)
        for c in plan.changes
    )
    refused = plan.refused * times
    large = Plan(
        plan.basis, many, plan.commit * length, plan.left_out * times, refused=refused, notes=plan.notes * times
    )
    text = plan_comment(large)
    assert len(text.encode()) < MAX_BYTES
    total = len(large.pending)
    listed = len(re.findall(r"^- (?:create|update|delete) ", text.partition("<summary>Every change")[2], re.MULTILINE))
    if listed < total:
        assert "left out of this comment" in text


def test_the_worst_comes_first() -> None:
    some = [
        Change(
            "relay",
            Resource.PATH,
            f"p/f/cam-{n}/sub",
            Action.UPDATE,
            impact,
            "differs",
            {"relay": {"x": n}} if n else {},
        )
        for n, impact in enumerate([Impact.HOT, Impact.PATH, Impact.ALL, Impact.PATH])
    ]
    text = plan_comment(Plan(Basis("i", "t", {}), tuple(some)))
    places = [text.index(f"cam-{n}/") for n in (2, 3, 1, 0)]
    assert places == sorted(places)


def test_a_comment_closes_what_it_opens() -> None:
    many = tuple(
        Change(
            "relay",
            Resource.PATH,
            f"p/f{n}/cam/sub",
            Action.DELETE,
            Impact.PATH,
            "x" * 300,
            province="p",
            facility=f"f{n}",
        )
        for n in range(5000)
    )
    text = plan_comment(Plan(Basis("i", "t", {}), many))
    assert text.count("<details>") == text.count("</details>") >= 1
    assert 40_000 < len(text.encode()) < MAX_BYTES
