"""A path that its relay does not pull, since its device refuses the password: a verdict of its own. Pure."""

from __future__ import annotations

from provisioner.plan.diff import quarantined_on
from provisioner.verify.case import Case, Check, failed
from provisioner.verify.redirect import redirect_check
from provisioner.verify.result import Cause


def quarantine_check(case: Case) -> Check | None:
    """What is said of a quarantined path instead of asking for its picture; None of any other one.

    Nothing asks its device again, so that nobody knows what would come of it.
    """
    facts = case.hosts[case.target.relay.id].facts
    name = case.target.path.name
    if facts is None or name not in facts.quarantine:
        return None
    one = quarantined_on(case.target.relay, facts)[name]
    if redirected := redirect_check(case):
        # It was not the device that refused, but whom it sends its relay to.
        return redirected
    return failed(case.device_layer, case.device_name, Cause.WRONG_PASSWORD, f"{one.why}; {one.next_step}")
