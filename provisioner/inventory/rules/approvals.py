"""Rules on who approves plans: each key is one and of one person, and whoever a rule asks for is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from provisioner.base.clock import is_between
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.ssh_signature import SignatureFormError, public_key_of
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import Approver
from provisioner.inventory.rules.view import View


def _listed(view: View) -> Iterator[tuple[KeyPath, Approver]]:
    keys = view.inventory.signing_keys
    for index, one in enumerate(keys.approvers if keys else ()):
        yield ("approvers", index), one


def approvers_have_keys_of_their_own(view: View) -> Iterator[Problem]:
    """An approver's key is one, is nobody else's, holds for a day at least, and is for carriers that there are."""
    first: dict[bytes, tuple[str, KeyPath]] = {}
    for path, one in _listed(view):
        if one.until and one.until < one.since:
            message = f"the key of {one.id} ends on {one.until}, before it begins"
            yield view.problem("signers", (*path, "until"), "signer-period", message, "correct one of the two days")
        for place, carrier in enumerate(one.carriers):
            if not view.knows(f"carrier/{carrier}"):
                message, hint = f"there is no carrier {carrier}", "correct the id, or write the carrier's file"
                yield view.problem("signers", (*path, "carriers", place), "carrier-unknown", message, hint)
        try:
            key = public_key_of(one.key)
        except SignatureFormError as error:
            hint = "write the first two words of the person's .pub file"
            yield view.problem("signers", (*path, "key"), "signer-key-unusable", f"the key {error}", hint)
            continue
        other, place_of_other = first.setdefault(key.blob, (one.id, path))
        if other != one.id:
            where = view.where("signers", *place_of_other)
            message = f"{one.id} and {other} have one key: the other is at {where}"
            hint = "let each person make a key of its own: two approvals by one key are one"
            yield view.problem("signers", (*path, "key"), "approver-key-shared", message, hint)


def whoever_is_asked_for_is_there(view: View) -> Iterator[Problem]:
    """A rule asks for no more people than could approve: a plan that nobody can have approved is applied by nobody."""
    policy = view.inventory.settings.policy.approvals
    if policy is None or "signers" in view.broken:
        return
    valid = [one for _, one in _listed(view) if is_between(view.today, one.since, one.until)]
    for index, rule in enumerate(policy.rules):
        for carrier in sorted(view.inventory.carriers):
            people = {
                one.id
                for one in valid
                if (rule.role is None or rule.role in one.roles) and (not one.carriers or carrier in one.carriers)
            }
            if len(people) < rule.people:
                role = f" as {rule.role}" if rule.role else ""
                has = ", ".join(sorted(people)) or "nobody"
                asked = f"policy.approvals asks for {rule.people} of those who approve{role}"
                message = f"{asked}, and for hosts of {carrier} there is: {has}"
                hint = "add approvers to signers.yml, or ask for fewer; until then such plans are applied by nobody"
                path: KeyPath = ("policy", "approvals", "rules", index)
                yield view.problem("inventory", path, "approvers-lacking", message, hint, severity=Severity.WARNING)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    approvers_have_keys_of_their_own,
    whoever_is_asked_for_is_there,
)
