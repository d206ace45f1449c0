"""`provisioner agent`."""

from pathlib import Path
from typing import Final, Literal

import click

from provisioner.base.document import Printed, Row
from provisioner.base.errors import UsageError
from provisioner.base.files import read_regular
from provisioner.base.text import local_time, printable
from provisioner.cli.support.context import Invocation, ended_by_signal, log, print_document, show
from provisioner.cli.support.terminal import ValidPath
from provisioner.operations.agent.decision import Act
from provisioner.operations.agent.run import Agent, code_of, status_line
from provisioner.operations.agent.settings import AgentSettings, read_agent_settings
from provisioner.plan.change import Impact
from provisioner.record.sent import CommitRow, reached_last, read_commit_states
from provisioner.record.state_folder import state_folder_of

_MOST_SETTINGS: Final = 64 * 1024
_SHOWN: Final = 20


@click.command()
@click.argument("file", type=ValidPath(dir_okay=False), metavar="FILE")
@click.option("--once", is_flag=True, help="Run one round, and exit with its code.")
@click.option("--again", is_flag=True, help="Retry a commit that failed or was refused for its errors.")
@click.option("--status", "shows", is_flag=True, help="Show the outcome of commits, and exit.")
def agent(invocation: Invocation, file: Path, *, once: bool, again: bool, shows: bool) -> int:
    """Follow a branch of a Git remote, and apply its signed commits.

    FILE (TOML) has at least inventory = "ID", remote = "URL" and signers = "FILE", a file of allowed signers as in
    ssh-keygen(1). The agent fetches each commit into its own clone and checks the signature against FILE's signers. It
    plans from live hosts. When the commit has the approvals that the inventory asks for, it applies the plan in waves,
    verifies all paths and reports the outcome.

    The agent corrects drift if no viewer would notice, and reports all other drift. One of several agents leads; the
    others stand by. A first SIGINT, SIGTERM or SIGHUP ends the agent with exit code 0, a second one at once with 130.

    Example: provisioner agent /etc/provisioner/agent.toml --once
    """
    if invocation.chosen is not None:
        raise UsageError(
            "an agent works on a clone of its own, not on -i DIR", hint="leave -i out: FILE names the remote"
        )
    if shows and (once or again):
        raise UsageError("--status shows, and does nothing", hint="leave --once and --again out")
    settings = _read_settings(file)
    if shows:
        return _show_states(invocation, settings)
    agent = Agent(settings, invocation.env, log, again=again)
    if once:
        return _run_once(invocation, agent, settings)
    with ended_by_signal() as stop:
        agent.run(stop)
    return 0


def _read_settings(file: Path) -> AgentSettings:
    try:
        text = read_regular(file, most=_MOST_SETTINGS).decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"{file} cannot be read", hint="name the agent's file; what it holds at least: provisioner agent --help"
        ) from None
    return read_agent_settings(text, str(file))


def _run_once(invocation: Invocation, agent: Agent, settings: AgentSettings) -> int:
    end = agent.once()
    drift = [{"host": host, "impacts": impacts} for host, impacts in sorted(end.drifted.items())]
    of_branch = {"inventory": settings.inventory, "branch": settings.branch, "step": end.step.act}
    commits = [end.row] if end.row else []
    show(invocation, AgentDocument.made_of(end, commits=commits, drift=drift, **of_branch), [status_line(end)])
    return code_of(end)


class AgentDrift(Row):
    """A host with drift, and the impacts of its changes."""

    host: str
    impacts: tuple[Impact, ...]


class AgentDocument(Printed, name="agent", title="A branch followed"):
    """Output of `provisioner agent --once` and `agent --status` with `--output json`."""

    inventory: str
    branch: str
    tip: str = ""
    reached: str
    step: Act | Literal[""] = ""
    commits: tuple[CommitRow, ...]
    drift: tuple[AgentDrift, ...] = ()
    problems: tuple[str, ...] = ()


def _show_states(invocation: Invocation, settings: AgentSettings) -> int:
    rows = read_commit_states(state_folder_of(invocation.env, settings.inventory))
    if invocation.json:
        reached = reached_last(rows)
        commit = reached.commit if reached else ""
        of_branch = {"inventory": settings.inventory, "branch": settings.branch}
        print_document(AgentDocument(reached=commit, commits=rows, **of_branch).plain)
        return 0
    for row in rows[:_SHOWN]:
        detail = row.reason or row.proof or (f"with {row.within[:12]}" if row.within else "")
        click.echo(printable(f"{local_time(row.at)}  {row.state:8} {row.commit[:12]}  {detail}".rstrip()))
    if not rows:
        click.echo(f"no agent has judged a commit of {settings.inventory} here")
    return 0
