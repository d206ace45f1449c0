"""Half of a lab's paths are broken, each camera in its own way: `verify` tells it in time, and the first of it soon."""

import json
import re
import sys
import time
from contextlib import ExitStack
from typing import Final

import pytest

from .cameras import Picture
from .deployment import Deployment
from .patience import stretched
from .seeded.steps import Password, Shows, Step, Unplugged, camera_unit
from .test_verify import all_up, verified

pytestmark = [pytest.mark.lab, pytest.mark.destructive]

BROKEN: Final[dict[str, tuple[str, Step]]] = {
    "kcl-bg-001/cam-01": ("silent", Shows("kcl-bg-001/cam-01", Picture.SILENT)),
    "kcl-bg-001/cam-03": ("key frames rare", Shows("kcl-bg-001/cam-03", Picture.KEY_60)),
    "kcl-hd-001/cam-01": ("camera refuses", camera_unit("kcl-hd-001/cam-01", "stop", "start")),
    "kcl-hd-001/cam-02": ("camera unplugged", Unplugged("kcl-hd-001/cam-02")),
    "kcl-hd-001/cam-03": ("wrong password", Password("kcl-hd-001/cam-03")),
    "kcl-qn-001/cam-01": ("stream ends", Shows("kcl-qn-001/cam-01", Picture.ENDS)),
}
_SETTLE_S: Final = 20
_LONGEST_S, _FIRST_S = 45, 10


@pytest.mark.soak
def test_half_of_the_paths_are_broken_and_it_is_told_in_time(deployment: Deployment) -> None:
    if not deployment.engine.is_real:
        pytest.skip("the stand-in knows no rare key frames")
    # Sites with a remembered failure are read on both sides at once, and no second visit follows.
    assert all_up(verified(deployment, until=all_up))
    with ExitStack() as mending:
        for _, step in BROKEN.values():
            mending.callback(step.undo, deployment)
            step.do(deployment)
        time.sleep(stretched(_SETTLE_S))
        begun = time.monotonic()
        done = deployment.run("--output", "json", "verify", check=False)
        seconds = time.monotonic() - begun
    sys.stderr.write(f"{seconds:.1f} s\n{done.stderr}")
    paths = json.loads(done.stdout)["paths"]
    found = {f"{path['facility']}/{path['camera']}": path["cause"] for path in paths if path["path"].endswith("/sub")}
    assert {camera: cause for camera, cause in found.items() if cause} == {c: cause for c, (cause, _) in BROKEN.items()}
    assert seconds <= stretched(_LONGEST_S)
    told = re.search(r"^after (\d+) s: camera kcl-hd-001/cam-01: camera refuses, 2 paths$", done.stderr, re.MULTILINE)
    assert told, done.stderr
    assert int(told[1]) <= stretched(_FIRST_S)
