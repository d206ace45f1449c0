"""What a merge request is told: one comment that is written anew, labels of one family, a commit's status."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from provisioner.forge.client import ForgeClient
from provisioner.forge.dialect import CommitStatus, PostedComment, comments_in, names_in

_MOST_PAGES: Final = 50
"""So many pages of comments are read: 5,000 comments."""
_COLOURS: Final = {"none": "#2da44e", "hot": "#2da44e", "path": "#d4a72c", "all": "#cf222e"}
_OTHER_COLOUR: Final = "#6e7781"


class Posted(StrEnum):
    """What became of a comment."""

    ADDED = "added"
    EDITED = "edited"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Which labels were put on and taken off."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def marker_of(key: str) -> str:
    """The line by which a comment is known again; nothing that a reader sees."""
    return f"<!-- provisioner:{key} -->"


def post_comment(client: ForgeClient, number: int, key: str, text: str, account: str = "") -> Posted:
    """Write the comment of a key, or write it anew where there is one.

    Whoever may comment can write the same marker, and a token that may write can often edit what others wrote: only a
    comment of the token's own account is taken for ours.

    Args:
        client: the project.
        number: of the merge request.
        key: tells comments of one account apart.
        text: Markdown.
        account: whose the token is, where the forge does not say; empty asks it.

    Raises:
        NoticeError: the forge was not told.
    """
    body = f"{marker_of(key)}\n{text}"
    ours = _marked(client, number, marker_of(key), account or client.account())
    if ours is None:
        client.tell(client.dialect.add_comment(number, body))
        return Posted.ADDED
    if ours.body.rstrip() == body.rstrip():
        return Posted.UNCHANGED
    client.tell(client.dialect.edit_comment(number, ours.id, body))
    return Posted.EDITED


def set_labels(client: ForgeClient, number: int, family: str, wanted: Collection[str]) -> Labelled:
    """Let a merge request have exactly these labels of a family (`plan:` and what follows); others stay.

    Raises:
        NoticeError: the forge was not told.
    """
    dialect = client.dialect
    present = dialect.labels_in(client.ask(dialect.labels(number)))
    add = tuple(sorted(set(wanted) - set(present)))
    gone = {name: label for name, label in present.items() if name.startswith(family) and name not in wanted}
    for name in _unknown(client, add):
        client.tell(dialect.make_label(name, _COLOURS.get(name.removeprefix(family), _OTHER_COLOUR)))
    for call in dialect.change_labels(number, add, list(gone.values())):
        client.tell(call)
    return Labelled(add, tuple(sorted(gone)))


def set_status(client: ForgeClient, status: CommitStatus) -> None:
    """Set a commit's status.

    Raises:
        NoticeError: the forge was not told.
    """
    client.tell(client.dialect.set_status(status))


def plan_labels(document: Mapping[str, object], family: str) -> tuple[str, ...]:
    """The labels that a plan's document, or a comparison's, asks for: its worst impact, and what needs a person.

    Args:
        document: of `provisioner/plan` or `provisioner/compare`.
        family: how each begins.
    """
    summary = document.get("summary")
    counted = summary.get("impact") if isinstance(summary, dict) else None
    impacts = counted if isinstance(counted, dict) else {}
    worst = [name for name in ("all", "path", "hot", "none") if impacts.get(name)]
    names = worst[:1]
    if isinstance(summary, dict) and summary.get("trust"):
        names.append("trust")
    names += [name for name in ("refused", "held", "unreadable") if document.get(name)]
    return tuple(family + name for name in names or ["no-change"])


def _marked(client: ForgeClient, number: int, marker: str, account: str) -> PostedComment | None:
    """The first comment of an account that begins with a marker."""
    for page in range(1, _MOST_PAGES + 1):
        listed = client.ask(client.dialect.comments(number, page))
        for one in comments_in(listed):
            if one.author == account and one.body.startswith(marker):
                return one
        if not listed or not client.dialect.pages:
            break
    return None


def _unknown(client: ForgeClient, names: Collection[str]) -> list[str]:
    """Which labels the project has to be given first."""
    unknown = set(names)
    for page in range(1, _MOST_PAGES + 1):
        call = client.dialect.known_labels(page) if unknown else None
        if call is None:
            return []
        listed = names_in(client.ask(call))
        if not listed:
            break
        unknown -= set(listed)
    return sorted(unknown)
