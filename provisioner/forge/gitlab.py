"""GitLab's REST API, version 4 (docs.gitlab.com/api: notes, merge_requests, commits). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from provisioner.base.secret import Secret
from provisioner.forge.dialect import NOBODY, PAGE, Call, CommitStatus, StatusState, cut

_MOST_DESCRIPTION: Final = 255
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
