"""Short encoded clips of what cameras show, healthy and not, made once a run; and a look at one as hosts take it."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.hosts.answers import read
from provisioner_host import wire
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.picture_measures import checked_picture
from tests.films import film_in
from tests.looks import look_at_film

RATE: Final = 10
SECONDS: Final = 4.2
_SIZE: Final = f"s=640x360:r={RATE}"


def _noise(levels: int) -> str:
    # Threads share the random numbers, and one of them alone makes the same noise each time.
    return f"noise=alls={levels}:allf=t:threads=1"


def _text(words: str, size: int = 40, colour: str = "white", y: str = "(h-th)/2") -> str:
    return f"drawtext=text='{words}':x=(w-tw)/2:y={y}:fontsize={size}:fontcolor={colour}"


def _colour(name: str) -> str:
    return f"color=c={name}:{_SIZE}"


_CLOCK: Final = _text("2021-05-11 23\\:10\\:05", 16, y="6")
# A drawing with edges everywhere, which moves; its luma is what a light gives or does not.
_SCENE: Final = f"mandelbrot={_SIZE}"
_STILL: Final = f"testsrc={_SIZE}:d=0.1,tpad=stop=-1:stop_mode=clone"


def _lit(luma: str) -> str:
    return f"{_SCENE},lutyuv=y='{luma}':u=128:v=128"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is filmed, as a filter of ffmpeg, and how it is encoded."""

    source: str
    encoded: str = "-c:v libx264 -preset veryfast -tune zerolatency -g 10 -b:v 300k -maxrate 300k -bufsize 300k"


_CRF: Final = "-c:v libx264 -preset veryfast -tune zerolatency -g 10 -crf 30"
_H265: Final = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=10:bframes=0:no-open-gop=1"

#: By name, what no fault may be said of.
HEALTHY: Final[Mapping[str, Scene]] = {
    "day": Scene(f"testsrc2={_SIZE},{_noise(4)}"),
    "day-crf": Scene(f"testsrc2={_SIZE},{_noise(4)}", _CRF),
    "facade": Scene(f"{_SCENE},{_noise(3)}"),
    "infrared": Scene(f"{_lit('40+val/3')},{_noise(6)}"),
    "fog": Scene(f"{_lit('150+val/8')},{_noise(3)}"),
    "snow-noise": Scene(f"{_SCENE},{_noise(40)}"),
    "overlay-clock": Scene(f"{_SCENE},{_noise(3)},{_CLOCK}"),
    "empty-corridor": Scene(f"{_STILL},{_noise(3)}", _CRF),
    "h265": Scene(f"{_SCENE},{_noise(3)}", _H265),
    "b-frames": Scene(
        f"{_SCENE},{_noise(3)}", "-c:v libx264 -preset veryfast -g 10 -bf 2 -b:v 300k -x264-params open-gop=1"
    ),
    "intra-refresh": Scene(
        f"{_SCENE},{_noise(3)}", "-c:v libx264 -preset veryfast -bf 0 -g 10 -b:v 300k -x264-params intra-refresh=1"
    ),
    "rare-key-frames": Scene(f"{_SCENE},{_noise(3)}", "-c:v libx264 -preset veryfast -g 600 -bf 0 -b:v 300k"),
}

#: By name, what cannot be judged.
DARK: Final[Mapping[str, Scene]] = {
    "nearly-black-under-a-clock": Scene(f"{_lit('16+val/30')},{_noise(3)},{_CLOCK}"),
    "nearly-black": Scene(f"{_lit('16+val/30')},{_noise(2)}", _CRF),
    "night": Scene(f"{_lit('16+val/12')},{_noise(3)}"),
    "one-lamp": Scene(f"{_colour('black')},drawbox=300:150:12:12:white:fill,gblur=5,{_noise(2)}"),
}

#: By name, what a single look has to see, with its cause; the rate of `half-rate` was agreed to be twice that.
FAULTS: Final[Mapping[str, tuple[str, Scene]]] = {
    "black": ("black picture", Scene(_colour("black"))),
    "black-crf": ("black picture", Scene(_colour("black"), _CRF)),
    "black-under-a-clock": ("black picture", Scene(f"{_colour('black')},{_CLOCK}")),
    "black-with-noise": ("black picture", Scene(f"{_colour('black')},{_noise(3)}")),
    "grey": ("flat picture", Scene(_colour("gray"))),
    "grey-with-noise": ("flat picture", Scene(f"{_colour('gray')},{_noise(3)}")),
    "green": ("flat picture", Scene(f"{_colour('green')},{_CLOCK}", _CRF)),
    "no-video": ("no video card", Scene(f"{_colour('blue')},{_text('NO VIDEO')}")),
    "video-loss": ("no video card", Scene(f"{_colour('black')},{_text('VIDEO LOSS')}", _CRF)),
    "no-signal": ("no video card", Scene(f"{_colour('gray')},{_text('No Signal', 30, 'black')}")),
    "bars": ("no video card", Scene(f"smptebars={_SIZE}")),
    "half-rate": (
        "rate too low",
        Scene(
            f"{_SCENE},{_noise(3)},framestep=2", f"-c:v libx264 -preset veryfast -tune zerolatency -g 5 -r {RATE // 2}"
        ),
    ),
}


def clip(folder: Path, name: str, scene: Scene) -> Path:
    """A clip, encoded if it is not there."""
    target = folder / f"{name}.mkv"
    if not target.exists():
        new = target.with_suffix(".new.mkv")
        head = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", scene.source, "-t", str(SECONDS)]
        subprocess.run([*head, "-pix_fmt", "yuv420p", *scene.encoded.split(), str(new)], check=True, timeout=120)
        new.rename(target)
    return target


def raw(folder: Path, name: str, scene: Scene) -> bytes:
    """A clip's stream by itself, to be damaged or repeated."""
    source = clip(folder, name, scene)
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(source), "-c", "copy", "-f", "h264", "-"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def wrapped(folder: Path, name: str, stream: bytes) -> Path:
    """A file of an H.264 stream by itself."""
    target = folder / f"{name}.h264"
    target.write_bytes(stream)
    return target


#: A look at all of a clip: a file ends by itself.
QUICK: Final[wire.LookToTake] = {"seconds": 60, "most_s": 60, "keys": 0, "every": True}


def look_at(path: Path, look: wire.LookToTake = QUICK) -> wire.PictureAnswer:
    """A look at a file, as a host takes it of a stream and as the controller reads it."""
    picture = look_at_film(film_in(path), PictureLook(look))
    assert picture, path
    return read(wire.PictureAnswer, checked_picture(picture))
