"""The REST API of Forgejo and Gitea, version 1 (their own swagger.v1.json: issue, repository). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from provisioner.base.secret import Secret
from provisioner.forge.dialect import Call
from provisioner.forge.issues import IssuesDialect

_LABELS_A_PAGE: Final = 50


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
