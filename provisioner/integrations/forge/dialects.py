"""The APIs of Forgejo, Gitea, GitHub and GitLab behind one contract. Pure.

Forgejo and Gitea follow their own swagger.v1.json (issue, repository), GitHub its REST API of 2022-11-28
(docs.github.com/rest: issues/comments, issues/labels, commits/statuses), GitLab its REST API version 4
(docs.gitlab.com/api: notes, merge_requests, commits).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol
from urllib.parse import quote

from provisioner.base.secret import Secret

PAGE: Final = 100  #: The size of a page of comments and labels, the most of GitHub and GitLab.
NOBODY: Final = frozenset({401, 403, 404})  #: Answers to a token that may not ask for its account.

_GONE: Final = frozenset({404})
_LABELS_A_PAGE: Final = 50
_MOST_DESCRIPTION: Final = 255


class StatusState(StrEnum):
    """A commit's status: failures are the commit's, errors are the judge's."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an API; `accepted` error codes are valid answers."""

    method: str
    path: str
    document: Mapping[str, object] | None = None
    accepted: frozenset[int] = frozenset()
    of: str = ""  #: The path of the merge request or commit that the call is of, to see whether it exists.


@dataclass(frozen=True, slots=True)
class PostedComment:
    """A comment at the forge."""

    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """A commit's status; it replaces an earlier one of the same name."""

    commit: str
    state: StatusState
    name: str
    description: str
    url: str = ""


class Dialect(Protocol):
    """The calls of one forge's API."""

    pages: bool  #: Whether comments come in pages.
    runner: str  #: The account of a pipeline's own token, which may not ask for it.

    def headers(self, token: Secret) -> Mapping[str, str]:
        """Return the headers of every call."""

    def account(self) -> Call:
        """Ask for the token's account."""
        return Call("GET", "/user", accepted=NOBODY)

    def comments(self, number: int, page: int) -> Call:
        """List comments of a merge request, oldest first."""

    def add_comment(self, number: int, body: str) -> Call:
        """Write a comment."""

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Replace a comment."""

    def labels(self, number: int) -> Call:
        """List a merge request's labels."""

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """Return an answer's labels: by name, the key that removes each."""

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Add and remove labels, by their keys of `labels_in`."""

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status."""


class IssuesDialect(Dialect):
    """The calls of one repository; `most_description` is in characters."""

    most_description: ClassVar[int]

    def __init__(self, project: str) -> None:
        self._repository = f"/repos/{project}"

    def comments(self, number: int, page: int) -> Call:
        """List all comments, oldest first."""
        del page
        request = f"{self._repository}/issues/{number}"
        return Call("GET", f"{request}/comments", of=request)

    def add_comment(self, number: int, body: str) -> Call:
        """Write a comment."""
        return Call("POST", f"{self._repository}/issues/{number}/comments", {"body": body})

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Replace a comment; comments belong to the repository."""
        del number
        return Call("PATCH", f"{self._repository}/issues/comments/{comment}", {"body": body})

    def labels(self, number: int) -> Call:
        """List the labels."""
        request = f"{self._repository}/issues/{number}"
        return Call("GET", f"{request}/labels", of=request)

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Remove labels, one call each, and add others."""
        labels = f"{self._repository}/issues/{number}/labels"
        off = [Call("DELETE", f"{labels}/{quote(label, safe='')}", accepted=_GONE) for label in remove]
        return [*off, *([Call("POST", labels, {"labels": self._added(add)})] if add else [])]

    def _added(self, keys: Sequence[str]) -> list[str] | list[int]:
        return list(keys)

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status."""
        document = {
            "state": status.state.value,
            "context": status.name,
            "description": cut(status.description, self.most_description),
        }
        where = {"target_url": status.url} if status.url else {}
        commit = f"{self._repository}/git/commits/{status.commit}"
        return Call("POST", f"{self._repository}/statuses/{status.commit}", document | where, of=commit)


class Forgejo(IssuesDialect):
    """Forgejo and Gitea: like GitHub, but numbered labels and unpaged comments."""

    runner = "forgejo-actions"
    pages = False
    most_description = 255

    def headers(self, token: Secret) -> Mapping[str, str]:
        """Return the headers of every call."""
        return {"Accept": "application/json", "Authorization": f"token {token.reveal()}"}

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """Return an answer's labels with their numbers."""
        if not isinstance(answer, list):
            return {}
        return {
            item["name"]: str(item["id"])
            for item in answer
            if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("id"), int)
        }

    def _added(self, keys: Sequence[str]) -> list[str] | list[int]:
        # Forgejo 7.0 refuses names (422); later versions take both.
        return [int(key) for key in keys]

    def listed_labels(self, page: int) -> Call:
        """List the repository's labels; it accepts no others."""
        return Call("GET", f"{self._repository}/labels?limit={_LABELS_A_PAGE}&page={page}")

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label, with a colour as `#rrggbb`."""
        return Call("POST", f"{self._repository}/labels", {"name": name, "color": colour})


class GitHub(IssuesDialect):
    """GitHub: a merge request has an issue's number."""

    runner = "github-actions[bot]"
    pages = True
    most_description = 140

    def headers(self, token: Secret) -> Mapping[str, str]:
        """Return the headers of every call."""
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token.reveal()}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def comments(self, number: int, page: int) -> Call:
        """List a page of comments, oldest first."""
        return Call("GET", f"{super().comments(number, page).path}?per_page={PAGE}&page={page}")

    def labels(self, number: int) -> Call:
        """List the labels."""
        return Call("GET", f"{super().labels(number).path}?per_page={PAGE}")

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """Return an answer's labels by name."""
        return {name: name for name in _names_in(answer)}


_STATES: Final = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
}


class GitLab(Dialect):
    """GitLab: comments are notes, labels are a field of the merge request."""

    runner = ""
    pages = True

    def __init__(self, project: str) -> None:
        self._project = f"/projects/{quote(project, safe='')}"

    def headers(self, token: Secret) -> Mapping[str, str]:
        """Return the headers of every call."""
        return {"PRIVATE-TOKEN": token.reveal()}

    def comments(self, number: int, page: int) -> Call:
        """List notes, oldest first."""
        order = "sort=asc&order_by=created_at"
        return Call("GET", f"{self._request(number)}/notes?{order}&per_page={PAGE}&page={page}")

    def add_comment(self, number: int, body: str) -> Call:
        """Write a note."""
        return Call("POST", f"{self._request(number)}/notes", {"body": body})

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Replace a note."""
        return Call("PUT", f"{self._request(number)}/notes/{comment}", {"body": body})

    def labels(self, number: int) -> Call:
        """Ask for the merge request with its labels."""
        return Call("GET", self._request(number))

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """Return an answer's labels by name."""
        listed = answer.get("labels") if isinstance(answer, dict) else None
        return {name: name for name in listed if isinstance(name, str)} if isinstance(listed, list) else {}

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Add and remove labels in one call; GitLab makes missing ones."""
        document = {"add_labels": ",".join(add), "remove_labels": ",".join(remove)}
        body = {key: names for key, names in document.items() if names}
        return [Call("PUT", self._request(number), body)] if body else []

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status; GitLab has no state for errors."""
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
    """Return an account's name: GitLab's `username`, else `login`, or empty."""
    if not isinstance(document, dict):
        return ""
    name = document.get("username", document.get("login"))
    return name if isinstance(name, str) else ""


def comments_in(answer: object) -> list[PostedComment]:
    """Return the well-formed comments of an answer."""
    if not isinstance(answer, list):
        return []
    return [
        PostedComment(item["id"], account_in(item.get("author", item.get("user"))), item["body"])
        for item in answer
        if isinstance(item, dict) and isinstance(item.get("id"), int) and isinstance(item.get("body"), str)
    ]


def _names_in(answer: object) -> list[str]:
    if not isinstance(answer, list):
        return []
    return [item["name"] for item in answer if isinstance(item, dict) and isinstance(item.get("name"), str)]


def cut(text: str, most: int) -> str:
    """Return a text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
