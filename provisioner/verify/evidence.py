"""What hosts told about paths, as typed values. Pure; a document that cannot be read is no evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.hosts.facts import HostFacts, parse_facts
from provisioner.hosts.runner import CallOutcome, HostAnswer

Device = tuple[str, int]

# ffmpeg's names of what the inventory names otherwise.
_CODECS = {"hevc": "h265"}


@dataclass(frozen=True, slots=True)
class LivePeer:
    """A live peer. `received` and `sent` are the bytes before and after packets were sent to its devices."""

    allowed_ips: tuple[str, ...]
    handshake_age_s: float | None
    received: tuple[int, int]
    sent: tuple[int, int]


@dataclass(frozen=True, slots=True)
class LiveTunnel:
    """The live tunnel: its routes and its peers by public key."""

    routes: tuple[str, ...]
    peers: dict[str, LivePeer]


@dataclass(frozen=True, slots=True)
class Sample:
    """What MediaMTX said of a path at one moment; `codecs` are those of its tracks, in MediaMTX's words."""

    available: bool
    online: bool
    inbound_bytes: int
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """One real read. A read that was not run is evidence of nothing.

    Attributes:
        frame: codec, width and height of a decoded key frame, or None.
        after: an on-demand path's state just after its read.
    """

    run: bool
    frame: tuple[str, int, int] | None
    error: str
    status: int | None
    timed_out: bool
    after: Sample | None


@dataclass(frozen=True, slots=True)
class RelayEvidence:
    """What a relay told of its paths, by name; `devices` by address and port."""

    unit: str
    api_error: str
    tunnel: LiveTunnel
    devices: dict[Device, str]
    samples: dict[str, tuple[Sample | None, Sample | None]]
    reads: dict[str, Read]
    errors: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class CentreEvidence:
    """What a centre read, by relay and path."""

    tunnel: LiveTunnel
    reads: dict[str, dict[str, Read]]


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """All that one host told, or why it told nothing."""

    host: str
    outcome: CallOutcome
    error: str = ""
    facts: HostFacts | None = field(default=None, repr=False)
    relay: RelayEvidence | None = None
    centre: CentreEvidence | None = None


def parse_evidence(answer: HostAnswer) -> HostEvidence:
    """A host's evidence from its answer; a document that cannot be read makes the host a failed one."""
    if answer.outcome is not CallOutcome.ANSWERED:
        return HostEvidence(answer.host, answer.outcome, answer.error)
    document = answer.document
    try:
        return HostEvidence(
            host=answer.host,
            outcome=answer.outcome,
            error=str(document.get("facts_error", "")),
            facts=parse_facts(answer.host, document["facts"]) if document.get("facts") else None,
            relay=_relay(document["relay"]) if document.get("relay") else None,
            centre=_centre(document["centre"]) if document.get("centre") else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # The name of what is missing, never the document: it is another program's output.
        told = f"its answer cannot be read ({type(error).__name__})"
        return HostEvidence(answer.host, CallOutcome.FAILED, told)


def _relay(document: Mapping[str, Any]) -> RelayEvidence:
    paths: Mapping[str, Any] = document["paths"]
    return RelayEvidence(
        unit=str(document["unit"]),
        api_error=str(document["api_error"]),
        tunnel=_tunnel(document["tunnel"]),
        devices={(d["address"], int(d["port"])): str(d["outcome"]) for d in document["devices"]},
        samples={name: (_sample(p["samples"][0]), _sample(p["samples"][1])) for name, p in paths.items()},
        reads={name: _read(p["read"]) for name, p in paths.items() if p["read"]},
        errors={name: tuple(map(str, said)) for name, said in document["errors"].items()},
    )


def _centre(document: Mapping[str, Any]) -> CentreEvidence:
    reads = {
        relay: {name: _read(found) for name, found in of.items() if found} for relay, of in document["relays"].items()
    }
    return CentreEvidence(_tunnel(document["tunnel"]), reads)


def _tunnel(document: Mapping[str, Any]) -> LiveTunnel:
    return LiveTunnel(tuple(document["routes"]), {key: _peer(p) for key, p in document["peers"].items()})


def _peer(document: Mapping[str, Any]) -> LivePeer:
    age = document["handshake_age_s"]
    received, sent = document["received_bytes"], document["sent_bytes"]
    return LivePeer(
        allowed_ips=tuple(document["allowed_ips"]),
        handshake_age_s=None if age is None else float(age),
        received=(int(received[0]), int(received[1])),
        sent=(int(sent[0]), int(sent[1])),
    )


def _sample(document: Mapping[str, Any] | None) -> Sample | None:
    if document is None:
        return None
    return Sample(
        available=document["available"] is True,
        online=document["online"] is True,
        inbound_bytes=int(document["inbound_bytes"]),
        codecs=tuple(str(track["codec"]) for track in document.get("tracks", ())),
    )


def _read(document: Mapping[str, Any]) -> Read:
    frame = None
    if "codec" in document:
        codec = str(document["codec"])
        frame = (_CODECS.get(codec, codec), int(document["width"]), int(document["height"]))
    status = document.get("status")
    return Read(
        run="not_run" not in document,
        frame=frame,
        error=str(document.get("error", "") or document.get("not_run", "")),
        status=None if status is None else int(status),
        timed_out=document.get("timed_out") is True,
        after=_sample(document.get("after")),
    )
