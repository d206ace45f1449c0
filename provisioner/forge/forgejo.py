"""The REST API of Forgejo and Gitea, version 1 (their own swagger.v1.json: issue, repository). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from provisioner.base.secret import Secret
from provisioner.forge.dialect import Call, CommitStatus, cut

_NOBODY: Final = frozenset({401, 403, 404})
_GONE: Final = frozenset({404})
_MOST_DESCRIPTION: Final = 255
_LABELS_A_PAGE: Final = 50


class Forgejo:
    """Forgejo and Gitea: nearly GitHub's wording; labels have numbers, and comments come all at once."""

    runner = "forgejo-actions"
    pages = False

    def __init__(self, project: str) -> None:
        self._repository = f"/repos/{project}"

    def headers(self, token: Secret) -> Mapping[str, str]:
        """The headers of every call."""
        return {"Accept": "application/json", "Authorization": f"token {token.reveal()}"}

    def account(self) -> Call:
        """Ask whose the token is."""
        return Call("GET", "/user", accepted=_NOBODY)

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

    def labels_in(self, answer: object) -> Mapping[str, str]:
        """The labels of an answer: they are taken off by their numbers."""
        if not isinstance(answer, list):
            return {}
        return {
            item["name"]: str(item["id"])
            for item in answer
            if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("id"), int)
        }

    def change_labels(self, number: int, add: Sequence[str], remove: Sequence[str]) -> Sequence[Call]:
        """Take labels off, each by its number, and put others on by their names."""
        labels = f"{self._repository}/issues/{number}/labels"
        off = [Call("DELETE", f"{labels}/{label}", accepted=_GONE) for label in remove]
        return [*off, *([Call("POST", labels, {"labels": list(add)})] if add else [])]

    def known_labels(self, page: int) -> Call | None:
        """Ask which labels the repository knows: it puts on no others."""
        return Call("GET", f"{self._repository}/labels?limit={_LABELS_A_PAGE}&page={page}")

    def make_label(self, name: str, colour: str) -> Call:
        """Make a label."""
        return Call("POST", f"{self._repository}/labels", {"name": name, "color": colour})

    def set_status(self, status: CommitStatus) -> Call:
        """Set a commit's status."""
        document = {
            "state": status.state.value,
            "context": status.name,
            "description": cut(status.description, _MOST_DESCRIPTION),
        }
        where = {"target_url": status.url} if status.url else {}
        return Call("POST", f"{self._repository}/statuses/{status.commit}", document | where)
