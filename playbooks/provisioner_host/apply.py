"""The transaction: look, check everything aside, save last-good, arm, switch, read back; else return."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host import dead_man, gate, held, keys, last_good, lease, paths, preflight, quarantine, switch
from provisioner_host.health import health
from provisioner_host.observe import observe
from provisioner_host.room import words_of
from provisioner_host.shell import Failed
from provisioner_host.transaction import OPERATION_S, ApplyTransaction, begin

if TYPE_CHECKING:
    from provisioner_host.wire import ApplyRequest, ChangeAnswer, FactsAnswer


def apply(request: ApplyRequest, folder: Path) -> ChangeAnswer:
    """Bring the host to what the request holds, and leave it armed for confirmation.

    The answer's `outcome` is `armed`, `stale`, `locked`, `refused` (nothing was touched), `rolled-back` or
    `rollback-failed`; `before` is how paths, readers and peers were before the switch.
    """
    change = ApplyTransaction(request, folder)
    try:
        with lease.lock(change.run_id):
            return begin(change) or _locked(change)
    except lease.Locked as error:
        return change.answer("locked", str(error), holder=lease.holder())
    except (Failed, OSError) as error:
        lease.release(change.run_id)
        return change.answer("refused", words_of(error))


def _locked(change: ApplyTransaction) -> ChangeAnswer:
    arms_early = False
    try:
        change.step("prepare", keys.prepare)
        keys.leave(change.folder)
        # What is read takes longest: all that changes nothing goes beside it.
        look = change.step("paths before", lambda: _look(change))
        try:
            facts = change.step("observe", lambda: observe(change.request["observe"], change.folder, runtime=False))
            if (stale := _stale(change, facts, look)) is not None:
                lease.release(change.run_id)
                return change.answer("stale", stale, facts=facts)
            if change.request["observe"].get("held"):
                change.step("keep what is held", lambda: held.keep(change))
            change.step("keep what is quarantined", lambda: quarantine.keep(change))
            change.step("save last-good", lambda: last_good.save(_owned(change, facts), _state(facts)))
            change.had_programs = frozenset((facts["manifest"] or {}).get("programs", ()))
            preflight.install_program(change)
            preflight.check(change, facts)
            if look.is_reading and switch.can_arm_early(change):
                change.step("arm", lambda: switch.arm(change))
                arms_early = True
        finally:
            look.wait()
        before = change.step("paths at the switch", look.end)
    except Failed as error:
        if arms_early:
            dead_man.disarm()
        preflight.uninstall_program(change)
        return change.refused(error)
    # The receipt first: whoever comes back after a loss finds what was looked at before.
    kept = {"before": before, "elsewhere": change.request["elsewhere"]}
    receipt = change.receipt("armed", "the change waits for its confirmation", **kept)
    try:
        if arms_early:
            # It has counted since before the paths were looked at.
            dead_man.renew(change.run_id, change.confirm_s)
        else:
            change.step("arm", lambda: switch.arm(change))
        switch.switch(change, facts)
        switched = time.monotonic()
        change.step("health", lambda: _health(change))
        if change.ended:
            change.receipt("armed", "the change waits for its confirmation", **kept, sessions=change.ended)
        lease.extend(change.run_id, OPERATION_S)
        dead_man.renew(change.run_id, change.confirm_s, dead_man.WAITING)
    except Failed as error:
        return change.back(words_of(error))
    except Exception as error:  # noqa: BLE001  whatever it is, the host must not stay between two states
        return change.back(f"{type(error).__name__}: {error}")
    return change.answer("armed", before=before, receipt=receipt, switched=switched)


def _look(change: ApplyTransaction) -> gate.LookBefore:
    """How the paths are; a relay that does not answer is asked nothing, as each question would wait in vain."""
    return gate.LookBefore(change.request["gate"], answers=not switch.is_silent(change))


def _stale(change: ApplyTransaction, facts: FactsAnswer, before: gate.LookBefore) -> str | None:
    """Why the host is not what the plan was made from, empty where its facts say it; None where it is."""
    if facts["live_digest"] != change.request["expected_live_digest"]:
        return ""
    hangs = not switch.is_silent(change) and _hangs(facts, before)
    return f"{paths.UNIT_MEDIAMTX} does not answer its Control API any more" if hangs else None


def _hangs(facts: FactsAnswer, before: gate.LookBefore) -> bool:
    """Whether MediaMTX runs and does not answer: only a restart helps, which cuts all, so that the plan has to say it.

    One whose own unit the plan restarts anyway is asked nothing of before.
    """
    unit = facts["units"].get(paths.UNIT_MEDIAMTX)
    runs = unit is not None and unit["active"] == "active" and facts.get("relay") is not None
    return runs and before.sessions["paths"] is None


def _owned(change: ApplyTransaction, facts: FactsAnswer) -> list[str]:
    return sorted({*change.wanted, *((facts["manifest"] or {}).get("files", ()))})


def _state(facts: FactsAnswer) -> last_good.LiveState:
    return last_good.LiveState(facts["units"], firewall=facts["firewall"]["present"])


def _health(change: ApplyTransaction) -> last_good.LiveState:
    request = change.request
    rules = str(paths.NFT_FILE) in request["files"]
    return health(request["units"], request["peers"], request["sentinel"], rules=rules)
