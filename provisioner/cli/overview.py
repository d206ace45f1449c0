"""What `status` and `export` report on, with a warning where no run is recorded."""

from __future__ import annotations

from provisioner.base.language import marked
from provisioner.cli.context import Invocation, now
from provisioner.cli.output import print_warning
from provisioner.runs.overview import Overview, overview


def overview_of(invocation: Invocation, *, in_brief: bool = False) -> Overview:
    """The inventory and what runs have shown of it, with a warning where no run is recorded.

    Args:
        invocation: the command's.
        in_brief: whether few facilities' recorders and cameras are looked at.

    Raises:
        InventoryError: nothing can be read of it.
        StateError: there is a history, and it cannot be read.
    """
    whole = overview(invocation.inventory, invocation.env, now(), in_brief=in_brief)
    if not whole.evidence.runs:
        place = whole.place.shown
        message = marked(f"no run is recorded in {place}: what hosts hold and which cameras are up is not known")
        hint = marked(
            "apply and verify record their runs; PROVISIONER_STATE names the place of those of another machine"
        )
        print_warning(message, hint, color=invocation.color, say=invocation.say)
    return whole
