"""GitHub's REST API of 2022-11-28 (docs.github.com/rest: issues/comments, issues/labels, commits/statuses). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from provisioner.base.secret import Secret
from provisioner.forge.dialect import PAGE, Call, CommitStatus, cut, names_in

_NOBODY: Final = frozenset({401, 403, 404})
_GONE: Final = frozenset({404})
_MOST_DESCRIPTION: Final = 140


class GitHub:
    """GitHub: a merge request is an issue's number there."""

    runner = "github-actions[bot]"
    pages = True

    def __init__(self, project: str) -> None:
        self._repository = f"/repos/{project}"

    def headers(self, token: Secret) -> Mapping[str, str]:
        """The headers of every call."""
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token.reveal()}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def account(self) -> Call:
        """Ask whose the token is."""
        return Call("GET", "/user", accepted=_NOBODY)

    def comments(self, number: int, page: int) -> Call:
        """List comments, the oldest first."""
        return Call("GET", f"{self._repository}/issues/{number}/comments?per_page={PAGE}&page={page}")

    def add_comment(self, number: int, body: str) -> Call:
        """Write a comment."""
        return Call("POST", f"{self._repository}/issues/{number}/comments", {"body": body})

    def edit_comment(self, number: int, comment: int, body: str) -> Call:
        """Write a comment anew; comments are of the repository."""
        del number
        return Call("PATCH", f"{self._repository}/issues/comments/{comment}", {"body": body})

    def labels(self, number: int) -> Call:
        """Ask which labels there are."""
        return Call("GET", f"{self._repository}/issues/{number}/labels?per_page={PAGE}")

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """The labels of an answer: they are called by their names."""
        return {name: name for name in names_in(answer)}

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Take labels off, each by a call of its own, and put others on: GitHub makes what it does not know."""
        labels = f"{self._repository}/issues/{number}/labels"
        off = [Call("DELETE", f"{labels}/{quote(name, safe='')}", accepted=_GONE) for name in remove]
        return [*off, *([Call("POST", labels, {"labels": list(add)})] if add else [])]

    def known_labels(self, page: int) -> Call | None:
        """None: it makes what it does not know."""
        del page
        return None

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label."""
        return Call("POST", f"{self._repository}/labels", {"name": name, "color": colour.lstrip("#")})

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status."""
        document = {
            "state": status.state.value,
            "context": status.name,
            "description": cut(status.description, _MOST_DESCRIPTION),
        }
        where = {"target_url": status.url} if status.url else {}
        return Call("POST", f"{self._repository}/statuses/{status.commit}", document | where)
