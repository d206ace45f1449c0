"""What stops a release: one sentence, and what to do next."""

from __future__ import annotations


class RefusedError(Exception):
    """Nothing is released: the sentence says what is wrong.

    Attributes:
        hint: what to do next.
    """

    def __init__(self, sentence: str, *, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint
