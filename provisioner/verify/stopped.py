"""Whether a source stopped while it was looked at: its pictures came in full, and then none came any more. Pure.

A line that is too slow goes on bringing pictures, late or in part. A camera that hangs sends none, while its connection
stands and its relay waits: that is silence, and no cause lies on the way from there to a reader. What a reader saw end
counts only where the relay itself received nothing meanwhile: a reader may be slow by itself.
"""

from __future__ import annotations

from provisioner.desired.spec import MediaPath
from provisioner.verify.case import Case, Check, failed
from provisioner.verify.result import Cause, Layer
from provisioner.verify.travel import Seen

# The end of a look in which nothing came: of a short one so long, of a longer one such a share. A picture that is late
# is late by less.
_END_S, _END_SHARE = 1.5, 0.4
# So many of the usual steps: of a camera that sends a picture every few seconds the next one may be due.
_END_STEPS = 5
# A network that loses packets may hold a stream up for a second or two.
_STOOD_STILL_S = 3.0
# Who waited for a key frame in vain waited longer than that for a camera that has one every ten seconds.
_LONG_S = 8.0
# Where so many streams of other devices stood still, too, it is their line.
_OF_SITE = 1 / 3


def stopped_check(case: Case) -> Check | None:
    """The failure of a camera whose stream came in full and ended within the look; None where it did not."""
    read = case.relay.reads.get(case.target.path.name)
    seen = read.seen if read else None
    if seen is None or not ends_early(seen) or not _stood_still(case, case.target.path, _STOOD_STILL_S):
        return None
    if _is_of_site(case):
        return None
    came_s, nothing_s = seen.arrived_s, _end_s(seen)
    detail = f"it sent {came_s:.0f} s of picture, and then nothing for {nothing_s:.0f} s: restart the camera"
    return failed(Layer.CAMERA, case.camera_name, Cause.SILENT, detail)


def stops(case: Case) -> bool:
    """Whether its relay itself received nothing for so long that a reader who waited for a picture waited in vain."""
    return case.stalls > 0 or (_stood_still(case, case.target.path, _LONG_S) and not _is_of_site(case))


def ends_early(seen: Seen) -> bool:
    """Whether what came of a stream came in time, and nothing in the last part of a look."""
    in_time = seen.arrived_s <= seen.span_s + seen.step_s + _END_S
    return in_time and _end_s(seen) > max(_END_S, _END_SHARE * seen.looked_s, _END_STEPS * seen.step_s)


def _end_s(seen: Seen) -> float:
    return seen.looked_s - seen.arrived_s


def _stood_still(case: Case, path: MediaPath, seconds: float) -> bool:
    flow = case.relay.deliveries.flows.get(path.name) if case.relay.deliveries else None
    return flow is not None and flow.still_s >= seconds


def _is_of_site(case: Case) -> bool:
    """Whether what other devices of the site send stood still as well."""
    flows = case.relay.deliveries.flows if case.relay.deliveries else {}
    facility, device = case.target.path.facility, case.target.path.device
    beside = [path for path in case.target.relay.paths if path.facility == facility and path.device != device]
    there = [path for path in beside if path.name in flows and flows[path.name].seconds > 0]
    still = [path for path in there if _stood_still(case, path, _STOOD_STILL_S)]
    return bool(still) and len(still) >= _OF_SITE * len(there)
