"""GitHub's REST API of 2022-11-28 (docs.github.com/rest: issues/comments, issues/labels, commits/statuses). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.base.secret import Secret
from provisioner.forge.dialect import PAGE, Call, names_in
from provisioner.forge.issues import IssuesDialect


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
