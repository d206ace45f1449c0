"""The APIs of Forgejo, Gitea, GitHub and GitLab behind one contract. Pure.

Forgejo and Gitea follow their own swagger.v1.json (issue, repository), GitHub its REST API of 2022-11-28
(docs.github.com/rest: issues/comments, issues/labels, commits/statuses), GitLab its REST API version 4
(docs.gitlab.com/api: notes, merge_requests, commits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol
from urllib.parse import quote

from provisioner.base.secret import Secret

PAGE: Final = 100
"""So many comments and labels are asked for at once: GitHub's and GitLab's most."""

NOBODY: Final = frozenset({401, 403, 404})
"""What a forge answers whose token may not ask whose it is."""

_GONE: Final = frozenset({404})
_LABELS_A_PAGE: Final = 50
_MOST_DESCRIPTION: Final = 255


class StatusState(StrEnum):
    """What a commit's status says; failures are about the commit, errors about whoever was to judge it."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an API.

    Attributes:
        method: of HTTP.
        path: behind the address of the API, with a slash before it.
        document: what is sent as JSON; None sends nothing.
        accepted: numbers of answers that are none of success, and say enough.
    """

    method: str
    path: str
    document: Mapping[str, object] | None = None
    accepted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class PostedComment:
    """A comment as the forge has it.

    Attributes:
        id: its number.
        author: the account that wrote it.
        body: Markdown.
    """

    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """A commit's status.

    Attributes:
        commit: its whole id.
        state: what it says.
        name: by which the forge replaces an earlier one.
        description: one line.
        url: where to read more; empty for nowhere.
    """

    commit: str
    state: StatusState
    name: str
    description: str
    url: str = ""


class Dialect(Protocol):
    """How one forge words what is asked of it."""

    pages: bool
    """Whether comments come in pages."""
    runner: str
    """The account of a pipeline's own token, which may not ask whose it is."""

    def headers(self, token: Secret) -> Mapping[str, str]:
        """The headers of every call."""

    def account(self) -> Call:
        """Ask whose the token is."""

    def comments(self, number: int, page: int) -> Call:
        """List comments of a merge request, the oldest first."""

    def add_comment(self, number: int, body: str) -> Call:
        """Write a comment."""

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Write a comment anew."""

    def labels(self, number: int) -> Call:
        """Ask which labels a merge request has."""

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """The labels of an answer: how each is called when it is taken off, by name."""

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Put labels on and take others off; `remove` has what `labels_in` says."""

    def known_labels(self, page: int) -> Call | None:
        """Ask which labels the project knows; None where a forge makes what it does not know."""

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label of the project's, of a colour as `#rrggbb`."""

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status."""


class IssuesDialect:
    """The calls of one repository.

    Attributes:
        most_description: so many characters of a status' description are taken.
    """

    most_description: ClassVar[int]

    def __init__(self, project: str) -> None:
        self._repository = f"/repos/{project}"

    def account(self) -> Call:
        """Ask whose the token is."""
        return Call("GET", "/user", accepted=NOBODY)

    def comments(self, number: int, page: int) -> Call:
        """List all comments, the oldest first."""
        del page
        return Call("GET", f"{self._repository}/issues/{number}/comments")

    def add_comment(self, number: int, body: str) -> Call:
        """Write a comment."""
        return Call("POST", f"{self._repository}/issues/{number}/comments", {"body": body})

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Write a comment anew; comments are of the repository."""
        del number
        return Call("PATCH", f"{self._repository}/issues/comments/{comment}", {"body": body})

    def labels(self, number: int) -> Call:
        """Ask which labels there are."""
        return Call("GET", f"{self._repository}/issues/{number}/labels")

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Take labels off, each by a call of its own, and put others on by their names."""
        labels = f"{self._repository}/issues/{number}/labels"
        off = [Call("DELETE", f"{labels}/{quote(label, safe='')}", accepted=_GONE) for label in remove]
        return [*off, *([Call("POST", labels, {"labels": list(add)})] if add else [])]

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status."""
        document = {
            "state": status.state.value,
            "context": status.name,
            "description": cut(status.description, self.most_description),
        }
        where = {"target_url": status.url} if status.url else {}
        return Call("POST", f"{self._repository}/statuses/{status.commit}", document | where)


class Forgejo(IssuesDialect):
    """Forgejo and Gitea: nearly GitHub's wording; labels have numbers, and comments come all at once."""

    runner = "forgejo-actions"
    pages = False
    most_description = 255

    def headers(self, token: Secret) -> Mapping[str, str]:
        """The headers of every call."""
        return {"Accept": "application/json", "Authorization": f"token {token.reveal()}"}

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """The labels of an answer: they are taken off by their numbers."""
        if not isinstance(answer, list):
            return {}
        return {
            item["name"]: str(item["id"])
            for item in answer
            if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("id"), int)
        }

    def known_labels(self, page: int) -> Call | None:
        """Ask which labels the repository knows: it puts on no others."""
        return Call("GET", f"{self._repository}/labels?limit={_LABELS_A_PAGE}&page={page}")

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label."""
        return Call("POST", f"{self._repository}/labels", {"name": name, "color": colour})


class GitHub(IssuesDialect):
    """GitHub: a merge request is an issue's number there."""

    runner = "github-actions[bot]"
    pages = True
    most_description = 140

    def headers(self, token: Secret) -> Mapping[str, str]:
        """The headers of every call."""
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token.reveal()}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def comments(self, number: int, page: int) -> Call:
        """List a page of comments, the oldest first."""
        return Call("GET", f"{super().comments(number, page).path}?per_page={PAGE}&page={page}")

    def labels(self, number: int) -> Call:
        """Ask which labels there are."""
        return Call("GET", f"{super().labels(number).path}?per_page={PAGE}")

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """The labels of an answer: they are called by their names."""
        return {name: name for name in names_in(answer)}

    def known_labels(self, page: int) -> Call | None:
        """None: it makes what it does not know."""
        del page
        return None

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label."""
        return Call("POST", f"{self._repository}/labels", {"name": name, "color": colour.lstrip("#")})


_STATES: Final = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
}


class GitLab:
    """GitLab: comments are notes there, and labels are a merge request's own field."""

    runner = ""
    pages = True

    def __init__(self, project: str) -> None:
        self._project = f"/projects/{quote(project, safe='')}"

    def headers(self, token: Secret) -> Mapping[str, str]:
        """The headers of every call."""
        return {"PRIVATE-TOKEN": token.reveal()}

    def account(self) -> Call:
        """Ask whose the token is."""
        return Call("GET", "/user", accepted=NOBODY)

    def comments(self, number: int, page: int) -> Call:
        """List notes, the oldest first."""
        order = "sort=asc&order_by=created_at"
        return Call("GET", f"{self._request(number)}/notes?{order}&per_page={PAGE}&page={page}")

    def add_comment(self, number: int, body: str) -> Call:
        """Write a note."""
        return Call("POST", f"{self._request(number)}/notes", {"body": body})

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Write a note anew."""
        return Call("PUT", f"{self._request(number)}/notes/{comment}", {"body": body})

    def labels(self, number: int) -> Call:
        """Ask for the merge request, which has its labels."""
        return Call("GET", self._request(number))

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """The labels of an answer: they are called by their names."""
        listed = answer.get("labels") if isinstance(answer, dict) else None
        return {name: name for name in listed if isinstance(name, str)} if isinstance(listed, list) else {}

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Put labels on and take others off in one call: GitLab makes what it does not know."""
        document = {"add_labels": ",".join(add), "remove_labels": ",".join(remove)}
        said = {key: names for key, names in document.items() if names}
        return [Call("PUT", self._request(number), said)] if said else []

    def known_labels(self, page: int) -> Call | None:
        """None: it makes what it does not know."""
        del page
        return None

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label."""
        return Call("POST", f"{self._project}/labels", {"name": name, "color": colour})

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status; it has no word for an error of whoever judges."""
        document = {
            "state": _STATES[status.state],
            "name": status.name,
            "description": cut(status.description, _MOST_DESCRIPTION),
        }
        where = {"target_url": status.url} if status.url else {}
        return Call("POST", f"{self._project}/statuses/{status.commit}", document | where)

    def _request(self, number: int) -> str:
        return f"{self._project}/merge_requests/{number}"


def account_in(document: object) -> str:
    """The name of an account: GitLab says `username`, the others `login`; empty where it is none."""
    if not isinstance(document, dict):
        return ""
    name = document.get("username", document.get("login"))
    return name if isinstance(name, str) else ""


def comments_in(answer: object) -> list[PostedComment]:
    """The comments of an answer; what is none is left out."""
    if not isinstance(answer, list):
        return []
    return [
        PostedComment(item["id"], account_in(item.get("author", item.get("user"))), item["body"])
        for item in answer
        if isinstance(item, dict) and isinstance(item.get("id"), int) and isinstance(item.get("body"), str)
    ]


def names_in(answer: object) -> list[str]:
    """The names of a list of labels."""
    if not isinstance(answer, list):
        return []
    return [item["name"] for item in answer if isinstance(item, dict) and isinstance(item.get("name"), str)]


def cut(text: str, most: int) -> str:
    """A line of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
