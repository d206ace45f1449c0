"""The session description of a camera, and the one that readers get."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from . import sps
from .errors import SourceError

_LABELS: Final = {
    "H264": "H264",
    "H265": "H265",
    "AV1": "AV1",
    "VP8": "VP8",
    "VP9": "VP9",
    "JPEG": "M-JPEG",
    "MP4V-ES": "MPEG-4 Video",
    "MPEG4-GENERIC": "MPEG-4 Audio",
    "MP4A-LATM": "MPEG-4 Audio LATM",
    "MPA": "MPEG-1/2 Audio",
    "OPUS": "Opus",
    "PCMU": "G711",
    "PCMA": "G711",
    "G722": "G722",
    "L16": "LPCM",
    "MP2T": "MPEG-TS",
}
_STATIC: Final = {
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "14": "MPA/90000",
    "26": "JPEG/90000",
    "33": "MP2T/90000",
}
_RTP_HEAD: Final = 12
_H264_SETS: Final = {7: "sps", 8: "pps"}
_H265_SETS: Final = {32: "vps", 33: "sps", 34: "pps"}
_H264_AGGREGATE: Final = 24
_H265_AGGREGATE: Final = 48


@dataclass(slots=True)
class Track:
    """One media of a camera, with the parameter sets that are known so far."""

    media: str
    payload_type: str
    profile: str
    control: str
    encoding: str
    parameters: dict[str, str]
    sets: dict[str, bytes] = field(default_factory=dict)

    @property
    def codec(self) -> str:
        """The codec's label in the log and the Control API."""
        return _LABELS.get(self.encoding.partition("/")[0].upper(), "Generic")

    def document(self) -> dict[str, object]:
        """The track as the Control API shows it."""
        return {"codec": self.codec, "codecProps": self._properties()}

    def _properties(self) -> dict[str, object] | None:
        if self.codec == "H264":
            return sps.h264(self.sets.get("sps", b"")).document()
        if self.codec == "H265":
            return sps.h265(self.sets.get("sps", b"")).document()
        _, _, rest = self.encoding.partition("/")
        rate, _, channels = rest.partition("/")
        sound: dict[str, object] = {"sampleRate": int(rate or 0), "channelCount": int(channels or 1)}
        if self.codec == "G711":
            return {"muLaw": self.encoding.upper().startswith("PCMU"), **sound}
        return sound if self.codec == "MPEG-4 Audio" else None

    def describe(self, index: int) -> str:
        """The track's part of the description that readers get."""
        lines = [f"m={self.media} 0 {self.profile} {self.payload_type}", f"a=control:trackID={index}"]
        if self.encoding:
            lines.append(f"a=rtpmap:{self.payload_type} {self.encoding}")
        parameters = self._parameters()
        if parameters:
            listed = "; ".join(f"{key}={value}" if value else key for key, value in parameters.items())
            lines.append(f"a=fmtp:{self.payload_type} {listed}")
        return "".join(f"{line}\r\n" for line in lines)

    def _parameters(self) -> dict[str, str]:
        parameters = dict(self.parameters)
        encoded = {name: base64.b64encode(value).decode() for name, value in self.sets.items()}
        if self.codec == "H264" and {"sps", "pps"} <= encoded.keys():
            parameters["profile-level-id"] = self.sets["sps"][1:4].hex().upper()
            parameters["sprop-parameter-sets"] = f"{encoded['sps']},{encoded['pps']}"
        if self.codec == "H265":
            parameters |= {f"sprop-{name}": value for name, value in encoded.items()}
        return parameters

    def learn(self, packet: bytes) -> None:
        """Take parameter sets that come inside the stream."""
        if self.codec not in ("H264", "H265") or len(packet) < _RTP_HEAD + 2:
            return
        start = _RTP_HEAD + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
        if start >= len(packet):
            return
        kind = self._kind(packet[start])
        if kind in self._known_sets():
            self.remember(packet[start:])
        elif kind == (_H264_AGGREGATE if self.codec == "H264" else _H265_AGGREGATE):
            self._learn_aggregate(packet[start + (1 if self.codec == "H264" else 2) :])

    def _kind(self, first: int) -> int:
        return first & 0x1F if self.codec == "H264" else first >> 1 & 0x3F

    def _known_sets(self) -> dict[int, str]:
        return _H264_SETS if self.codec == "H264" else _H265_SETS

    def _learn_aggregate(self, payload: bytes) -> None:
        while len(payload) > 2:
            end = 2 + int.from_bytes(payload[:2], "big")
            if end > 2:
                self.remember(payload[2:end])
            payload = payload[end:]

    def remember(self, nal: bytes) -> None:
        """Keep a NAL unit if it is a parameter set."""
        name = self._known_sets().get(self._kind(nal[0])) if nal else None
        if name is not None:
            self.sets[name] = nal


@dataclass(frozen=True, slots=True)
class Description:
    """What a camera offers."""

    title: str
    control: str
    tracks: tuple[Track, ...]


def parse(body: bytes) -> Description:
    """Read a camera's description; back channels are left out.

    Raises:
        SourceError: it is not a description.
    """
    text = body.decode("utf-8", errors="replace").replace("\r\n", "\n")
    if not text.startswith("v="):
        message = "invalid SDP: no version"
        raise SourceError(message)
    head, *medias = re.split(r"^m=", text, flags=re.MULTILINE)
    title = next((line[2:] for line in head.split("\n") if line.startswith("s=")), "")
    tracks = tuple(track for track in map(_track, medias) if track is not None)
    return Description(title.strip() or "Stream", _attribute(head, "control"), tracks)


def _attribute(section: str, name: str) -> str:
    matched = re.search(rf"^a={name}:(.*)$", section, re.MULTILINE)
    return matched[1].strip() if matched else ""


def _track(section: str) -> Track | None:
    first = section.partition("\n")[0].split()
    if len(first) < 4 or "\na=sendonly" in section:
        return None
    media, _, profile, payload_type = first[:4]
    encoding = _mapped(section, "rtpmap", payload_type)
    parameters = _parameters(_mapped(section, "fmtp", payload_type))
    track = Track(
        media,
        payload_type,
        profile,
        _attribute(section, "control"),
        encoding or _STATIC.get(payload_type, ""),
        parameters,
    )
    _take_sets(track)
    return track


def _mapped(section: str, name: str, payload_type: str) -> str:
    matched = re.search(rf"^a={name}:{payload_type}\s+(.*)$", section, re.MULTILINE)
    return matched[1].strip() if matched else ""


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";") if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _take_sets(track: Track) -> None:
    if track.codec == "H264":
        listed = track.parameters.pop("sprop-parameter-sets", "").split(",")
    elif track.codec == "H265":
        listed = [track.parameters.pop(f"sprop-{name}", "") for name in ("vps", "sps", "pps")]
    else:
        return
    for text in listed:
        try:
            nal = base64.b64decode(text)
        except binascii.Error:
            continue
        track.remember(nal)


def describe(title: str, tracks: tuple[Track, ...]) -> bytes:
    """Write the description that readers get."""
    head = f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns={title}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    return (head + "".join(track.describe(index) for index, track in enumerate(tracks))).encode()


def summary(tracks: tuple[Track, ...]) -> str:
    """Count the tracks and name their codecs, for the log."""
    plural = "" if len(tracks) == 1 else "s"
    return f"{len(tracks)} track{plural} ({', '.join(track.codec for track in tracks)})"
