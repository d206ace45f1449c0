"""What is asked of a forge, whichever it is: a dialect says how each forge words it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from provisioner.base.secret import Secret

PAGE: Final = 100
"""So many comments and labels are asked for at once: GitHub's and GitLab's most."""


NOBODY: Final = frozenset({401, 403, 404})
"""What a forge answers whose token may not ask whose it is."""


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
