"""What `verify` said of a seeded fault, and whether that is right. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .fault import Fault

_NOT_UP: Final = frozenset({"down", "degraded", "unknown", "quarantined", "suspect"})


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """What was said of a path; of several, how many."""

    verdict: str
    cause: str = ""
    layer: str = ""
    object: str = ""
    paths: int = 1


@dataclass(frozen=True, slots=True)
class Look:
    """One run of `verify` while the fault was there."""

    said: tuple[Said, ...]  #: Of the paths that the fault touches.
    incidents: int  #: How many had one of these paths.

    @classmethod
    def at(cls, fault: Fault, document: Mapping[str, Any]) -> Look:
        """What a document of `verify` says of a fault's paths, and of its host where that is the matter."""
        touched = set(fault.touched)
        said = Counter(_said(path) for path in document["paths"] if path["path"] in touched)
        incidents = [incident for incident in document["incidents"] if touched & set(incident["paths"])]
        if "finding" in fault.expected.verdicts:
            of_host = [one for one in document["incidents"] if not one["paths"] and one["object"] in fault.where]
            found = Counter(("finding", one["cause"], one["layer"], one["object"]) for one in of_host)
            # A path that is up says nothing about its host.
            said = found + Counter({words: number for words, number in said.items() if words[0] != "up" or not found})
            incidents += of_host
        return cls(tuple(sorted(Said(*words, paths=number) for words, number in said.items())), len(incidents))


def _said(path: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What is said of a path; one that is up and stands among what a person should look at is a suspect.

    What a single look suspects is told to nobody: it has to last.
    """
    words = sorted(str(one["word"]) for one in path.get("to_look_at", ()))
    if path["verdict"] == "up" and words:
        return "suspect", ", ".join(words), "picture", str(path["path"])
    return path["verdict"], path["cause"], path["layer"] or "", path["object"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that was said of a fault."""

    fault: str
    looks: tuple[Look, ...]
    elsewhere: tuple[str, ...] = ()  #: What was said to be broken of paths that no fault of the same time touches.
    mended: bool = True  #: Whether everything was up again afterwards.

    def to_json(self) -> dict[str, Any]:
        """The form in which it is stored."""
        looks = [
            {"incidents": look.incidents, "said": [[s.verdict, s.cause, s.layer, s.object, s.paths] for s in look.said]}
            for look in self.looks
        ]
        return {"looks": looks, "elsewhere": list(self.elsewhere), "mended": self.mended}

    @classmethod
    def from_json(cls, fault: str, stored: Mapping[str, Any]) -> Outcome:
        """Read what was stored."""
        looks = tuple(Look(tuple(Said(*s) for s in look["said"]), look["incidents"]) for look in stored["looks"])
        return cls(fault, looks, tuple(stored["elsewhere"]), stored["mended"])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is right and what is wrong in an outcome."""

    fault: Fault
    outcome: Outcome
    verdict_right: bool = field(init=False, default=False)
    cause_right: bool = field(init=False, default=False)
    incidents_right: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Compare with what is expected."""
        said, looks = self.said, self.outcome.looks
        object.__setattr__(self, "verdict_right", bool(said) and all(self._right_verdict(one) for one in said))
        object.__setattr__(self, "cause_right", self.verdict_right and all(self._right_place(one) for one in said))
        expected = self.fault.expected.incidents
        # Where it may be up there is no incident then.
        allowed = {expected, 0} if "up" in self.fault.expected.verdicts else {expected}
        object.__setattr__(self, "incidents_right", bool(looks) and all(look.incidents in allowed for look in looks))

    @property
    def said(self) -> list[Said]:
        """What was said in all looks."""
        return [one for look in self.outcome.looks for one in look.said]

    @property
    def named(self) -> bool:
        """Whether the cause was right in each look."""
        return bool(self.said) and all(self._may_be_up(said) or self._right_cause(said) for said in self.said)

    @property
    def placed(self) -> bool:
        """Whether layer and object were right in each look."""
        return bool(self.said) and all(self._may_be_up(said) or self._right_object(said) for said in self.said)

    def _may_be_up(self, said: Said) -> bool:
        return said.verdict == "up" and "up" in self.fault.expected.verdicts

    @property
    def false_up(self) -> bool:
        """Whether a path was up although it is broken."""
        return "up" not in self.fault.expected.verdicts and any(one.verdict == "up" for one in self.said)

    @property
    def false_down(self) -> bool:
        """Whether a path that is well was not up."""
        wrong = self.fault.is_healthy and any(one.verdict in _NOT_UP for one in self.said)
        return wrong or self._called_down or bool(self.outcome.elsewhere)

    @property
    def _called_down(self) -> bool:
        """Whether a path is said to be down of which a picture comes."""
        return "down" not in self.fault.expected.verdicts and any(one.verdict == "down" for one in self.said)

    @property
    def stable(self) -> int:
        """How many looks said the same as the first."""
        each = [[(s.verdict, s.cause, s.layer, s.object) for s in look.said] for look in self.outcome.looks]
        return sum(one == each[0] for one in each)

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        steady = self.stable == len(self.outcome.looks)
        return self.cause_right and self.incidents_right and steady and not self.false_up and not self.false_down

    def _right_verdict(self, one: Said) -> bool:
        return one.verdict in self.fault.expected.verdicts

    def _right_cause(self, said: Said) -> bool:
        return said.cause in self.fault.expected.causes

    def _right_object(self, said: Said) -> bool:
        return said.layer in self.fault.expected.layers and self.fault.expected.object in said.object

    def _right_place(self, one: Said) -> bool:
        if one.verdict == "up" or self.fault.is_healthy:
            return True
        return self._right_cause(one) and self._right_object(one)
