"""A relay that was being emptied and goes on after all, as the inventory's files say it: the word, and successors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.operations.file_edit import Edits, FileEdit, all_held_against_rules, frame_of, text_of_file
from provisioner.inventory.operations.named import facility_file

_SHOWN = 80
_FAULTY = "its file has errors: correct what provisioner validate lists"


@dataclass(frozen=True, slots=True)
class KeptRelay:
    """What becomes of files when a relay is not to be emptied any more.

    Attributes:
        relay: the relay that goes on.
        to: the relay that it was being emptied onto; empty where it was not.
        edits: the files that change, those of facilities first: until the last one the drain can be taken up again.
        sites: the facilities that lose their successor over the other relay.
        stays: by facility, why its file stays as it is.
    """

    relay: str
    to: str
    edits: tuple[FileEdit, ...]
    sites: tuple[str, ...]
    stays: Mapping[str, str]


def drain_taken_back(edits: Edits, relay: str) -> KeptRelay:
    """What lets a relay keep the sites that it has: those that were let go already stay where they are.

    Args:
        edits: the inventory.
        relay: the relay.

    Raises:
        UsageError: there is no such relay.
        InventoryError: a file cannot be edited, or together the edits break a rule; nothing is written.
    """
    loaded = edits.load()
    relays = frame_of(loaded).relays
    if relay not in relays:
        hint = did_you_mean(relay, relays, f"relays are: {', '.join(sorted(relays)) or 'none'}")
        raise UsageError(f"there is no relay {printable(relay, _SHOWN)}", hint=hint, object=relay)
    carrier, known = relays[relay]
    if known.drain_to is None:
        return KeptRelay(relay, "", (), (), {})
    changed = []
    for name, outline in sorted(loaded.outlines.items()):
        later = outline.successor
        if outline.plan and outline.plan.relay == relay and later and later.relay == known.drain_to:
            text = text_of_file(facility_file(edits.root, loaded.facility(name)))
            changed.append(FileEdit(name, text.path, text.data, text.without(("successor",)).data))
    judged = all_held_against_rules(loaded, edits.root, changed, edits.today)
    stays = dict.fromkeys(_faulty(edits, loaded, known.drain_to), _FAULTY)
    stays |= {name: problems[0].message.partition(": ")[2] for name, problems in judged.refused.items()}
    index = next(index for index, one in enumerate(carrier.relays) if one.id == relay)
    file = text_of_file(edits.root / "carriers" / f"{carrier.id}.yml")
    mark = FileEdit(relay, file.path, file.data, file.without(("relays", index, "drain_to")).data)
    sites = tuple(edit.facility for edit in judged.edits)
    # While a site stays behind, the word does too: the same command goes on.
    return KeptRelay(relay, known.drain_to, (*judged.edits, *(() if stays else (mark,))), sites, stays)


def _faulty(edits: Edits, loaded: Loaded, to: str) -> Iterator[str]:
    """The facilities whose files cannot be read as ours and name the other relay somewhere."""
    names = sorted(owner.removeprefix("facility/") for owner in loaded.broken if owner.startswith("facility/"))
    for name in names:
        files = (edits.root / "facilities").glob(f"*/{name}.yml")
        if any(to.encode() in text_of_file(file).data for file in files):
            yield name
