"""Prepares what the lab's cameras show, once, when the image is made: they only send it then, and encode nothing.

Every camera has its own picture (a hue and a moving mark), because equal pictures on several channels are how a
recorder's "video loss" card is recognised. What a healthy camera shows lacks its top row: `top_row` writes a clock
there when it is sent, so that no picture comes twice.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from top_row import Geometry, below, nals  # type: ignore[import-not-found]  # beside it

CLIPS = Path("/usr/share/lab-camera")
SIZES = {"sub": (352, 288), "main": (640, 360)}
RATE = 5  #: Pictures a second: each packet passes two tunnels in user space, which is most of what a lab costs.
_RATES = {"sub": 55, "main": 140}
_CAMERAS = 16
_ROW = 16
_DELIMITER = b"\x00\x00\x00\x01\x09"
_SETS = (7, 8)
# A corridor: walls, doors, a lamp; nothing moves in it.
_CORRIDOR = (
    "color=c=0x6a6a62:size={size}:r={rate},drawbox=x=0:y=ih*3/5:w=iw:h=ih*2/5:color=0x3c3a36:t=fill,"
    "drawbox=x=iw/8:y=ih/5:w=iw/7:h=ih/2:color=0x8a7a5a:t=fill,drawbox=x=iw*5/8:y=ih/4:w=iw/8:h=ih*9/20:color=0x4a5a6a:t=fill,"
    "drawbox=x=iw*3/7:y=ih/3:w=iw/10:h=ih/4:color=0xc0c0b0:t=fill,drawgrid=w=iw/11:h=ih/9:t=1:color=0x55554e"
)


@dataclass(frozen=True)
class Clip:
    """One clip: what it shows (a filter graph; `{size}` and `{rate}` are filled in), how long, and its encoding."""

    name: str
    graph: str
    seconds: int = 12
    gop: int = RATE  #: Pictures from one key picture to the next.
    clock: bool = True  #: Whether the top row is left to the moment of sending.
    size: tuple[int, int] | None = None  #: Of the picture, where it is not the stream's own.
    codec: str = "h264"


def _mark(number: int) -> str:
    box = f"drawbox=x={number * 20}:y=16:w=24:h=24:color=white:t=fill"
    return f"testsrc2=size={{size}}:r={{rate}},hue=h={number * 22},{box}"


CAMERAS = tuple(Clip(str(number), _mark(number)) for number in range(_CAMERAS))
#: A single key picture each: what is decoded is identical, as from a camera or a recorder that hangs.
STILL = (
    Clip(
        "frozen",
        "testsrc2=size={size}:r={rate},trim=end_frame=1,loop=loop=-1:size=1,setpts=N/{rate}/TB",
        1,
        clock=False,
    ),
    Clip("black", "color=c=black:size={size}:r={rate}", 1, clock=False),
    Clip("grey", "color=c=0x808080:size={size}:r={rate}", 1, clock=False),
    Clip(
        "video-loss",
        "color=c=0x10308a:size={size}:r={rate},drawbox=x=iw/4:y=ih/2-8:w=iw/2:h=16:color=white:t=fill",
        1,
        clock=False,
    ),
    Clip(
        "no-signal",
        "color=c=0x181818:size={size}:r={rate},"
        + ",".join(f"drawbox=x=iw*{n}/16:y=ih*2/5:w=iw/32:h=ih/5:color=white:t=fill" for n in range(4, 12)),
        1,
        clock=False,
    ),
)
SCENES = (
    Clip("corridor", _CORRIDOR + ",noise=alls=6:allf=t"),
    Clip("still", _CORRIDOR),
    Clip("night", _CORRIDOR + ",hue=s=0,eq=brightness=-0.28:contrast=0.5,noise=alls=8:allf=t"),
    # A room without a lamp: a door and a bed can still be told. Noise alone would be a fault by day.
    Clip(
        "dark",
        "color=c=0x060606:size={size}:r={rate},drawbox=x=iw/8:y=ih/5:w=iw/7:h=ih/2:color=0x0c0c0c:t=fill,"
        "drawbox=x=iw*3/5:y=ih/3:w=iw/6:h=ih*2/5:color=0x0c0c0c:t=fill,noise=alls=4:allf=t",
    ),
    Clip("snow", _CORRIDOR + ",noise=alls=30:allf=t"),
    Clip("rare-key", _CORRIDOR + ",noise=alls=6:allf=t", 24, 12 * RATE),
    Clip("key-30", _CORRIDOR + ",noise=alls=6:allf=t", 30, 30 * RATE),
    Clip("key-60", _CORRIDOR + ",noise=alls=6:allf=t", 60, 60 * RATE),
    Clip("moved", _CORRIDOR + ",scroll=hpos=0.3:vpos=0.25,noise=alls=6:allf=t"),
    # As soft in both streams: they are one camera's.
    Clip("blurred", _CORRIDOR + ",scale=320:180,gblur=sigma=3,scale=s={size},noise=alls=2:allf=t"),
    Clip("covered", "color=c=0x505048:size={size}:r={rate},vignette,noise=alls=3:allf=t"),
)
OTHERS = (
    Clip("loop", _mark(3), 3, clock=False),
    Clip("small", _mark(5), size=(176, 144)),
    # The clock is written in H.264 alone. This one is so long that no look sees a picture twice.
    Clip("hevc", _mark(6), 90, clock=False, codec="hevc"),
)
ALL = (*CAMERAS, *STILL, *SCENES, *OTHERS)


def access_units(clip: bytes) -> list[bytes]:
    """Split an Annex B stream into its pictures."""
    return [_DELIMITER + part for part in clip.split(_DELIMITER)[1:]]


def encode(clip: Clip, kind: str, size: tuple[int, int], seconds: float) -> bytes:
    """Encode a clip at a size."""
    rate = f"{_RATES[kind]}k"
    graph = clip.graph.format(size=f"{size[0]}x{size[1]}", rate=RATE)
    quality = ["-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-g", f"{clip.gop}", "-threads", "1", "-an"]
    shape = ["-pix_fmt", "yuv420p", "-t", f"{seconds}"]
    if clip.codec == "hevc":
        codec = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params"]
        codec.append("aud=1:repeat-headers=1:annexb=1:log-level=error:pools=none:frame-threads=1")
        form = "hevc"
    else:
        codec = ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "veryfast", "-refs", "1"]
        codec += ["-keyint_min", f"{clip.gop}", "-sc_threshold", "0"]
        codec += ["-x264-params", "aud=1:repeat-headers=1:slices=1:annexb=1"]
        form = "h264"
    words = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", graph]
    return subprocess.run([*words, *shape, *quality, *codec, "-f", form, "-"], check=True, capture_output=True).stdout


@cache
def parameter_sets(kind: str, size: tuple[int, int], gop: int) -> tuple[bytes, bytes]:
    """The parameter sets of a whole picture: what it shows does not matter to them."""
    whole = encode(Clip("any", "color=c=black:size={size}:r={rate}", gop=gop), kind, size, 0.1)
    sequence, picture = (next(nal for nal in nals(whole) if nal[0] & 31 == number) for number in _SETS)
    return sequence, picture


def prepare(clip: Clip, kind: str) -> None:
    """Make one clip for one of a camera's streams."""
    size = clip.size or SIZES[kind]
    target = CLIPS / f"{clip.name}-{kind}.h264"
    if not clip.clock:
        target.write_bytes(encode(clip, kind, size, clip.seconds))
        return
    sets = parameter_sets(kind, size, clip.gop)
    geometry = Geometry.of(sets[0])
    shorter = encode(clip, kind, (size[0], size[1] - _ROW), clip.seconds)
    units = [below(unit, geometry, sets) for unit in access_units(shorter)]
    target.write_bytes(b"".join(units))


def main() -> None:
    """Make all clips."""
    CLIPS.mkdir(parents=True, exist_ok=True)
    longest_first = sorted(ALL, key=lambda clip: (clip.codec, clip.seconds), reverse=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: prepare(*job), ((clip, kind) for clip in longest_first for kind in SIZES)))
    sys.stdout.write(f"{len(ALL)} clips\n")


if __name__ == "__main__":
    main()
