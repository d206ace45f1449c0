"""`provisioner forge`: a pipeline's reports to its forge."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from provisioner.base.document import Count, Printed, absent
from provisioner.base.errors import UsageError, os_errors, raised_as
from provisioner.base.files import read_regular
from provisioner.base.http import HttpLimits
from provisioner.base.secret import Secret
from provisioner.base.text import Document, checked_url, counted, msg
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, show
from provisioner.cli.support.terminal import ListedWord, ValidPath
from provisioner.integrations.forge import client as forge_client
from provisioner.integrations.forge.dialects import CommitStatus, StatusState
from provisioner.plan.document import COMPARE_SCHEMA, DRIFT_SCHEMA, SCHEMA
from provisioner.plan.saved.file import MAX_PLAN_BYTES

F = TypeVar("F", bound=Callable[..., object])

_MOST_TEXT: Final = 60_000
_MOST_READ: Final = 16 * 1024 * 1024
_MOST_TOKEN: Final = 4096
_KINDS: Final = tuple(kind.value for kind in forge_client.ForgeKind)
_SCHEMAS: Final = (SCHEMA, COMPARE_SCHEMA, DRIFT_SCHEMA)


@click.group(cls=NamedGroup)
def forge() -> None:
    """Comment on merge requests; set labels and commit statuses.

    In a pipeline of GitHub, GitLab, Forgejo or Gitea the command knows the forge, the project, the merge request and
    the commit. The token is in PROVISIONER_FORGE_TOKEN, or in the file PROVISIONER_FORGE_TOKEN_FILE. The command reads
    no inventory. Exit code 14: the forge refused the request.
    """


def _project_options(command: F) -> F:
    for option in (
        click.option("--project", metavar="NAME", default="", help="OWNER/NAME; for GitLab also its number."),
        click.option("--url", metavar="URL", default="", help="The address of the forge's API."),
        click.option("--forge", "kind", type=ListedWord(_KINDS), help="The forge's kind."),
    ):
        command = option(command)
    return command


_request = click.option("--request", metavar="NUMBER", default="", help="The merge request. Default: the pipeline's.")


@forge.command()
@click.argument("text", metavar="FILE", type=ValidPath(dir_okay=False, allow_dash=True))
@_request
@click.option(
    "--name", "key", default="plan", metavar="WORD", help="The comment's name, if there are several.  [default: plan]"
)
@click.option("--account", default="", metavar="NAME", help="The token's account, if the forge does not return it.")
@_project_options
def comment(
    invocation: Invocation,
    text: Path,
    *,
    request: str,
    key: str,
    account: str,
    kind: str | None,
    url: str,
    project: str,
) -> None:
    """Write one comment on a merge request, or replace it.

    FILE is Markdown, as `--output markdown plan` prints it; `-` reads standard input. A new comment replaces the one
    with the same name and account, so that a merge request has one comment.

    Example: provisioner -i DIR --output markdown plan | provisioner forge comment -
    """
    invocation.refuse_tracked_links(text, here=True)
    if not key.replace("-", "").replace("/", "").isalnum() or not key.isascii():
        raise UsageError(msg("{key} is no key of a comment", repr(key)), hint=msg("write letters, digits, - and /"))
    client = _client(invocation, kind, url, project)
    number = forge_client.request_number(invocation.env, request)
    posted = forge_client.post_comment(client, number, key, _comment_text(text), account)
    _print_forge_result(
        invocation, f"merge request {number}: the comment was {posted}", {"request": number, "comment": posted.value}
    )


@forge.command()
@click.argument("plan", metavar="FILE", type=ValidPath(dir_okay=False, allow_dash=True))
@_request
@click.option("--family", default="plan:", metavar="WORD", help="The prefix of the labels.  [default: plan:]")
@_project_options
def labels(
    invocation: Invocation, plan: Path, *, request: str, family: str, kind: str | None, url: str, project: str
) -> None:
    """Label a merge request with the effects of its plan.

    FILE is the document of `--output json plan`, with or without --offline; `-` reads standard input. The worst impact
    is plan:none, plan:hot, plan:path or plan:all. Further labels are plan:no-change, plan:trust, plan:refused,
    plan:held and plan:unreadable. The command removes other labels of the family and keeps the rest.

    Example: provisioner -i DIR --output json plan --offline --against origin/main | provisioner forge labels -
    """
    invocation.refuse_tracked_links(plan, here=True)
    if not family or not family.isascii() or not family.isprintable() or "," in family:
        raise UsageError(f"{family!r} is no beginning of labels", hint="write a word and a colon, as plan:")
    client = _client(invocation, kind, url, project)
    number = forge_client.request_number(invocation.env, request)
    wanted = forge_client.plan_labels(_plan_document(plan), family)
    labelled = forge_client.set_labels(client, number, family, wanted)
    _print_forge_result(
        invocation,
        f"merge request {number}: {', '.join(wanted)}",
        {"request": number, "labels": list(wanted), "added": list(labelled.added), "removed": list(labelled.removed)},
    )


@forge.command()
@click.argument("state", type=ListedWord([state.value for state in StatusState]))
@click.argument("description")
@click.option("--commit", metavar="ID", default="", help="The commit's full id. Default: the pipeline's.")
@click.option("--name", default="provisioner", metavar="WORD", help="The name of the status.  [default: provisioner]")
@click.option("--target", default="", metavar="URL", help="A page with details.")
@_project_options
def status(
    invocation: Invocation,
    state: str,
    description: str,
    *,
    commit: str,
    name: str,
    target: str,
    kind: str | None,
    url: str,
    project: str,
) -> None:
    """Set a commit's status (pending, success, failure, error) and its reason.

    The new status replaces one of the same name. The command shortens a reason that is too long for the forge.

    Example: provisioner forge status success "applied; 24 of 24 paths are up" --name provisioner/apply
    """
    try:
        link = checked_url(target) if target else ""
    except ValueError as error:
        raise UsageError(f"--target: {error}", hint="name a page that a person can open") from None
    client = _client(invocation, kind, url, project)
    full_id = forge_client.commit_id(invocation.env, commit)
    forge_client.set_status(client, CommitStatus(full_id, StatusState(state), name, description, link))
    _print_forge_result(
        invocation, f"commit {full_id[:12]}: {name} is {state}", {"commit": full_id, "name": name, "state": state}
    )


def _client(invocation: Invocation, kind: str | None, url: str, project: str) -> forge_client.ForgeClient:
    place = forge_client.project_of(invocation.env, kind=kind or "", url=url, project=project)
    return forge_client.ForgeClient(place, _token(invocation), HttpLimits.of(invocation.env))


def _token(invocation: Invocation) -> Secret:
    """Read the token, never an argument: all users can read these."""
    named = invocation.env.get("PROVISIONER_FORGE_TOKEN_FILE", "")
    hint = "name a file of your own with the token alone"
    error = UsageError("the file in PROVISIONER_FORGE_TOKEN_FILE cannot be read", hint=hint)
    with raised_as(error, OSError, UnicodeDecodeError):
        written = read_regular(named, most=_MOST_TOKEN).decode() if named else ""
    token = (written or invocation.env.get("PROVISIONER_FORGE_TOKEN", "")).strip()
    if not token:
        hint = "set PROVISIONER_FORGE_TOKEN, or PROVISIONER_FORGE_TOKEN_FILE, the one with no more rights than it needs"
        raise UsageError("there is no token for the forge", hint=hint)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what is to be the forge's token is none", hint="it is one word; see that no line is lost")
    return Secret(token)


def _read_content(path: Path, most: int) -> bytes:
    with os_errors(f"{path} cannot be read", "name the file that plan wrote"):
        content = sys.stdin.buffer.read(most + 1) if str(path) == "-" else read_regular(path, most=most)
    if len(content) > most:
        raise UsageError("standard input has more than any plan", hint="pass what plan prints, and nothing else")
    return content


def _comment_text(path: Path) -> str:
    content = _read_content(path, _MOST_READ)
    error = UsageError(f"{path} is no text", hint="pass what --output markdown plan prints")
    with raised_as(error, UnicodeDecodeError):
        text = content.decode()
    if not text.strip():
        hint = "the command before it printed nothing: see its error"
        raise UsageError(f"{path} is empty: no comment is written", hint=hint)
    return _shortened(text)


def _shortened(text: str) -> str:
    """Cut a long comment after a line; count the lines left out."""
    if len(text.encode()) <= _MOST_TEXT:
        return text
    beginning = text.encode()[:_MOST_TEXT].decode(errors="ignore")
    start = beginning.rpartition("\n")[0] or beginning
    omitted = len(text.splitlines()) - len(start.splitlines())
    fence = "\n```" if f"\n{start}".count("\n```") % 2 else ""
    return f"{start}{fence}\n\n**{counted(omitted, 'more line')}**: see the output of the command in the pipeline.\n"


def _plan_document(path: Path) -> Document:
    hint = "pass what --output json plan prints"
    with raised_as(UsageError(f"{path} is no JSON", hint=hint), ValueError, RecursionError):
        document = json.loads(_read_content(path, MAX_PLAN_BYTES))
    if not isinstance(document, dict) or document.get("schema") not in _SCHEMAS:
        raise UsageError(f"{path} is no plan's document", hint=hint)
    return document


class ForgeDocument(Printed, name="forge", title="A report to a forge"):
    """Output of `provisioner forge`; each command has some of these fields."""

    request: Count | None = absent()
    comment: str | None = absent()
    labels: tuple[str, ...] | None = absent()
    added: tuple[str, ...] | None = absent()
    removed: tuple[str, ...] | None = absent()
    commit: str | None = absent()
    name: str | None = absent()
    state: str | None = absent()


def _print_forge_result(invocation: Invocation, line: str, document: Document) -> None:
    show(invocation, ForgeDocument.model_validate(document), [line])
