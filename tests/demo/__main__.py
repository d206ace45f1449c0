"""Run the demo: `python -m tests.demo [--keep]`. It touches only containers and folders of its own."""

import argparse
import signal
import sys
from types import FrameType
from typing import Final

from tests.lab.docker_cli import RUN_LABEL, listed
from tests.lab.docker_daemon import DockerDaemon
from tests.lab.engine import Engine, find_engine
from tests.lab.errors import LabError
from tests.lab.image import image
from tests.lab.lab import Lab
from tests.nodes.broker import server_program

from .carriers import LACKING, CarriersStory
from .errors import DemoError
from .ministry import MinistryStory
from .screen import Screen, line
from .story import OUT, Story, what_next, where_the_site_is

_INTERRUPTED: Final = 130


def main() -> int:
    """Tell the story; 0 if all came out as it should."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Show the whole on one machine, with the real commands."
    )
    parser.add_argument("--keep", action="store_true", help="leave lab and pages running, say what to try next")
    parser.add_argument("--carriers", action="store_true", help="show a carrier that only its node reaches, instead")
    parser.add_argument("--ministry", action="store_true", help="show the ministry's view of two carriers, instead")
    chosen = parser.parse_args()
    other = CarriersStory if chosen.carriers else MinistryStory if chosen.ministry else None
    if chosen.keep + chosen.carriers + chosen.ministry > 1:
        parser.error("--keep, --carriers and --ministry do not go together")
    # A shell's background jobs inherit an ignored SIGINT: here both mean "clean up and end".
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_interrupt)
    screen = Screen()
    try:
        daemon = DockerDaemon.ensure()
        try:
            if other:
                _other_demo(screen, other)
            else:
                _demo(screen, keep=bool(chosen.keep))
        finally:
            _end(daemon)
    except (DemoError, LabError) as error:
        line()
        print(f"demo: FAILED after {screen.seconds:.0f} s: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print(f"\ndemo: interrupted after {screen.seconds:.0f} s; the lab is removed", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    return 0


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    # The first one is enough: another would end what cleans up.
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _demo(screen: Screen, *, keep: bool) -> None:
    engine = find_engine()
    _tell_engine(engine)
    screen.say(
        """Seven hosts boot now, each a container with systemd: two relays, the monitoring centre, and four site
        gateways with cameras behind them. The first time an image has to be made, which takes minutes."""
    )
    with screen.waiting("making the image of the lab's hosts"):
        image()
    with screen.waiting("booting seven hosts"):
        lab = Lab.start(keep=keep)
    story = Story(lab, engine, screen, keep=keep)
    kept = False
    try:
        line(f"lab {lab.run} is up after {screen.seconds:.0f} s")
        story.tell()
        kept = keep
        _tell_end(screen, engine, story)
        if keep:
            _tell_next(story, lab)
    finally:
        if not kept:
            _ignore_signals()
            story.end_pages()
            lab.stop()


def _other_demo(screen: Screen, kind: type[CarriersStory | MinistryStory]) -> None:
    if kind is CarriersStory and not server_program():
        raise DemoError(LACKING)
    engine = find_engine()
    _tell_engine(engine)
    with screen.waiting("making the image of the lab's hosts"):
        image()
    with screen.waiting("booting seven hosts"):
        lab = Lab.start()
    story = kind(lab, engine, screen)
    try:
        line(f"lab {lab.run} is up after {screen.seconds:.0f} s")
        story.tell()
        line()
        line(f"engine: {engine.name}")
        line(where_the_site_is())
        line(f"demo: all as it should be, {screen.seconds:.0f} s in total")
    finally:
        _ignore_signals()
        story.end()
        lab.stop()


def _tell_engine(engine: Engine) -> None:
    line(f"engine: {engine.name}")
    if not engine.is_real:
        line("  No MediaMTX could be had here, so a small double takes its place, in the lab only.")
        line("  With the real one: MEDIAMTX_BIN=/path/to/mediamtx scripts/demo")


def _tell_end(screen: Screen, engine: Engine, story: Story) -> None:
    line()
    line(f"engine: {engine.name}")
    line(f"verdicts as a page: {OUT / 'verify.html'}")
    line(f"with the camera unplugged: {OUT / 'unplugged.html'}")
    line(story.where_pages_are())
    line(where_the_site_is())
    if story.left_out:
        line(f"left out: {story.left_out}")
    shown = "all that was shown is" if story.left_out else "all"
    line(f"demo: {shown} as it should be, {screen.seconds:.0f} s in total")


def _tell_next(story: Story, lab: Lab) -> None:
    line()
    line(f"The lab {lab.run} stays, and so do its pages. To go on:")
    line()
    for text in what_next(story.deployment, lab, story.pages):
        line(f"  {text}")


def _end(daemon: DockerDaemon) -> None:
    """End a daemon that was started here, unless labs are left on it."""
    if daemon.process is not None and not listed("container", RUN_LABEL):
        daemon.stop()


if __name__ == "__main__":
    sys.exit(main())
