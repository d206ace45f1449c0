"""A plan on terminals of every kind, and in logs."""

import io
import os

import click
import pytest

from provisioner.cli.plan_text import plan_lines
from provisioner.cli.support.terminal import Terminal
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.plan import Basis, Plan

RELAY = "relay-viettel-1"


class Screen(io.TextIOWrapper):
    """A stream that says of itself what a test wants."""

    def __init__(self, encoding: str, *, watched: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="backslashreplace", write_through=True)
        self._watched = watched

    def isatty(self) -> bool:
        return self._watched

    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


def path(number: int, impact: Impact = Impact.PATH, viewers: int = 1, reason: str = "source a → b") -> Change:
    name = f"bac-giang/kcl-bg-{number:03}/cam-01/sub"
    cut = {RELAY: {name: viewers}} if viewers else {}
    return Change(RELAY, Resource.PATH, name, Action.UPDATE, impact, reason, cut, "bac-giang", f"kcl-bg-{number:03}")


def plan(*changes: Change, **more: object) -> Plan:
    return Plan(Basis("i", "t", {}), changes, carriers={RELAY: "viettel"}, **more)  # type: ignore[arg-type]


def printed(the_plan: Plan, screen: Screen, env: dict[str, str] | None = None, **options: bool) -> str:
    env = env or {}
    terminal = Terminal.of(screen, env, color=False if env.get("NO_COLOR") else None)
    details, everything = options.get("details", False), options.get("everything", False)
    terminal.print(plan_lines(the_plan, terminal, details=details, everything=everything))
    return screen.text()


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((72, 24)))


def test_colour_is_for_terminals_and_never_where_it_is_not_wanted() -> None:
    the_plan = plan(path(1))
    assert "\x1b[" in printed(the_plan, Screen("utf-8", watched=True))
    assert "\x1b[" not in printed(the_plan, Screen("utf-8", watched=False))
    assert "\x1b[" not in printed(the_plan, Screen("utf-8", watched=True), {"NO_COLOR": "1"})
    assert "\x1b[" not in printed(the_plan, Screen("utf-8", watched=True), {"TERM": "dumb"})


def test_lines_fit_a_terminal_and_are_whole_in_a_log() -> None:
    the_plan = plan(path(1, reason="source " + " and ".join(f"rtsp://10.91.0.{n}:10554/x" for n in range(9))))
    shown = printed(the_plan, Screen("utf-8", watched=True), {"NO_COLOR": "1"}).splitlines()
    reason = [line for line in shown if "rtsp://" in line]
    assert len(reason) > 3
    assert all(len(line) <= 72 for line in reason)
    logged = printed(the_plan, Screen("utf-8", watched=False)).splitlines()
    assert len([line for line in logged if "rtsp://" in line]) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_arrows_gets_them_in_letters(encoding: str) -> None:
    shown = printed(plan(path(1)), Screen(encoding, watched=True), {"NO_COLOR": "1"})
    assert "source a -> b" in shown
    assert "\\u2192" not in shown


def test_what_a_host_wrote_does_not_speak_to_the_terminal() -> None:
    nasty = Change(RELAY, Resource.RULE, "input/\x1b]0;x\x07\u202e", Action.DELETE, Impact.HOT, "a\nb\x1b[2J", {})
    refused = (PlanRefusal("lock_out", message="x\x1b[31m", hint="do something"),)
    shown = printed(plan(nasty, refused=refused), Screen("utf-8", watched=False), details=True)
    assert not {c for c in shown if not c.isprintable()} - {"\n"}
    assert "input/?]0;x??" in shown


def test_the_worst_is_first_and_what_is_not_listed_is_counted() -> None:
    many = [path(n, viewers=n) for n in range(30)] + [path(99, Impact.ALL, 1), path(98, Impact.HOT, 0)]
    lines = printed(plan(*many), Screen("utf-8", watched=False)).splitlines()
    start = lines.index("who reconnects:")
    assert "kcl-bg-099" in lines[start + 1]
    assert "kcl-bg-029" in lines[start + 2]
    assert "also: 12 paths; --details lists every change" in lines
    assert "  … and 12 facilities more: --details lists them" in lines
    whole = printed(plan(*many), Screen("utf-8", watched=False), details=True)
    assert whole.count("bac-giang/kcl-bg-") == 32


def test_totals_come_first_by_carrier_then_by_province() -> None:
    centre = Change("centre", Resource.FILE, "/etc/x", Action.UPDATE, Impact.NONE, "content differs")
    lines = printed(plan(path(1, viewers=2), centre), Screen("utf-8", watched=False)).splitlines()
    assert lines[0] == "2 to update on 2 hosts (0 as desired)"
    assert lines[1] == "viewers dropped: 2; worst impact: path (this path's readers reconnect)"
    assert [line.split()[0] for line in lines[3:6]] == ["carrier", "centres", "viettel"]
    assert [line.split()[0] for line in lines[7:10]] == ["province", "bac-giang", "kcl-bg-001"]


def test_an_empty_plan_is_one_line_and_its_digest() -> None:
    same = Change(RELAY, Resource.FILE, "/etc/x", Action.NOOP, Impact.NONE, "same content")
    shown = printed(plan(same), Screen("utf-8", watched=False)).splitlines()
    assert shown[0] == "no change: 1 resource as desired"
    assert shown[-1].startswith("plan sha256:")


def test_everything_that_is_left_out_is_named() -> None:
    the_plan = plan(path(1), left_out=tuple(f"relay-{n}" for n in range(12)), outside=(path(2),), notes=("look there",))
    text = printed(the_plan, Screen("utf-8", watched=False))
    assert "left out by --limit: 12 hosts, not read: relay-0" in text
    assert "and 4 more" in text
    assert "outside --limit on chosen hosts: 1 pending change" in text
    assert "note: look there" in text


def test_viewers_that_are_not_known_are_no_zero() -> None:
    text = printed(plan(path(1, viewers=0), uncounted=(RELAY,)), Screen("utf-8", watched=False))
    assert f"viewers dropped: 0, and those of {RELAY}, which are not known" in text


def test_a_table_that_is_too_wide_is_cut_in_its_first_column() -> None:
    long = path(1)._replace(facility="f" * 63)
    shown = printed(plan(long), Screen("utf-8", watched=True), {"NO_COLOR": "1"}).splitlines()
    row = next(line for line in shown if line.startswith("  fff"))
    assert len(row) <= 72
    assert "…" in row
    assert click.unstyle(row).split()[-1] == "path"
