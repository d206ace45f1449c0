"""Python's cyclic collector, out of the way while very many values are made. Imports nothing of ours."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch the collector off: among very many values that all stay it looks again and again, and finds nothing.

    Afterwards what was made until then is left out of its looks, too: one of them would take as long as all that is
    saved here.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()
