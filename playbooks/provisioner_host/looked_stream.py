"""A stream that is looked at, as its packets come: what of it is to be decoded, and what was measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provisioner_host import batch_decoder, early_end, picture_measures
from provisioner_host.batch_decoder import DecodedAnswer
from provisioner_host.early_end import Arrived, Decoded
from provisioner_host.nal_units import Unfit
from provisioner_host.picture_look import MOST_PACKETS, PictureLook
from provisioner_host.picture_measures import Packet
from provisioner_host.rtp_units import CLOCK, CodedPicture, Depacketizer
from provisioner_host.rtsp_talk import VideoTrack

if TYPE_CHECKING:
    from provisioner_host.wire import PictureAnswer


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
