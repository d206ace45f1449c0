"""The clock over the lab's clips: a decoder takes it without a word, and shows what was written."""

import importlib
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.verify.evidence import LONGEST_S
from tests.lab.cameras import Picture
from tests.lab.topology import FRAME_RATE

LAB = Path(__file__).parents[1] / "lab/image/guest/usr/local/lib/lab"


@pytest.fixture
def lab_modules(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The modules as the lab's cameras import them."""
    monkeypatch.syspath_prepend(str(LAB))
    return importlib.import_module("clips"), importlib.import_module("top_row")


_SMALL = (176, 144)


@cache
def _units(clips: Any, tmp: Path, kind: str, size: tuple[int, int] | None = None) -> list[bytes]:
    clips.CLIPS = tmp
    clip = clips.Clip("7", clips.CAMERAS[7].graph, 2, size=size)
    clips.prepare(clip, kind)
    found: list[bytes] = clips.access_units((tmp / f"7-{kind}.h264").read_bytes())
    return found


def _decoded(stream: bytes, width: int, height: int) -> tuple[list[bytes], str]:
    """The luma of each picture, and what the decoder complained of."""
    words = [
        *("ffmpeg", "-nostdin", "-v", "warning", "-f", "h264", "-i", "-", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
    ]
    done = subprocess.run(words, input=stream, capture_output=True, check=True, timeout=60)
    luma, size = width * height, width * height * 3 // 2
    return [done.stdout[at : at + luma] for at in range(0, len(done.stdout), size)], done.stderr.decode()


def test_the_lab_sends_pictures_as_often_as_they_were_made_for(lab_modules: tuple[Any, Any]) -> None:
    clips, _ = lab_modules
    assert clips.RATE == FRAME_RATE


@pytest.mark.parametrize(("kind", "size"), [("sub", None), ("main", None), ("main", _SMALL)])
def test_the_clock_is_decoded_as_it_was_written(
    lab_modules: tuple[Any, Any], tmp_path: Path, kind: str, size: tuple[int, int] | None
) -> None:
    clips, top_row = lab_modules
    width, height = size or clips.SIZES[kind]
    units = _units(clips, tmp_path, kind, size)
    sps = next(nal for nal in top_row.nals(units[0]) if nal[0] & 31 == 7)
    row = top_row.Row(top_row.Geometry.of(sps))
    texts = ["26054200", "26054201"]
    stream = b"".join(row.over(unit, texts[number // clips.RATE]) for number, unit in enumerate(units))
    pictures, complaints = _decoded(stream, width, height)
    assert complaints == ""
    assert len(pictures) == len(units) == 2 * clips.RATE
    for number, picture in enumerate(pictures):
        for line, written in enumerate(top_row.digits(texts[number // clips.RATE], 16, 235)):
            # A dependent picture has the row of the key picture before it.
            assert picture[line * width : line * width + len(written)] == written, (number, line)
    assert pictures[0][width * 16 :] != pictures[3][width * 16 :]


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=40).map(bytes))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_looks_like_the_start_of_another_unit(lab_modules: tuple[Any, Any], content: bytes) -> None:
    _, top_row = lab_modules
    written = top_row.escaped(content)
    assert not any(bytes([0, 0, last]) in written for last in (0, 1, 2))
    assert top_row.plain(written) == content


def test_a_picture_never_comes_twice(lab_modules: tuple[Any, Any], tmp_path: Path) -> None:
    clips, top_row = lab_modules
    key = _units(clips, tmp_path, "sub")[0]
    sps = next(nal for nal in top_row.nals(key) if nal[0] & 31 == 7)
    row = top_row.Row(top_row.Geometry.of(sps))
    assert len({row.over(key, f"{second:08}") for second in range(200)}) == 200


def test_the_modes_of_the_cameras_are_those_of_the_control() -> None:
    program = (LAB / "camera.py").read_text(encoding="utf-8")
    modes = program[program.index("MODES = {") : program.index("def access_units")]
    assert [picture for picture in Picture if f'"{picture.value}"' not in modes] == []


def test_whatever_is_no_still_shows_no_picture_twice_in_a_look(lab_modules: tuple[Any, Any]) -> None:
    clips, _ = lab_modules
    assert [
        clip.name
        for clip in (*clips.CAMERAS, *clips.SCENES, *clips.OTHERS)
        if not clip.clock and clip.seconds <= LONGEST_S and clip.name != "loop"
    ] == []
