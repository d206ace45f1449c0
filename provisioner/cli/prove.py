"""`provisioner prove`."""

from __future__ import annotations

import click

from provisioner.base.errors import PolicyError
from provisioner.cli.context import Invocation
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.output import print_document, print_warning, problem_document, problem_lines
from provisioner.cli.session import session_of
from provisioner.report.reachability import ending_lines, matrix_lines, reachability_document
from provisioner.runs.reachability import ReachProof
from provisioner.runs.reachability import prove as prove_reach

_ABOUT_NOTHING = 1


@click.command()
@click.option("--from", "sources", multiple=True, metavar="PLACE", help="Only from there; may be given several times.")
@click.option("--to", "targets", multiple=True, metavar="PLACE", help="Only to there; may be given several times.")
@click.option("--why", is_flag=True, help="A line a service, with the rule that decides it.")
@click.pass_obj
def prove(invocation: Invocation, sources: tuple[str, ...], targets: tuple[str, ...], *, why: bool) -> int:
    """Show who can reach what by the inventory, and hold every statement against it.

    By the rules, tunnels and logins that are rendered: no host is asked, and no vault is opened. Statements are the
    built-in ones and those of intents.yml; a plan that breaks one is refused. A PLACE is internet, management,
    centres, relays, sites, or one of them: management/viettel, centre/ID, relay/ID, site/FACILITY, province/SLUG.
    What is judged is what hosts should have; whether they have it, drift tells.
    Ends with 6 if a statement does not hold, and with 1 if one of intents.yml is about nothing that is there.

    Example: provisioner -i DIR prove --from site/kcl-bg-001 --why
    """
    session = session_of(invocation)
    proof = prove_reach(session, sources, targets)
    if invocation.json:
        problems = [problem_document(problem) for problem in proof.problems]
        document = reachability_document(proof.cells, proof.results)
        print_document(document | {"problems": problems, "held": held_documents(proof.held)})
    else:
        _print(invocation, proof, why=why)
    code = PolicyError.exit_code if proof.problems else _ABOUT_NOTHING if proof.about_nothing else 0
    return code_with_held(code, proof.held)


def _print(invocation: Invocation, proof: ReachProof, *, why: bool) -> None:
    for line in matrix_lines(proof.cells, why=why):
        click.echo(line)
    click.echo("")
    for result in proof.about_nothing:
        message = f"intent {result.statement.name} is about nothing that is there: {result.statement.words}"
        print_warning(message, "remove it from intents.yml, or correct what it names", color=invocation.color)
    print_held(proof.held, color=invocation.color, what="nothing is said of them")
    for line in problem_lines(proof.problems):
        click.echo(line, err=True, color=invocation.color)
    for line in ending_lines(proof.cells, proof.results):
        click.echo(line)
