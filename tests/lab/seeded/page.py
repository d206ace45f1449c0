"""The page docs/reference/verdicts.md, made from what is stored."""

import textwrap
from collections.abc import Mapping, Sequence

from .faults import FAULTS
from .outcome import Judgement
from .table import WIDTH, drawn_table, last_lines, table, wrongs

_HEAD = """\
# What verify says of faults

Faults are seeded in the lab, one after the other and where none can mask another several at a time, and `provisioner
verify` looks at each as often as the last column says. `scripts/seeded` does that and prints this page's tables;
`scripts/seeded --printed` prints what is stored of the last time. The faults are in `tests/lab/seeded/faults.py`, what
was seen in `tests/lab/seeded/real.json` and `standin.json`; a test compares this page with both.

Each look stands for itself: `verify --once` counts one failure as one and remembers nothing of the faults before, and
`--picture full` looks longer where a picture is broken. **Expected** is the verdict, the cause, and the layer of the
place; the place is right where the incident's object is the one that was broken, too, and some faults have several
causes that are right. **Incidents** are those with a path of the fault: one is right for a fault. **Stable** is how
many looks said the same. A *healthy* row is a state that looks like a fault and is none. A row is of the last time that
its fault was seeded, which may be older than the code.

What the lab cannot show: pictures are synthetic, its twelve cameras are programs, and what lasts for hours lasts for
seconds here. What is a *suspect* has to last: before, the pictures are accepted, then the fault is looked at twice, and
between these two looks what is remembered of it is put back by an hour, as no lab runs that long; hosts' clocks are
left alone. How often such views are found where cameras differ is in [picture.md](picture.md). None of these faults is
one that a camera itself tells by ONVIF; `tests/lab/test_onvif.py` has those.

What cannot be told:

- A gateway's map that leads to another camera of the site, unless that camera's serial number is known by ONVIF. RTSP
  has no name of a device: realm and `Server` are those of its make. So the camera has no such stream, refuses the
  password, or shows another view (`swapped`, if the pictures were accepted). In a routed site there is no such map.
- A picture that is frozen and encoded anew under a running clock, and a camera that lost its picture in a room that may
  be dark ([picture.md](picture.md#real-footage)).
- In a quick look: whether key frames are rare, or never come. The next full look tells.
"""


_DRAWN = """\
The faults above are those that the rules were written for. These are drawn by a seed from a grammar
(`tests/lab/seeded/draw.py`): object, kind, degree, moment, one or two at a time. What has to be said follows from the
grammar, and each seed draws others: `scripts/seeded --draw SEED --count N`. Each rate has its interval of 95 %.

Seeds 149 to 211 were drawn beside other work (a load of 10 to 30 on two processors). Two looks went wrong for that
reason and were repeated on a quiet machine: 193/019 blamed the relay, which did lack processor time, and 211/002 left a
healthy path of another site unchecked. In 167/028 the grammar was wrong: an open connection outlives a firewall that
drops only new ones. Until 239/005, 415 counted as a missing stream; now it is a wrong answer.
"""


def page(real: Sequence[Judgement], standin: Sequence[Judgement], seeds: Mapping[int, Sequence[Judgement]]) -> str:
    """Return the page as it has to be."""
    other = [one for one in standin if not one.is_right]
    parts = [
        _HEAD,
        "## On MediaMTX",
        "\n".join(table(real)),
        "\n".join(last_lines(real)),
        *_untried(real),
        "### What is wrong there",
        "\n".join(wrongs(real)),
        "## Drawn faults",
        _DRAWN,
        "\n".join(drawn_table(seeds)),
        "### What is wrong with drawn faults",
        "\n".join(wrongs([judgement for judged in seeds.values() for judgement in judged])),
        "## On the stand-in",
        f"Where MediaMTX cannot be had the lab takes the stand-in. Of the faults {len(standin)} were tried on it:",
        "\n".join(last_lines(standin)),
        "\n".join(wrongs(standin)) if other else "Nothing is wrong there.",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _untried(judged: Sequence[Judgement]) -> list[str]:
    """A paragraph that names the faults of which nothing is stored."""
    tried = {one.fault.name for one in judged}
    names = [fault.name for fault in FAULTS if fault.name not in tried]
    return [textwrap.fill(f"Not tried yet: {'; '.join(names)}.", WIDTH)] if names else []
