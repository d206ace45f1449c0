"""What the APIs of GitHub, Forgejo and Gitea word alike: a merge request has an issue's comments and labels. Pure.

Forgejo and Gitea took GitHub's wording over; what each of them words otherwise is in its own module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import quote

from provisioner.forge.dialect import NOBODY, Call, CommitStatus, cut

_GONE: Final = frozenset({404})


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
