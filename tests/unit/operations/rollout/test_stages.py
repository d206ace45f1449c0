"""Many new paths come in steps: each file on the way is whole, and the last one is the wanted one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.relay import relay

SENTINEL = "cfg/0123456789ab"


def content(names: list[str], sentinel: str = SENTINEL) -> str:
    lines = ["# Managed by provisioner.", 'logLevel: "info"', "paths:"]
    lines += [f'  {json.dumps(name)}: {{"source": "rtsp://camera/{name}"}}' for name in names]
    return "\n".join([*lines, f'  {json.dumps(sentinel)}: {{"source": "publisher"}}']) + "\n"


@given(old=st.sets(st.integers(0, 400), max_size=200), new=st.sets(st.integers(0, 400), max_size=300))
def test_each_step_adds_at_most_so_many_paths_and_takes_none_away(old: set[int], new: set[int]) -> None:
    live, wanted = content([f"p{n}" for n in sorted(old)]), content([f"p{n}" for n in sorted(new)])
    before = set(relay.describe(live, "")["paths"]) & set(relay.describe(wanted, "")["paths"])
    sentinels = {SENTINEL}
    for sentinel, text in (*relay.stages(live, wanted, 50), (SENTINEL, wanted)):
        described = relay.describe(text, "")
        assert described["sentinel"] == sentinel
        assert described["foreign"] == 0
        now = set(described["paths"])
        assert before <= now
        assert len(now - before) <= 50
        before = now
        sentinels.add(sentinel)
    assert before == set(relay.describe(wanted, "")["paths"])
    assert len(sentinels) == 1 + len(list(relay.stages(live, wanted, 50)))


def test_few_new_paths_come_at_once() -> None:
    assert list(relay.stages("", content([f"p{n}" for n in range(50)]), 50)) == []
    assert len(list(relay.stages("", content([f"p{n}" for n in range(51)]), 50))) == 1
