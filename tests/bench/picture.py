"""A look at a stream by hand, what level 6 says of it, and what a look costs.

Run by `scripts/picture`: an address of RTSP or a file is looked at as a relay would; without one, clips are made and
the processor's time of each way to look is printed, beside a decoding of every picture. `scripts/bench picture` has the
looks of a night among its figures.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from provisioner.hosts import answers
from provisioner.verify.evidence import LONGEST_S
from provisioner.verify.picture_check import Agreed, judged
from provisioner.verify.requests import FULL_KEYS, FULL_S, QUICK_S
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.wire import LookToTake, ReadAnswer
from tests.bench.figures import Figure, Part, Ratio
from tests.film_server import FilmServer
from tests.films import Film, film_in
from tests.looks import look_at_films, read

T = TypeVar("T")
_TIMEOUT_S: Final = 60
_RTSP_PORT: Final = 554
# A key picture is shown when so many have come.
_KEY_SHOWN: Final = 2
# So many streams of a site one ffmpeg decodes.
_TOGETHER: Final = 8
_ENCODED: Final = "-preset veryfast -b:v {rate} -maxrate {rate} -bufsize {rate}"


#: So much of a processor levels 5 and 6 may take together, a path and quick look of its sub stream.
MOST_CPU_S: Final = 0.15


class Clip(NamedTuple):
    """A clip of a stream; `every` is whether a relay decodes every picture of it, or key frames alone."""

    name: str
    size: str
    fps: int
    codec: str
    rate: str
    every: bool


_H265: Final = "-c:v libx265 -x265-params log-level=none:keyint=30:bframes=0"
CLIPS: Final = (
    Clip("sub, H.264", "640x360", 15, "-c:v libx264 -tune zerolatency -g 30", "400k", every=True),
    Clip("main, H.264", "1920x1080", 15, "-c:v libx264 -tune zerolatency -g 30", "3M", every=False),
    Clip("main, H.265", "1920x1080", 15, _H265, "2M", every=False),
)


def main() -> int:
    """PictureLook at what is named, or print what looks cost."""
    parser = argparse.ArgumentParser(description="What level 6 says of a stream, or what looks cost.")
    parser.add_argument("stream", nargs="?", help="rtsp://… or a file; without one: what looks cost")
    parser.add_argument("--full", action="store_true", help="a full look instead of a quick one")
    parser.add_argument("--keys", action="store_true", help="decode key frames alone, as of large pictures")
    parser.add_argument("--fps", type=float, help="the frames a second that were agreed")
    parser.add_argument("--runs", type=int, default=5, help="how often each cost is measured")
    options = parser.parse_args()
    if options.stream is None:
        return _print_costs(options.runs)
    return _print_judgement(options.stream, _look(full=options.full, every=not options.keys), Agreed(fps=options.fps))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _look(*, full: bool, every: bool) -> LookToTake:
    if full:
        return {"seconds": FULL_S, "most_s": LONGEST_S, "keys": FULL_KEYS, "every": every, "skips": not every}
    return {"seconds": QUICK_S, "most_s": QUICK_S, "keys": 0, "every": every, "skips": not every}


def _print_judgement(stream: str, look: LookToTake, agreed: Agreed) -> int:
    read_, cost = _measured(lambda: _read(stream, look))
    if not read_.get("picture"):
        _say(read_.get("error") or read_.get("not_run") or "its picture could not be measured")
        return 1
    _say(f"{read_['codec']} {read_['width']}x{read_['height']}, {cost:.2f} s of a processor")
    picture = answers.read(answers.wire.PictureAnswer, read_["picture"])
    for name, value in picture.items():
        for inner, measure in value.items() if isinstance(value, dict) else ((name, value),):
            _say(f"  {inner:14} {measure}")
    judgement = judged(picture, datetime.now(UTC), agreed)
    fault = f": {judgement.fault.cause.value}: {judgement.fault.detail}" if judgement.fault else ""
    _say(", ".join((judgement.state.value + fault, *judgement.suspects, *judgement.labels)))
    return int(judgement.fault is not None)


def _read(stream: str, look: LookToTake) -> ReadAnswer:
    """Look at an address, or at a file as if a camera sent it."""
    if stream.startswith("rtsp://"):
        place = urlsplit(stream)
        user, password = unquote(place.username or ""), unquote(place.password or "")
        login = Login(place.hostname or "", place.port or _RTSP_PORT, user, password)
        return read(login, unquote(place.path).lstrip("/"), _TIMEOUT_S, PictureLook(look))
    with FilmServer({"film": film_in(Path(stream))}, ends=True) as server:
        return read(Login("127.0.0.1", server.port, "", ""), "film", _TIMEOUT_S, PictureLook(look))


# --- costs ----------------------------------------------------------------------------------------
def measure(runs: int, progress: Callable[[str], None]) -> Part:
    """What a night's looks cost a relay a path: levels 5 and 6 are one read, beside a decoding of the same seconds."""
    started = tuple(_measured(_start)[1] for _ in range(runs))
    figures = [Figure("ffmpeg", "started, and nothing read, CPU", "s", started)]
    ratios: list[Ratio] = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in CLIPS:
            for name, full in (("quick", False), ("full", True)):
                progress(f"picture: {clip.name}, {name} look")
                file = _made(Path(folder), clip, FULL_S if full else QUICK_S)
                film, wanted = film_in(file), _look(full=full, every=clip.every)
                looked = _figure(clip, f"levels 5 and 6, {name} look, CPU", partial(_take, film, wanted), runs)
                decoded = _figure(clip, f"the same seconds decoded in full ({name}), CPU", partial(_decode, file), runs)
                figures.append(looked)
                if not full:
                    many = f"the same, {_TOGETHER} of a site, CPU a path"
                    figures.append(_figure(clip, many, partial(_take, film, wanted, _TOGETHER), runs, _TOGETHER))
                figures.append(decoded)
                ratios.append(Ratio(f"{clip.name}: {name} look to decoding", looked, decoded))
    notes = (
        f"what was aimed at: {MOST_CPU_S} s for levels 5 and 6 together, a path (a quick look at its sub stream)",
        f"a quick look reads {QUICK_S:g} s, a full one {FULL_S:g} s or more; the clips are read as fast as they can be",
        "packets are put together by Python, and decoded by ffmpeg: one for a path, or for eight of a site",
    )
    return Part("picture: seconds of one processor a path", tuple(figures), tuple(ratios), notes)


def _figure(clip: Clip, name: str, work: Callable[[], object], runs: int, paths: int = 1) -> Figure:
    return Figure(clip.name, name, "s", tuple(_measured(work)[1] / paths for _ in range(runs)))


def _take(film: Film, look: LookToTake, paths: int = 1) -> None:
    """Take the looks at so many streams of a site that show a film."""
    look_at_films([film] * paths, PictureLook(look))


def _print_costs(runs: int) -> int:
    _say("seconds of one processor; the clips are read as fast as they can be")
    _say(f"{'':16}{'level 5':>10}{'quick':>10}{'quick,keys':>12}{'full':>10}{'full,keys':>12}{'decode 10 s':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for clip in CLIPS:
            costs = _costs(_made(Path(folder), clip, QUICK_S), _made(Path(folder), clip, FULL_S), runs)
            cells = "".join(f"{cost:>{width}.3f}" for cost, width in zip(costs, (10, 10, 12, 10, 12, 14), strict=True))
            _say(f"{clip.name:16}{cells}")
    return 0


def _costs(short: Path, long: Path, runs: int) -> list[float]:
    looks = [_look(full=full, every=every) for full in (False, True) for every in (True, False)]
    short_film, long_film = film_in(short), film_in(long)
    key = replace(short_film, pictures=short_film.pictures[:_KEY_SHOWN])
    ways: list[Callable[[], object]] = [partial(_take, key, looks[0])]
    films = (short_film, short_film, long_film, long_film)
    ways += [partial(_take, film, look) for look, film in zip(looks, films, strict=True)]
    return [_best(way, runs) for way in (*ways, lambda: _decode(long))]


def _made(folder: Path, clip: Clip, seconds: float) -> Path:
    target = folder / f"{clip.name.replace(' ', '-')}-{seconds:g}.mkv"
    source = f"mandelbrot=s={clip.size}:r={clip.fps},noise=alls=4:allf=t"
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-t", str(seconds), "-pix_fmt", "yuv420p"]
    encoded = [*clip.codec.split(), *_ENCODED.format(rate=clip.rate).split()]
    subprocess.run([*argv, *encoded, str(target)], check=True, timeout=600)
    return target


def _start() -> None:
    subprocess.run(["ffmpeg", "-version"], check=True, timeout=_TIMEOUT_S, stdout=subprocess.DEVNULL)


def _decode(file: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", str(file), "-f", "null", "-"]
    subprocess.run(argv, check=True, timeout=_TIMEOUT_S)


def _best(work: Callable[[], object], runs: int) -> float:
    """The least of some runs: what is above it is other people's."""
    return min(_measured(work)[1] for _ in range(runs))


def _measured(work: Callable[[], T]) -> tuple[T, float]:
    """What some work gives, and the processor's time that it and its children took."""
    before = _spent()
    result = work()
    return result, _spent() - before


def _spent() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    sys.exit(main())
