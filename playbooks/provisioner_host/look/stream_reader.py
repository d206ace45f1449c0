"""Reads many streams over RTSP and decodes a site's streams together.

A read ends with the first decoded key picture; a look continues and measures. Short looks of a site share an ffmpeg;
longer ones, and streams with decoder complaints, have their own.

`LookedStream` is the pure part: packets in, blocks for a decoder and measures out.
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
from provisioner_host.look.batch_decoder import DecodedAnswer, DecodedBatch, StreamToDecode
from provisioner_host.look.cpu_budget import CpuBudget
from provisioner_host.look.early_end import Arrived, Decoded
from provisioner_host.look.media_units import CLOCK, CodedPicture, Depacketizer, Unfit, missing_sets
from provisioner_host.look.older_codecs import JpegPictures, Mpeg4Pictures
from provisioner_host.look.picture_look import MOST_PACKETS, PictureLook
from provisioner_host.look.picture_measures import Packet
from provisioner_host.look.rtsp_talk import SHORTEST_READ_S, Login, Refused, Talk, VideoTrack
from provisioner_host.relay import pinned_tls

if TYPE_CHECKING:
    import ssl

    from provisioner_host.wire import KeyFramesAnswer, LookToTake, PictureAnswer, ReadAnswer

# So many pictures show whether they come out of order.
_ORDER_SHOWS = 5


class KeyFrames:
    """Time between a stream's key pictures, by arrival and its own clock."""

    def __init__(self) -> None:
        self._since: tuple[float, int] | None = None
        self._had_key = False
        self.came_at = 0.0  #: Arrival of the last picture.
        self.without_s = self.between_s = 0.0  #: The longest time without a key picture, and the longest between two.

    def picture(self, now: float, ticks: int, *, key: bool) -> None:
        """Take a picture; the shorter of both times counts."""
        since = self._since = self._since or (now, ticks)
        lasted_s, self.came_at = min(now - since[0], (ticks - since[1]) / CLOCK), now
        self.without_s = max(self.without_s, lasted_s)
        if key:
            self.between_s = max(self.between_s, lasted_s if self._had_key else 0.0)
            self._since, self._had_key = (now, ticks), True


class LookedStream:
    """A stream's packets and pictures; its look begins at a key picture."""

    def __init__(self, track: VideoTrack, look: PictureLook) -> None:
        self._track, self._look = track, look
        self._depacketizer = _depacketizer_of(track)
        self._before: list[Arrived] = []
        self._pictures: list[Arrived] = []
        self._held: list[tuple[CodedPicture, int]] | None = [] if look.skips else None
        self._begin_ticks = 0
        self._decoded: Decoded | None = None
        self.key_frames = KeyFrames()
        self.keys = 0  #: The number of key pictures so far.
        self.cut = 0  #: The number of pictures without their beginning.

    @property
    def every(self) -> bool:
        """Whether all pictures count, or only key pictures."""
        return self._look.every

    @property
    def skips(self) -> bool:
        """Whether the decoder gets only key pictures, which may delay its output."""
        return self._look.skips

    @property
    def is_ready(self) -> bool:
        """Whether the choice of pictures to decode is made."""
        return bool(self._pictures) and self._held is None

    @property
    def missing_sets(self) -> list[str]:
        """The parameter sets that neither its description nor its packets have."""
        in_band = self._depacketizer.sets if isinstance(self._depacketizer, Depacketizer) else b""
        return missing_sets(self._track.sets + in_band, self._track.codec)

    @property
    def has_picture(self) -> bool:
        """Whether a picture was decoded."""
        return self._decoded is not None

    def packet(self, packet: bytes, now: float) -> list[bytes]:
        """Take an RTP packet; return blocks to decode, or raise `Unfit`."""
        blocks: list[bytes] = []
        for picture in self._depacketizer.packet(packet):
            self.key_frames.picture(now, picture.ticks, key=picture.key)
            if not picture.is_begun:
                self.cut += 1
                blocks += self._cut_picture(picture)
            elif picture.key or self._pictures:
                blocks += self._add_picture(picture, now)
            elif self._look.early is not None and len(self._before) < MOST_PACKETS:
                self._before.append(Arrived(Packet(picture.ticks / CLOCK, len(picture.data)), now))
        return blocks

    def _add_picture(self, picture: CodedPicture, now: float) -> list[bytes]:
        """Count a picture; return blocks for the decoder."""
        blocks: list[bytes] = []
        if not self._pictures:
            self._begin_ticks = picture.ticks
            self._before = [early_end.moved(before, -picture.ticks / CLOCK) for before in self._before]
            # What was described first, then what came: the newer set of a number holds.
            sets = self._track.sets + self._depacketizer.sets
            blocks += [batch_decoder.head_of(self._track.codec)]
        else:
            sets = b""
        self.keys += picture.key
        ticks = picture.ticks - self._begin_ticks
        key = picture_measures.key_of(picture.data, self._track.codec) if picture.key else ""
        self._pictures.append(Arrived(Packet(ticks / CLOCK, len(picture.data), key), now))
        if len(self._pictures) > MOST_PACKETS:
            raise Unfit("said too much: it sends more pictures than any camera")
        if sets:
            picture = picture._replace(data=sets + picture.data)
        if self._held is None:
            return blocks + self._to_decode(picture, ticks)
        self._held.append((picture, ticks))
        return blocks

    def _cut_picture(self, picture: CodedPicture) -> list[bytes]:
        """Pass on a picture without its beginning, so that the decoder complains."""
        if not self._pictures:
            return []
        self._pictures[-1].packet.size += len(picture.data)
        if self._held is not None:
            return []
        return self._to_decode(picture._replace(key=False), picture.ticks - self._begin_ticks)

    @property
    def shows_order(self) -> bool:
        """Whether enough pictures came to judge their order."""
        return self._held is not None and len(self._held) >= _ORDER_SHOWS

    @property
    def is_out_of_order(self) -> bool:
        """Whether pictures come in another order than shown."""
        moments = [ticks for _, ticks in self._held or ()]
        return moments != sorted(moments)

    def release(self, *, every: bool) -> list[bytes]:
        """Return the blocks of held pictures; all of them with `every`."""
        stored, self._held = self._held or [], None
        if every:
            self._look = self._look.of_all()
        return [block for picture, ticks in stored for block in self._to_decode(picture, ticks)]

    def _to_decode(self, picture: CodedPicture, ticks: int) -> list[bytes]:
        if self._look.skips and not picture.key:
            return []
        return [batch_decoder.picture_head(ticks, len(picture.data)), picture.data]

    def take_progress(self, decoded: Decoded) -> None:
        """Take decoding progress."""
        self._decoded = decoded

    def is_answered(self, now: float) -> bool:
        """Return whether the look may end early."""
        early = self._look.early
        if early is None or self._decoded is None or not self._decoded.differences or self._depacketizer.missed:
            return False
        return early_end.is_answered(early, self._before, self._pictures, self._decoded, now)

    def answer(self, decoded: DecodedAnswer, looked_s: float) -> PictureAnswer:
        """Return the measures from the final decoding."""
        packets: Sequence[Packet] = [picture.packet for picture in self._pictures]
        return {
            "every": self.every,
            "looked_s": round(looked_s, 2),
            "packets": picture_measures.packets_of(packets, self._pictures[-1].at - self._pictures[0].at),
            "frames": decoded.frames,
            "owed": picture_measures.owed_from(decoded.first_s, packets, every=self.every),
            "key_frames": decoded.key_frames,
            "complaints": decoded.complaints,
            "missed": self._depacketizer.missed,
            "declared_fps": decoded.declared_fps,
            "scene": decoded.scene,
            "differences": decoded.differences,
            "digests": decoded.digests,
        }


def _depacketizer_of(track: VideoTrack) -> Depacketizer | JpegPictures | Mpeg4Pictures:
    if track.codec == "mjpeg":
        return JpegPictures(track.payload_type)
    if track.codec == "mpeg4":
        return Mpeg4Pictures(track.payload_type)
    return Depacketizer(track.codec, track.payload_type)


# A reader that comes in the middle of a picture lacks one beginning.
_MANY_CUT = 3
_DAMAGED = "damaged: no picture was decoded"
_KEY_PICTURE: LookToTake = {"seconds": 0.0, "most_s": 0.0, "keys": 0, "every": True}
# Decoders show a picture when the next one has come: a loop as long as a look shows in its first and its last.
_LONGER_S = 0.3
# Of a stream that is played a longer look waits so many times as long for a key picture; what is rarer is told.
_RARE_WAITS, _RARE_S = 2.6, 10.0
# Looks of this length at most wait so long for a key picture, and for the next one: rarer ones are rare already.
_QUICK_S, _FIRST_S, _NEXT_S = 5.0, 20.0, 13.0
# What another visit reads again is waited for so long, for the first key picture and for the next.
_BRIEF_S, _NO_TIME = 6.0, "the time ran out"
# So many streams are waited for as long at once: where more bring nothing, it is no matter of their key frames.
_MOST_LATE = 16
# A stream that stopped for so long is not waited for longer; one without a packet for a little longer than MediaMTX
# bears it of a camera is not waited for at all.
_SENDS_S, _MUTE_S = 3.0, 12.0
# Streams of a site wait so long for each other's key pictures, to be decoded together; a longer look waits for nobody.
_TOGETHER_S, _MOST_TOGETHER_S = 1.5, 15.0
# So long after its first key picture has come a read waits for it to be shown, among others of its site.
_SHOWN_S = 2.5
# So long after a look its pictures are decoded on the busiest host.
_DECODED_S = 15.0
_LEAVING_S = 0.5
# Servers end a session of which they hear nothing for a minute.
_ALIVE_S = 25.0
_EVERY_S = 0.05
_BLOCK = 1 << 18
# What waits to be decoded: no more is taken from a stream than its decoder takes.
_MOST_WAITING = 16_000_000
# What is kept of all streams, to be decoded once more.
_MOST_KEPT = 256_000_000
_MOST_ANSWER = 1_000_000
# A connection that is encrypted says by an error of its own that there is nothing whole yet.
_NOT_YET = (BlockingIOError, InterruptedError)

Tell = Callable[[int, "ReadAnswer"], None]


class StreamTurn(NamedTuple):
    """A stream to read."""

    number: int  #: Of its turn.
    login: Login
    path: str
    look: PictureLook | None  #: Its look; `None` to end with the key picture.
    brief: bool = False  #: Whether another visit reads it again if it fails.

    @property
    def longest_s(self) -> float:
        """The maximum duration of its look."""
        return self.look.most_s if self.look else 0.0

    @property
    def site(self) -> tuple[str, str, float]:
        """The key of streams decoded together: one site, equally long looks.

        Sites are separate so that none can affect another's.
        """
        return (
            f"{self.login.address}:{self.login.port}",
            self.path.rpartition("/")[0].rpartition("/")[0],
            self.longest_s,
        )


class ReadLimits(NamedTuple):
    """Limits of reads."""

    at_once: int  #: Reads in parallel.
    read_s: float  #: Seconds until a key picture.
    until: float  #: The deadline on the monotonic clock.
    budget: CpuBudget  #: CPU limit.


def read_streams(turns: Sequence[StreamTurn], limits: ReadLimits, tell: Tell) -> None:
    """Read streams in order and report each result once."""
    with selectors.DefaultSelector() as ready:
        reads = _Reads(ready, limits, tell)
        reads.waiting.extend(turns)
        while reads.goes_on:
            for key, _ in ready.select(_EVERY_S):
                act: Callable[[], None] = key.data
                act()
            reads.advance(time.monotonic())


class _Reads:
    """All reads of one program."""

    def __init__(self, ready: selectors.BaseSelector, limits: ReadLimits, tell: Tell) -> None:
        self._at_once, self.read_s, self.until, self.budget = limits
        self.ready, self.tell = ready, tell
        self.waiting: deque[StreamTurn] = deque()
        self._open: list[_Read] = []
        self._leaving: list[_Read] = []
        self._gathered: dict[tuple[str, str, float], list[_Read]] = defaultdict(list)
        self._batches: list[_RunningBatch] = []
        self.buffered_bytes = 0  #: Bytes of all streams kept for a second decoding.
        self.late = 0  #: The number of streams waited for longer than usual.

    @property
    def goes_on(self) -> bool:
        """Whether work is left."""
        return bool(self.waiting or self._open or self._leaving or self._gathered or self._batches)

    def advance(self, now: float) -> None:
        """Start and end reads and batches as needed."""
        while self.waiting and len(self._open) < self._at_once and self._may_begin(now):
            turn = self.waiting.popleft()
            if self.until - now < SHORTEST_READ_S:
                self.tell(turn.number, {"not_run": "no time was left"})
                continue
            self.budget.begin()
            self._begin(_Read(turn, self))
        self.late = sum(read.is_late(now) for read in self._open)
        for read in list(self._open):
            read.guarded(read.advance, now)
        # Who is sure looks on while others are not, as long as nobody waits for the place.
        answered = [read for read in self._open if read.is_answered(now)]
        if self.waiting or len(answered) == len(self._open):
            for read in answered:
                read.guarded(read.end, now)
        self._open, ended = (
            [read for read in self._open if not read.is_over],
            [read for read in self._open if read.is_over],
        )
        self._leaving = [read for read in self._leaving + ended if not read.is_closed(now)]
        for site, reads in list(self._gathered.items()):
            if self._is_due(site, reads, now):
                del self._gathered[site]
                self.decode(reads)
        for batch in list(self._batches):
            if batch.advance(now):
                self._batches.remove(batch)

    def _begin(self, read: _Read) -> None:
        self._open.append(read)
        read.guarded(read.connect)

    def begin_again(self, turn: StreamTurn, started: float) -> None:
        """Read a stream again that could not be decoded."""
        self._begin(_Read(turn, self, started))

    def _may_begin(self, now: float) -> bool:
        return self.budget.has_capacity or self.until - now < SHORTEST_READ_S

    def gather(self, read: _Read) -> None:
        """Schedule a stream's decoding, with its site if its look is short."""
        if read.turn.longest_s > _MOST_TOGETHER_S or read.is_second:
            self.decode([read])
            return
        reads = self._gathered[read.turn.site]
        reads.append(read)
        if len(reads) >= batch_decoder.MOST_STREAMS:
            self.decode(self._gathered.pop(read.turn.site))

    def _is_due(self, site: tuple[str, str, float], reads: Sequence[_Read], now: float) -> bool:
        awaited = any(not read.is_gathered and read.turn.site == site for read in self._open)
        return not awaited or any(now - (read.since or now) > _TOGETHER_S for read in reads)

    def decode(self, reads: Sequence[_Read]) -> None:
        """Decode streams without a result in one process."""
        able = [read for read in reads if not read.is_reported]
        if not able:
            return
        try:
            self._batches.append(_RunningBatch(able, self))
        except OSError as error:
            # No process or no pipe is left for it.
            for read in able:
                read.not_run(error.strerror or str(error))


class _Read:
    """A read of one stream."""

    def __init__(self, turn: StreamTurn, reads: _Reads, started: float | None = None) -> None:
        self.turn, self._reads = turn, reads
        self.is_second = started is not None  #: Whether the first read could not be decoded.
        self._begun = time.monotonic() if started is None else started
        self._look = turn.look or PictureLook(_KEY_PICTURE, reads.until)
        self._is_quick = turn.brief or (turn.look is not None and turn.look.seconds <= _QUICK_S)
        patient_s = min(reads.read_s, _BRIEF_S) if turn.brief else reads.read_s
        self._patient_s = min(patient_s, reads.until - self._begun)
        address = turn.login.address
        endpoint = f"[{address}]:{turn.login.port}" if ":" in address else f"{address}:{turn.login.port}"
        self._talk = Talk(endpoint, (turn.login.user, turn.login.password), turn.path, turn.login.scheme)
        self._socket: socket.socket | ssl.SSLSocket | None = None
        self._stream: LookedStream | None = None
        self._spoke = self._left_at = time.monotonic()
        self.is_gathered = self._is_paused = False  #: Whether it waits to be decoded, or is.
        self._why = ""
        self.pipe = _Pipe(reads)
        self._played: float | None = None
        self._came_at = 0.0
        self.since: float | None = None  #: Arrival time of its first key picture.
        self._looked_s = 0.0
        self.is_over = self.is_reported = False
        self.is_alone = False  #: Whether it has its own decoder.

    # --- the connection ---------------------------------------------------------------------------
    def guarded(self, act: Callable[..., None], *arguments: object) -> None:
        """Call a function; errors end only this stream."""
        try:
            act(*arguments)
        except Refused as refused:
            self._report_failure(str(refused), refused.status)
        except (Unfit, OSError) as error:
            self._break_off(getattr(error, "strerror", None) or str(error))
        except Exception as error:  # noqa: BLE001 (what one stream does must not stop the others)
            self.not_run(f"the reader failed: {type(error).__name__}")

    def connect(self) -> None:
        """Open the connection."""
        family = socket.AF_INET6 if ":" in self.turn.login.address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        code = self._socket.connect_ex((self.turn.login.address, self.turn.login.port))
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
        self._reads.ready.register(self._socket, selectors.EVENT_WRITE, lambda: self.guarded(self._after_connect))

    def _after_connect(self) -> None:
        assert self._socket is not None  # noqa: S101 (for the type checker)
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        if self.turn.login.fingerprint:
            self._reads.ready.unregister(self._socket)
            self._socket = pinned_tls.wrapped(self._socket)
            self._reads.ready.register(self._socket, selectors.EVENT_WRITE, lambda: self.guarded(self._shake_hands))
            self._shake_hands()
        else:
            self._begin()

    def _shake_hands(self) -> None:
        """Continue the TLS handshake without blocking."""
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
        self._await(selectors.EVENT_READ, self._receive)
        self._send_request(self._talk.begin())

    def _await(self, events: int, act: Callable[[], None]) -> None:
        assert self._socket is not None  # noqa: S101 (for the type checker)
        self._reads.ready.modify(self._socket, events, lambda: self.guarded(act))

    def _send_request(self, request: bytes) -> None:
        """Send a request; reject a server that does not take it."""
        if request and self._socket is not None:
            self._spoke = time.monotonic()
            if self._socket.send(request) != len(request):
                raise OSError(0, "the relay takes no questions")

    def _receive(self) -> None:
        # An encrypted connection may hold more than the kernel knows of.
        for _ in range(_BLOCK >> 14):
            data = self._received_data()
            if data is None:
                return
            if not data:
                raise OSError(0, "End of file")
            now = time.monotonic()
            for question, packet in self._talk.take(data):
                self._send_request(question)
                if packet and not self.is_over:
                    self._take_packet(packet, now)
            if not self.turn.login.fingerprint or self.is_over or self._is_paused:
                return

    def _received_data(self) -> bytes | None:
        """Return received data, or `None` if none is complete."""
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
        """Return whether the connection is closed; close it after a timeout."""
        if self._socket is None or now - self._left_at > _LEAVING_S:
            self._close_socket()
            return True
        try:
            is_over = self._received_data() == b""
        except OSError:
            is_over = True
        if is_over:
            self._close_socket()
        return is_over

    def _close_socket(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._reads.ready.unregister(self._socket)
            self._socket.close()
            self._socket = None

    # --- the stream -------------------------------------------------------------------------------
    def _take_packet(self, packet: bytes, now: float) -> None:
        """Take an RTP packet; pass its pictures to the decoder."""
        self._came_at = now
        if self._stream is None:
            track = self._talk.track
            assert track is not None  # noqa: S101 (for the type checker)
            self._stream = LookedStream(track, self._look)
        blocks = self._stream.packet(packet, now)
        if self._stream.shows_order:
            blocks += self._stream.release(every=self._stream.is_out_of_order)
        if self.since is None and self._stream.keys:
            self.since = now
        self._gather()
        self.pipe.write(*blocks)
        if self.pipe.is_full:
            self._pause_reading()

    def _gather(self) -> None:
        if self._stream is not None and self._stream.is_ready and not self.is_gathered:
            self.is_gathered = True
            self._reads.gather(self)

    def _pause_reading(self) -> None:
        """Stop reading until the decoder catches up; the relay queues the rest."""
        if self._socket is not None and not self._is_paused:
            self._is_paused = True
            self._reads.ready.unregister(self._socket)

    def advance(self, now: float) -> None:
        """End the look if complete, or fail after the timeout."""
        if self.is_over:
            return
        if self._is_paused and not self.pipe.is_full and self._socket is not None:
            self._is_paused = False
            self._reads.ready.register(self._socket, selectors.EVENT_READ, lambda: self.guarded(self._receive))
        if self._played is None and self._talk.is_playing:
            self._played = now
        if self._talk.is_playing and now - self._spoke > _ALIVE_S:
            self._send_request(self._talk.stay())
        if self.since is None or self._stream is None:
            if now - self._begun > (patient_s := self._waits_s(now)):
                self._report_failure(f"no answer within {round(patient_s, 1):g} s", None, timed_out=True)
        elif self.turn.brief and self._stream.keys < self._look.keys and now - self.since > _BRIEF_S:
            self.not_run(_NO_TIME)
        elif now >= self._end_time(self.since, self._stream):
            self.end(now)

    def is_late(self, now: float) -> bool:
        """Return whether its key picture is waited for longer than usual."""
        return self.since is None and now - self._begun > self._patient_s

    def _waits_s(self, now: float) -> float:
        """Return the wait for a key picture, longer while packets come.

        MediaMTX sends a reader all packets from PLAY on, so one that gets none waits in vain.
        """
        if self._played is None:
            return self._patient_s
        came_at, wait_s = max(self._played, self._came_at), self._patient_s
        if self._is_quick:
            wait_s = min(wait_s, self._played - self._begun + _FIRST_S)
        elif now - came_at <= _SENDS_S and self._reads.late <= _MOST_LATE:
            wait_s = max(wait_s, min(_RARE_WAITS * self._reads.read_s, self._reads.until - self._begun))
        return min(wait_s, came_at + _MUTE_S - self._begun)

    def _key_frames(self) -> KeyFramesAnswer:
        """Return the interval of key pictures, and the wait for the first."""
        seen = self._stream.key_frames if self._stream is not None else KeyFrames()
        waited_s = 0.0 if self._played is None else (self.since or time.monotonic()) - self._played
        return {
            "without_s": round(seen.without_s, 2),
            "between_s": round(seen.between_s, 2),
            "waited_s": round(max(0.0, waited_s), 2),
        }

    def _end_time(self, since: float, stream: LookedStream) -> float:
        if self.is_second and not stream.has_picture:
            return min(self._begun + self._patient_s, self._look.until)
        if self.turn.look is None:
            return since if stream.has_picture else since + _SHOWN_S
        # Two key pictures that are far apart are enough to say so.
        is_rare = stream.key_frames.between_s > _RARE_S or (self._is_quick and stream.key_frames.without_s > _NEXT_S)
        has_keys = stream.keys >= self._look.keys or is_rare
        enough = self._look.seconds if has_keys else self._look.most_s
        return min(since + enough + _LONGER_S, self._look.until)

    def is_answered(self, now: float) -> bool:
        """Return whether the look may end early."""
        return not self.is_over and self._stream is not None and self._stream.is_answered(now)

    def end(self, now: float) -> None:
        """End the look."""
        if self._stream is not None and self._stream.keys and not self._stream.is_ready:
            self.pipe.write(*self._stream.release(every=self._stream.is_out_of_order))
        self._gather()
        self._looked_s = now - (self.since or now)
        self._stop_reading()

    def _break_off(self, why: str) -> None:
        """End a look early; without a key picture it has failed."""
        if self._stream is None or self.since is None:
            self._report_failure(why, None)
        elif not self.is_over:
            self._why = why
            self.end(time.monotonic())

    def _stop_reading(self) -> None:
        self.is_over, self._left_at = True, time.monotonic()
        self.pipe.end()
        if self._socket is not None:
            with contextlib.suppress(OSError, KeyError, ValueError):
                if not self._is_paused:
                    self._reads.ready.unregister(self._socket)
            with contextlib.suppress(OSError, ValueError):
                self._socket.send(self._talk.leave())
                self._socket.shutdown(socket.SHUT_WR)

    # --- what comes of it -------------------------------------------------------------------------
    def _report_failure(self, error: str, status: int | None, *, timed_out: bool = False) -> None:
        if self._stream is not None and self._stream.keys and (missing := self._stream.missing_sets):
            error, timed_out = f"no parameter sets: {', '.join(missing)}", False
        elif self._stream is not None and not self._stream.keys and self._stream.cut >= _MANY_CUT:
            error, timed_out = _DAMAGED, False
        if timed_out and self._patient_s < self._reads.read_s:
            self.not_run(_NO_TIME)
        else:
            self._report_answer({"error": self.turn.login.scrubbed(error), "status": status, "timed_out": timed_out})

    def not_run(self, why: str) -> None:
        """Report that the stream could not be read here, without a verdict."""
        self._report_answer({"not_run": self.turn.login.scrubbed(why)})

    def _report_answer(self, answer: ReadAnswer) -> None:
        """End the read and report its answer once."""
        if not self.is_over:
            self._stop_reading()
        self.pipe.forget()
        if not self.is_reported:
            self.is_reported = True
            self._reads.budget.end()
            if "not_run" not in answer:
                answer["seconds"] = round(time.monotonic() - self._begun, 2)
                keys = self._key_frames()
                if max(keys["without_s"], keys["waited_s"]) > _RARE_S:
                    answer["keys"] = keys
            self._reads.tell(self.turn.number, answer)

    def to_decode(self, source: int) -> StreamToDecode:
        """Return the stream to decode from a pipe."""
        assert self._talk.track is not None  # noqa: S101 (for the type checker)
        assert self._stream is not None  # noqa: S101 (for the type checker)
        early = self._look.early is not None
        return StreamToDecode(self._talk.track.codec, self._stream.every, source, early, self.turn.look is not None)

    def take_progress(self, decoded: Decoded) -> None:
        """Take decoding progress."""
        if self._stream is None or self.since is None:
            return
        if not self._stream.has_picture:
            # Of key pictures that came before nothing could be shown: the look begins with this one.
            self.since += max(0.0, min(decoded.first_s, time.monotonic() - self.since))
        self._stream.take_progress(decoded)

    def decoded(self, decoding: DecodedAnswer | None, batch: DecodedBatch, alone: bool) -> None:  # noqa: FBT001 (whose words it has)
        """Take the final decoding; in a batch it counts only without complaints."""
        if self.is_reported or (self.is_alone and not alone):
            return
        if not batch.is_started:
            self.not_run(batch.why)
        elif not alone and not batch.is_clean:
            self._decode_alone()
        elif batch.why:
            self._report_failure(batch.why, None)
        elif decoding is None or self._stream is None:
            self._show_none(batch)
        else:
            if not self.is_over:
                self.end(time.monotonic())
            answer: ReadAnswer = {"codec": decoding.codec, "width": decoding.width, "height": decoding.height}
            if self.turn.look is not None:
                # Of a decoder that died half-way nothing is known of the rest.
                answer["picture"] = None if batch.last else self._stream.answer(decoding, self._looked_s)
            self._report_answer(answer)

    def _decode_alone(self) -> None:
        if not self.pipe.is_kept:
            self.not_run("out of memory: its pictures were not kept")
            return
        self.is_alone = True
        self.pipe.begin_anew()
        self._reads.decode([self])

    def _show_none(self, batch: DecodedBatch) -> None:
        """Read again after an empty decoding, until the timeout."""
        left_s = self._begun + self._patient_s - time.monotonic()
        if self._why or self.is_second or left_s <= 0:
            # If a decoder failed by itself, or complained, nobody waited in vain.
            why = batch.last or ("" if batch.is_clean else _DAMAGED) or self._why
            self._report_failure(why or f"no answer within {self._patient_s:g} s", None, timed_out=not why)
        else:
            if not self.is_over:
                self._stop_reading()
            self.is_reported = True
            self.pipe.forget()
            self._reads.begin_again(self.turn, self._begun)


class _Pipe:
    """A stream's pictures for the decoder, kept for a second decoding."""

    def __init__(self, reads: _Reads) -> None:
        self._reads = reads
        self._blocks: deque[bytes] = deque()
        self._kept: list[bytes] = []
        self._fd: int | None = None
        self._is_over = self._is_heard = False
        self._waiting = self._bytes = 0
        self.is_kept = True  #: Whether the whole stream is kept.

    @property
    def is_full(self) -> bool:
        """Whether the decoder is far behind."""
        return self._waiting > _MOST_WAITING

    def open(self) -> int:
        """Open the pipe; return its read end."""
        source, self._fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._write_blocks()
        return source

    def begin_anew(self) -> None:
        """Queue all pictures again for the next pipe."""
        self._close_pipe()
        self._blocks = deque(self._kept)
        self._waiting = self._bytes

    def forget(self) -> None:
        """Close the pipe and drop all pictures."""
        self._close_pipe()
        self._blocks.clear()
        self.keep_no_more()

    def _close_pipe(self) -> None:
        if self._fd is not None:
            self._watch_pipe(wanted=False)
            os.close(self._fd)
            self._fd = None

    def keep_no_more(self) -> None:
        """Drop the pictures kept for a second decoding."""
        self._reads.buffered_bytes -= self._bytes
        self._kept, self._bytes, self.is_kept = [], 0, False

    def write(self, *blocks: bytes) -> None:
        """Queue blocks and write without blocking."""
        size = sum(map(len, blocks))
        self._blocks.extend(blocks)
        self._waiting += size
        if self.is_kept:
            self._kept.extend(blocks)
            self._bytes += size
            self._reads.buffered_bytes += size
            if self._reads.buffered_bytes > _MOST_KEPT:
                self.keep_no_more()
        self._write_blocks()

    def end(self) -> None:
        """Write the queued blocks, then close."""
        self._is_over = True
        self._write_blocks()

    def _write_blocks(self) -> None:
        """Write queued blocks as far as the decoder takes them."""
        if self._fd is None:
            return
        try:
            while self._blocks:
                block = self._blocks[0]
                number = os.write(self._fd, block)
                self._waiting -= number
                self._blocks.popleft()
                if number < len(block):
                    self._blocks.appendleft(block[number:])
        except _NOT_YET:
            pass
        except OSError:
            # Whoever read is gone, which shows in what is answered.
            self._blocks.clear()
            self._waiting = 0
            self._close_pipe()
            return
        self._watch_pipe(wanted=bool(self._blocks))
        if self._is_over and not self._blocks:
            self._close_pipe()

    def _watch_pipe(self, *, wanted: bool) -> None:
        if wanted and not self._is_heard:
            self._reads.ready.register(self._fd or 0, selectors.EVENT_WRITE, self._write_blocks)
        elif self._is_heard and not wanted:
            self._reads.ready.unregister(self._fd or 0)
        self._is_heard = wanted


class _RunningBatch:
    """Streams decoded by one process."""

    def __init__(self, members: Sequence[_Read], reads: _Reads) -> None:
        self._members, self._reads = members, reads
        longest = max(member.turn.longest_s for member in members) + reads.read_s
        self._until = min(time.monotonic() + longest, max(reads.until, time.monotonic())) + _DECODED_S
        streams = [member.to_decode(member.pipe.open()) for member in members]
        if len(members) == 1:
            # Whatever its decoder complains of is of this stream.
            members[0].is_alone = True
            members[0].pipe.keep_no_more()
        self._batch = batch_decoder.begin(streams, self._until)
        self._said, self._is_over, self._heard = bytearray(), False, 0
        reads.ready.register(self._batch.answers, selectors.EVENT_READ, self._read_answers)

    def _read_answers(self) -> None:
        chunk = os.read(self._batch.answers, _BLOCK)
        self._said += chunk
        self._is_over = self._is_over or not chunk or len(self._said) > _MOST_ANSWER
        *lines, _ = bytes(self._said[self._heard :]).split(b"\n")
        self._heard += sum(len(line) + 1 for line in lines)
        for line in lines:
            if progress := batch_decoder.decoded_in(line, len(self._members)):
                self._members[progress[0]].take_progress(progress[1])

    def advance(self, now: float) -> bool:
        """Return whether the batch is over; then pass on its answers."""
        if not self._is_over and now < self._until + 1:
            return False
        self._reads.ready.unregister(self._batch.answers)
        os.close(self._batch.answers)
        with contextlib.suppress(OSError):
            os.kill(self._batch.process, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self._batch.process, 0)
        batch = batch_decoder.batch_in(bytes(self._said), len(self._members))
        for member, answer in zip(self._members, batch.answers):
            member.guarded(member.decoded, answer, batch, len(self._members) == 1)
        return True
