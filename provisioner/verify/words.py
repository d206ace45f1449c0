"""Messages of ffmpeg, MediaMTX and our probe in plain words. Pure."""

import re
from collections.abc import Iterable

from provisioner.base.text import msg, printable

Table = tuple[tuple[re.Pattern[str], str], ...]

_SHOWN = 160


def _table(rows: Iterable[tuple[str, str]]) -> Table:
    return tuple((re.compile(pattern, re.IGNORECASE), sentence) for pattern, sentence in rows)


_STATUS = {
    401: "the login is refused",
    403: "the login is refused",
    404: "there is no stream of it",
    400: "the path is not there, or its camera did not start when it was asked for",
    451: "the reader does not understand the stream",
    453: "there is no bandwidth left for one more reader",
    454: "the session was closed",
    461: "it cannot be read over TCP",
    500: "the relay failed inside",
    501: "the stream has no readable track",
    503: "the relay is overloaded",
}
# The reader's and the decoder's words of a read. The first that fits counts.
_READS = _table(
    (
        (r"no answer within (?P<s>[\d.]+) s", "no key frame came within {s} s"),
        (r"decoder ended with signal (?P<n>\d+)\Z", "signal {n} ended the decoder on the host"),
        (r"decoder ended with (?P<n>\d+)\Z", "the decoder on the host ended with code {n}"),
        (r"connection refused", "the relay takes no connection"),
        (r"no route to host|network is unreachable", "there is no way to the relay"),
        (r"(?:connection|operation) timed out|i/o timeout", "the relay did not answer"),
        (r"connection reset|broken pipe|end of file|immediate exit", "the stream was cut off"),
        (r"operation not permitted|permission denied", "this host's own rules do not let the reader out"),
        (r"said too much", "the stream is damaged: the decoder complains without end"),
        (r"\Adamaged: ", "its pictures are damaged, and the decoder complains of all"),
        (
            r"matches no streams|not contain any stream|not find codec|not determine format|no frame: nothing comes",
            "no picture that could be decoded came",
        ),
        (r"\bhas no video\b", "no picture that could be decoded came"),
        (r"no decoder|decoder .* not found|unknown decoder|unsupported codec", "there is no decoder for its picture"),
        (
            r"out of memory|cannot allocate|picture size \S+ is invalid|larger than any camera",
            "its picture is larger than any camera's",
        ),
        (
            r"invalid data found|error (?:while )?decoding|conversion failed|non-existing pps|none by rtsp|have no end",
            "no picture was decoded",
        ),
    )
)
# MediaMTX's words of why a source is down (measured on 1.20.1).
_SOURCES = _table(
    (
        (r"^bad status code: 401\b", "the device refuses the login"),
        (
            r"^bad status code: 403\b",
            "the device forbids the stream (403): its user lacks the right, or it has too many viewers",
        ),
        (r"setup authentication\b", "the device asks for a login in a way that MediaMTX does not know"),
        (r"bad status code: 404\b", "the device has no such stream"),
        (r"bad status code: 453\b", "the device has no bandwidth left for one more viewer"),
        (r"bad status code: (?P<c>5\d\d)\b", "the device fails inside (RTSP status {c})"),
        (r"bad status code: (?P<c>\d{3})\b", "the device refuses the stream (RTSP status {c})"),
        (r"connection refused", "the device or its gateway refuses the connection"),
        (r"no route to host|network is unreachable", "there is no way to the device"),
        (r"request timed out", "the device takes the connection and does not answer"),
        (r"tcp timeout", "the device stopped sending"),
        (r"i/o timeout|timed out", "the device does not answer"),
        (r"operation not permitted|permission denied", "the relay's rules block the address of the redirect"),
        (r"content-type header|invalid (?:sdp|status line|header|response)|sdp", "its answer is not as RTSP has it"),
        (r"connection reset|broken pipe|\beof\b", "the device closed the connection"),
    )
)
# Messages of our own probe about its failures.
_OWN = _table(
    (
        (r"no time was left|time ran out", "there was no time left for it"),
        (r"readers ended before", "the readers ended before it was its turn"),
        (
            r"ffmpeg\S*: no such|ffmpeg was not started|ffmpeg.*(?:no such file|not found)",
            "ffmpeg is not on the host: install it (apt-get install ffmpeg)",
        ),
        (r"has no user provisioner-probe", "the host has no user to read as: provisioner apply makes it"),
        (r"no space left|disk that is full|quota exceeded", "the host's disk is full: make room on it (df -h)"),
        (r"read-only", "the host's disk is read-only: see the kernel's log (dmesg), and mount it anew"),
        (r"probe\.password|api\.password", "a password of the probe is not there: provisioner apply makes it"),
        (r"control api.* 401|401 unauthorized", "the relay refuses the API password: it or its file was changed"),
        (r"control api.*(?:timed out|no answer)", "the relay's control interface does not answer"),
        (r"control api.*refused", "the relay's control interface takes no connection"),
        (r"control api", "the relay's control interface gave an answer that cannot be used"),
        (r"systemd|transient|unit|bus|cgroup|namespac|sandbox", "the host does not let the readers be confined"),
        (r"out of memory|cannot allocate|killed", "the host has not enough memory for the readers"),
    )
)


def of_status(status: int) -> str:
    """Return the relay's RTSP status to a reader, in words."""
    return _STATUS.get(status, msg("the relay answers with RTSP status {status}", status))


def of_read(status: int | None, error: str) -> str:
    """Return why a reader got no picture."""
    if status is not None:
        return of_status(status)
    return _first_match(_READS, error) or "the reader ended without a picture"


def is_damaged(error: str) -> bool:
    """Return whether the decoder complained of a stream without a decoded picture."""
    return "said too much" in error or error.startswith("damaged: ")


def other_codec(error: str) -> str:
    """Return a codec without a decoder here; empty for other failures."""
    named = re.search(r"no decoder for its video: ([\w-]{1,20})\Z", error)
    return named[1] if named else ""


def missing_sets(error: str) -> str:
    """Return the parameter sets that never came; empty for other failures."""
    named = re.search(r"no parameter sets: ([\w, ]{3,20})\Z", error)
    return named[1] if named else ""


def of_source(line: str) -> str:
    """Return why the relay has no stream; an unknown message is quoted."""
    return _first_match(_SOURCES, line) or msg(
        "the relay cannot take the stream, and says of it: {line}", repr(printable(line, _SHOWN))
    )


def of_probe(error: str) -> str:
    """Return why our own probe could not look."""
    return _first_match(_OWN, error) or "the probe failed on the host"


def is_for_time(error: str) -> bool:
    """Return whether a read was skipped only for lack of time."""
    return bool(re.search(r"no time was left|the time ran out|readers ended before", error))


def _first_match(table: Table, text: str) -> str:
    for pattern, sentence in table:
        if match := pattern.search(text):
            return sentence.format(**match.groupdict())
    return ""
