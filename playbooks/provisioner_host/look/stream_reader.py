"""Looks at many streams by one program: it pulls all of them over RTSP itself, and decodes those of a site together.

It can prove that a stream is well, and nothing else. Whatever is not as it has to be, in a packet, in how pictures
follow each other or in what the decoder says, it leaves to `rtsp_reader`, whose look says what is wrong. Of a stream
that does not come at all it says why.

A stream that is looked at, as its packets come: what of it is to be decoded, and what was measured. Pure.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host.look import batch_decoder, early_end, picture_measures
from provisioner_host.look.batch_decoder import DecodedAnswer, StreamToDecode
from provisioner_host.look.early_end import Arrived, Decoded
from provisioner_host.look.media_units import CLOCK, CodedPicture, Depacketizer, Unfit
from provisioner_host.look.picture_look import MOST_PACKETS, PictureLook
from provisioner_host.look.picture_measures import Packet
from provisioner_host.look.rtsp_reader import SHORTEST_READ_S, Login
from provisioner_host.look.rtsp_talk import Refused, Talk, VideoTrack
from provisioner_host.relay import pinned_tls

if TYPE_CHECKING:
    import ssl

    from provisioner_host.wire import PictureAnswer, ReadAnswer


class LookedStream:
    """A stream from the first packet on; the look begins with its first key picture."""

    def __init__(self, track: VideoTrack, look: PictureLook) -> None:
        self._track, self._look, self._every = track, look, look.every
        self._depacketizer = Depacketizer(track.codec, track.payload_type)
        self._before: list[Arrived] = []
        self._pictures: list[Arrived] = []
        self._begin_ticks, self._latest = 0, 0
        self._decoded = Decoded((), None)
        self.keys = 0
        """How many key pictures have come."""

    def packet(self, packet: bytes, now: float) -> list[bytes]:
        """Take a packet that came now: what is to be decoded of the pictures that are whole with it.

        Raises:
            Unfit: it is not as it has to be.
        """
        blocks: list[bytes] = []
        for one in self._depacketizer.packet(packet):
            if one.key or self._pictures:
                blocks += self._picture(one, now)
            elif self._look.early is not None and len(self._before) < MOST_PACKETS:
                self._before.append(Arrived(Packet(one.ticks / CLOCK, len(one.data)), now))
        return blocks

    def _picture(self, one: CodedPicture, now: float) -> list[bytes]:
        data, blocks = one.data, list[bytes]()
        if not self._pictures:
            self._begin_ticks = self._latest = one.ticks
            self._before = [early_end.moved(before, -one.ticks / CLOCK) for before in self._before]
            if not one.sets:
                data = self._track.sets + data
            blocks.append(batch_decoder.head_of(self._track.codec))
        elif one.ticks < self._latest and not self._every:
            # Pictures come out of order: a decoder of key pictures alone would see less than the other reader's.
            raise Unfit("its pictures come out of order")
        self._latest = max(self._latest, one.ticks)
        self.keys += one.key
        ticks = one.ticks - self._begin_ticks
        key = picture_measures.key_of(one.data, self._track.codec) if one.key else ""
        self._pictures.append(Arrived(Packet(ticks / CLOCK, len(one.data), key), now))
        if len(self._pictures) > MOST_PACKETS:
            raise Unfit("it sends more pictures than any camera")
        if self._every or one.key:
            blocks += [batch_decoder.picture_head(ticks, len(data)), data]
        return blocks

    def shown(self, decoded: Decoded) -> None:
        """Take what was decoded so far."""
        self._decoded = decoded

    def is_answered(self, now: float) -> bool:
        """Whether all that the look asks is answered, and well, so that it may end before its time."""
        early = self._look.early
        if early is None or not self._decoded.differences:
            return False
        return early_end.is_answered(early, self._before, self._pictures, self._decoded, now)

    def answer(self, one: DecodedAnswer, looked_s: float) -> PictureAnswer | None:
        """The measures, out of what was decoded in the end; None where that is not all there was."""
        packets: Sequence[Packet] = [picture.packet for picture in self._pictures]
        owed = picture_measures.owed_from(one.first_s, packets, every=self._every)
        if (one.frames, one.key_frames) != (owed, self.keys):
            return None
        return {
            "every": self._every,
            "looked_s": round(looked_s, 2),
            "packets": picture_measures.packets_of(packets, self._pictures[-1].at - self._pictures[0].at),
            "frames": one.frames,
            "owed": owed,
            "key_frames": one.key_frames,
            "complaints": 0,
            "missed": 0,
            "declared_fps": one.declared_fps,
            "scene": one.scene,
            "differences": one.differences,
            "digests": one.digests,
        }


# The other reader counts from its first decoded picture, when more have come: a loop as long as a look shows in both.
_LONGER_S = 0.3
# Streams of a site wait so long for each other's key pictures, to be decoded together.
_TOGETHER_S = 1.5
# So long after a look its pictures are decoded on the busiest host.
_DECODED_S = 15.0
_LEAVING_S = 0.5
# Servers end a session of which they hear nothing for a minute.
_ALIVE_S = 25.0
_EVERY_S = 0.05
_BLOCK = 1 << 18
# What waits to be decoded: of a stream that sends more than a decoder takes, and of all of them.
_MOST_WAITING, _MOST_WAITING_OF_ALL = 16_000_000, 128_000_000
_MOST_ANSWER = 1_000_000
# A connection that is encrypted says by an error of its own that there is nothing whole yet.
_NOT_YET = (BlockingIOError, InterruptedError)

Tell = Callable[[int, "ReadAnswer | None"], None]


class SwiftTurn(NamedTuple):
    """A stream that is looked at: its number, where and as whom it is read, and how it is looked at."""

    number: int
    login: Login
    path: str
    look: PictureLook

    @property
    def site(self) -> tuple[str, str, float]:
        """What is decoded together: streams of one site, so that none can touch another one's, by one kind of look."""
        return (
            f"{self.login.address}:{self.login.port}",
            self.path.rpartition("/")[0].rpartition("/")[0],
            self.look.most_s,
        )


def look_at_all(turns: Sequence[SwiftTurn], at_once: int, read_s: float, until: float, tell: Tell) -> None:
    """Look at streams, and tell of each what came of it; None where another reader has to look at it.

    Args:
        turns: they, in the order in which they are begun.
        at_once: so many at the same time.
        read_s: how long each may take until its key picture.
        until: the end, on the monotonic clock.
        tell: is called once for each.
    """
    with selectors.DefaultSelector() as ready:
        round_ = _Looks(ready, at_once, read_s, until, tell)
        round_.waiting.extend(turns)
        while round_.goes_on:
            for key, _ in ready.select(_EVERY_S):
                act: Callable[[], None] = key.data
                act()
            round_.advance(time.monotonic())


class _Looks:
    """All looks of one program."""

    def __init__(self, ready: selectors.BaseSelector, at_once: int, read_s: float, until: float, tell: Tell) -> None:
        self.ready, self.read_s, self.until, self.tell = ready, read_s, until, tell
        self._at_once = at_once
        self.waiting: deque[SwiftTurn] = deque()
        self._open: list[_Look] = []
        self._leaving: list[_Look] = []
        self._gathered: dict[tuple[str, str, float], list[_Look]] = defaultdict(list)
        self._batches: list[_RunningBatch] = []

    @property
    def goes_on(self) -> bool:
        """Whether anything is left to be done."""
        return bool(self.waiting or self._open or self._leaving or self._gathered or self._batches)

    @property
    def waiting_bytes(self) -> int:
        """What waits to be decoded."""
        return sum(one.pipe.waiting for one in self._open)

    def advance(self, now: float) -> None:
        """Do what is due: begin looks, end them, decode."""
        while self.waiting and len(self._open) < self._at_once:
            turn = self.waiting.popleft()
            if self.until - now < SHORTEST_READ_S:
                self.tell(turn.number, {"not_run": "no time was left"})
                continue
            one = _Look(turn, self)
            self._open.append(one)
            one.guarded(one.connect)
        for one in list(self._open):
            one.guarded(one.advance, now)
        # Who is sure looks on while others are not, as long as nobody waits for the place.
        answered = [one for one in self._open if one.is_answered(now)]
        if self.waiting or len(answered) == len(self._open):
            for one in answered:
                one.guarded(one.end, now)
        self._open, ended = [one for one in self._open if not one.is_over], [one for one in self._open if one.is_over]
        self._leaving = [one for one in self._leaving + ended if not one.is_closed(now)]
        for site, looks in list(self._gathered.items()):
            if self._is_due(site, looks, now):
                self._decode(looks)
                del self._gathered[site]
        for batch in list(self._batches):
            if batch.advance(now):
                self._batches.remove(batch)

    def gather(self, look: _Look) -> None:
        """Have a stream whose key picture came decoded with others of its site."""
        looks = self._gathered[look.turn.site]
        looks.append(look)
        if len(looks) >= batch_decoder.MOST_STREAMS:
            self._decode(self._gathered.pop(look.turn.site))

    def _is_due(self, site: tuple[str, str, float], looks: Sequence[_Look], now: float) -> bool:
        still = any(one.since is None and one.turn.site == site for one in self._open)
        return not still or any(now - (one.since or now) > _TOGETHER_S for one in looks)

    def _decode(self, looks: Sequence[_Look]) -> None:
        able = [one for one in looks if not one.is_left]
        if not able:
            return
        try:
            self._batches.append(_RunningBatch(able, self))
        except OSError:
            # No process or no pipe is left for it.
            for one in able:
                one.leave_it()


class _Look:
    """A look at one stream."""

    def __init__(self, turn: SwiftTurn, looks: _Looks) -> None:
        self.turn, self._looks = turn, looks
        self._begun = time.monotonic()
        left = looks.until - self._begun
        self._patient_s = min(looks.read_s, left)
        address = turn.login.address
        place = f"[{address}]:{turn.login.port}" if ":" in address else f"{address}:{turn.login.port}"
        self._talk = Talk(place, (turn.login.user, turn.login.password), turn.path, turn.login.scheme)
        self._socket: socket.socket | ssl.SSLSocket | None = None
        self._stream: LookedStream | None = None
        self._spoke = self._left_at = self._begun
        self.pipe = _Pipe(looks)
        self.since: float | None = None
        """When its first key picture came."""
        self.looked_s = 0.0
        self.is_over = self.is_left = self._is_told = False

    # --- the connection ---------------------------------------------------------------------------

    def guarded(self, act: Callable[..., None], *arguments: object) -> None:
        """Do something: whatever goes wrong is of this stream alone."""
        try:
            act(*arguments)
        except Refused as refused:
            self._fail(str(refused), refused.status)
        except OSError as error:
            # Once it plays, the other reader says how it ended.
            if self._stream is None:
                self._fail(error.strerror or str(error), None)
            else:
                self.leave_it()
        except Exception:  # noqa: BLE001 (what one stream does must not stop the others)
            self.leave_it()

    def connect(self) -> None:
        """Begin the talk."""
        family = socket.AF_INET6 if ":" in self.turn.login.address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        code = self._socket.connect_ex((self.turn.login.address, self.turn.login.port))
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
        self._looks.ready.register(self._socket, selectors.EVENT_WRITE, lambda: self.guarded(self._connected))

    def _connected(self) -> None:
        assert self._socket is not None  # noqa: S101 (for the type checker)
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        if self.turn.login.fingerprint:
            self._looks.ready.unregister(self._socket)
            self._socket = pinned_tls.wrapped(self._socket)
            self._looks.ready.register(self._socket, selectors.EVENT_WRITE, lambda: self.guarded(self._shake_hands))
            self._shake_hands()
        else:
            self._begin()

    def _shake_hands(self) -> None:
        """Go on with the agreement about keys, as far as it goes at present."""
        import ssl  # noqa: PLC0415 (only where somebody reads encrypted)

        assert isinstance(self._socket, ssl.SSLSocket)  # noqa: S101 (for the type checker)
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._await(selectors.EVENT_READ, self._shake_hands)
        except ssl.SSLWantWriteError:
            self._await(selectors.EVENT_WRITE, self._shake_hands)
        else:
            if not pinned_tls.shows(self._socket, self.turn.login.fingerprint):
                raise OSError(0, pinned_tls.ANOTHER)
            self._begin()

    def _begin(self) -> None:
        self._await(selectors.EVENT_READ, self._hear)
        self._say(self._talk.begin())

    def _await(self, events: int, act: Callable[[], None]) -> None:
        assert self._socket is not None  # noqa: S101 (for the type checker)
        self._looks.ready.modify(self._socket, events, lambda: self.guarded(act))

    def _say(self, words: bytes) -> None:
        """Send a question: it is short, and who does not take it is none that we read."""
        if words and self._socket is not None:
            self._spoke = time.monotonic()
            if self._socket.send(words) != len(words):
                raise OSError(0, "the relay takes no questions")

    def _hear(self) -> None:
        assert self._socket is not None  # noqa: S101 (for the type checker)
        data = self._received()
        if data is None:
            return
        if not data:
            raise OSError(0, "End of file")
        now = time.monotonic()
        for question, packet in self._talk.take(data):
            self._say(question)
            if packet:
                self._packet(packet, now)

    def _received(self) -> bytes | None:
        """What has come; None where nothing whole has."""
        assert self._socket is not None  # noqa: S101 (for the type checker)
        try:
            return self._socket.recv(_BLOCK)
        except _NOT_YET:
            return None
        except OSError as error:
            # Of a connection that is encrypted: the other end's next words have not come whole.
            if self.turn.login.fingerprint and type(error).__name__ in {"SSLWantReadError", "SSLWantWriteError"}:
                return None
            raise

    def is_closed(self, now: float) -> bool:
        """Whether the connection is closed, after a farewell."""
        if self._socket is None or now - self._left_at > _LEAVING_S:
            self._close()
            return True
        try:
            is_over = self._received() == b""
        except OSError:
            is_over = True
        if is_over:
            self._close()
        return is_over

    def _close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._looks.ready.unregister(self._socket)
            self._socket.close()
            self._socket = None

    # --- the stream -------------------------------------------------------------------------------

    def _packet(self, packet: bytes, now: float) -> None:
        if self._stream is None:
            track = self._talk.track
            assert track is not None  # noqa: S101 (for the type checker)
            self._stream = LookedStream(track, self.turn.look)
        blocks = self._stream.packet(packet, now)
        if self.since is None and self._stream.keys:
            self.since = now
            self._looks.gather(self)
        self.pipe.write(*blocks)

    def advance(self, now: float) -> None:
        """End the look if it is long enough, or the patience if nothing came."""
        if self.is_over:
            return
        if self.since is None or self._stream is None:
            if now - self._begun > self._patient_s:
                self._fail(f"no answer within {self._patient_s:g} s", None, timed_out=True)
            return
        look = self.turn.look
        enough = look.seconds if self._stream.keys >= look.keys else look.most_s
        if now >= min(self.since + enough + _LONGER_S, look.until):
            self.end(now)
        elif now - self._spoke > _ALIVE_S:
            self._say(self._talk.stay())

    def is_answered(self, now: float) -> bool:
        """Whether it may end before its time."""
        return not self.is_over and self._stream is not None and self._stream.is_answered(now)

    def end(self, now: float) -> None:
        """End the look."""
        self.looked_s = now - (self.since or now)
        self._end()

    def _end(self) -> None:
        self.is_over, self._left_at = True, time.monotonic()
        self.pipe.end()
        if self._socket is not None:
            with contextlib.suppress(OSError, KeyError, ValueError):
                self._looks.ready.unregister(self._socket)
                self._socket.send(self._talk.leave())
                self._socket.shutdown(socket.SHUT_WR)

    # --- what comes of it -------------------------------------------------------------------------

    def _fail(self, error: str, status: int | None, *, timed_out: bool = False) -> None:
        if timed_out and self._patient_s < self._looks.read_s:
            self._tell({"not_run": "the time ran out"})
        else:
            error = self.turn.login.scrubbed(error)
            self._tell({"error": error, "status": status, "timed_out": timed_out})
        self.is_left = True
        self._end()

    def leave_it(self) -> None:
        """Leave the stream to the other reader."""
        self.is_left = True
        if not self.is_over:
            self._end()
        self._tell(None)

    def _tell(self, answer: ReadAnswer | None) -> None:
        if not self._is_told:
            self._is_told = True
            if answer is not None:
                answer["seconds"] = round(time.monotonic() - self._begun, 2)
            self._looks.tell(self.turn.number, answer)

    def to_decode(self, source: int) -> StreamToDecode:
        """The stream, of which pictures are to be decoded from a pipe."""
        assert self._talk.track is not None  # noqa: S101 (for the type checker)
        return StreamToDecode(self._talk.track.codec, self.turn.look.every, source, self.turn.look.early is not None)

    def shown(self, decoded: Decoded) -> None:
        """Take what was decoded so far."""
        if self._stream is not None:
            self._stream.shown(decoded)

    def decoded(self, one: DecodedAnswer | None) -> None:
        """Take what was decoded: the answer, if that is all there was."""
        if one is None or self._stream is None or self.is_left or not self.is_over:
            self.leave_it()
            return
        if (picture := self._stream.answer(one, self.looked_s)) is None:
            self.leave_it()
            return
        self._tell({"codec": one.codec, "width": one.width, "height": one.height, "picture": picture})


class _Pipe:
    """What a stream's pictures wait in until they are decoded."""

    def __init__(self, looks: _Looks) -> None:
        self._looks = looks
        self._blocks: deque[bytes] = deque()
        self._fd: int | None = None
        self._is_over = self._is_heard = False
        self.waiting = 0

    def open(self) -> int:
        """Begin to write: the end that is read."""
        source, self._fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._write()
        return source

    def write(self, *blocks: bytes) -> None:
        """Write, as soon as somebody reads."""
        self._blocks.extend(blocks)
        self.waiting += sum(map(len, blocks))
        if self.waiting > _MOST_WAITING or self._looks.waiting_bytes > _MOST_WAITING_OF_ALL:
            raise Unfit("it sends more than is decoded")
        self._write()

    def end(self) -> None:
        """Write what waits, and no more."""
        self._is_over = True
        self._write()

    def _write(self) -> None:
        if self._fd is None:
            return
        try:
            while self._blocks:
                block = self._blocks[0]
                number = os.write(self._fd, block)
                self.waiting -= number
                self._blocks.popleft()
                if number < len(block):
                    self._blocks.appendleft(block[number:])
        except _NOT_YET:
            pass
        except OSError:
            # Whoever read is gone, which shows in what is answered.
            self._blocks.clear()
            self.waiting, self._is_over = 0, True
        self._listen(bool(self._blocks))
        if self._is_over and not self._blocks:
            os.close(self._fd)
            self._fd = None

    def _listen(self, wanted: bool) -> None:  # noqa: FBT001 (what it says)
        if wanted and not self._is_heard:
            self._looks.ready.register(self._fd or 0, selectors.EVENT_WRITE, self._write)
        elif self._is_heard and not wanted:
            self._looks.ready.unregister(self._fd or 0)
        self._is_heard = wanted


class _RunningBatch:
    """Streams that are decoded by one process."""

    def __init__(self, members: Sequence[_Look], looks: _Looks) -> None:
        self._members, self._looks = members, looks
        longest = max(one.turn.look.most_s for one in members)
        self._until = min(time.monotonic() + longest + _DECODED_S, max(looks.until, time.monotonic() + _DECODED_S))
        streams = [one.to_decode(one.pipe.open()) for one in members]
        self._batch = batch_decoder.begin(streams, self._until)
        self._said, self._is_over, self._heard = bytearray(), False, 0
        looks.ready.register(self._batch.answers, selectors.EVENT_READ, self._hear)

    def _hear(self) -> None:
        chunk = os.read(self._batch.answers, _BLOCK)
        self._said += chunk
        self._is_over = self._is_over or not chunk or len(self._said) > _MOST_ANSWER
        *lines, _ = bytes(self._said[self._heard :]).split(b"\n")
        self._heard += sum(len(line) + 1 for line in lines)
        for line in lines:
            if said := batch_decoder.decoded_in(line, len(self._members)):
                self._members[said[0]].shown(said[1])

    def advance(self, now: float) -> bool:
        """Whether it is over: then its answers are told."""
        if not self._is_over and now < self._until + 1:
            return False
        self._looks.ready.unregister(self._batch.answers)
        os.close(self._batch.answers)
        with contextlib.suppress(OSError):
            os.kill(self._batch.process, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self._batch.process, 0)
        answers = batch_decoder.answers_in(bytes(self._said), len(self._members))
        for one, answer in zip(self._members, answers):
            one.guarded(one.decoded, answer)
        return True
