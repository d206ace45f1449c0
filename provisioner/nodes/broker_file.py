"""What nats-server is told: encryption, a user an end by its certificate, and what each may write and read. Pure.

A node may take its own units, acknowledge them, and write its own reports; it reads nothing else, and makes nothing. Of
NATS: a request's answer comes to a subject of the asker's own, so each end may listen below its own one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provisioner.base.canonical import canonical_json
from provisioner.nodes.subjects import (
    API,
    CONTROLLER,
    DOMAIN,
    REPORTS,
    REPORTS_SUBJECT,
    UNITS,
    UNITS_SUBJECT,
    inbox_of,
    node_name,
)

_MOST_BYTES: Final = 8 * 1024**3


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The files that the broker reads, and where it keeps what lies in it."""

    ca: str
    certificate: str
    certificate_key: str
    store: str


def broker_configuration(carriers: Sequence[str], files: BrokerFiles, listen: str) -> str:
    """The broker's file.

    Args:
        carriers: those that have a node.
        files: what it reads.
        listen: where it listens, as `ADDRESS:PORT`.
    """
    users = [_user(CONTROLLER, _controller_publishes(carriers), [f"{inbox_of(CONTROLLER)}.>"])]
    users += [
        _user(
            node_name(carrier),
            [
                *_asked(f"CONSUMER.MSG.NEXT.{UNITS}.{node_name(carrier)}"),
                f"$JS.ACK.{UNITS}.{node_name(carrier)}.>",
                f"{REPORTS_SUBJECT}.*.*",
            ],
            [f"{inbox_of(node_name(carrier))}.>"],
            # Through a carrier's own broker a message gets only where the whole of what is listened to is permitted.
            [f"{REPORTS_SUBJECT}.{other}.*" for other in carriers if other != carrier],
        )
        for carrier in carriers
    ]
    lines = [
        "# The broker between a controller and the nodes of carriers. Written by `provisioner node broker`.",
        f"listen: {_quoted(listen)}",
        "jetstream {",
        f"  domain: {DOMAIN}",
        f"  store_dir: {_quoted(files.store)}",
        f"  max_file_store: {_MOST_BYTES}",
        "}",
        "tls {",
        f"  ca_file: {_quoted(files.ca)}",
        f"  cert_file: {_quoted(files.certificate)}",
        f"  key_file: {_quoted(files.certificate_key)}",
        "  verify_and_map: true",
        "}",
        "authorization {",
        "  users: [",
        *users,
        "  ]",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _controller_publishes(carriers: Sequence[str]) -> list[str]:
    made = [f"STREAM.CREATE.{stream}" for stream in (UNITS, REPORTS)]
    made += [f"CONSUMER.DURABLE.CREATE.{UNITS}.{node_name(carrier)}" for carrier in carriers]
    made += [f"CONSUMER.CREATE.{UNITS}.>", f"CONSUMER.CREATE.{REPORTS}.>", f"CONSUMER.MSG.NEXT.{REPORTS}.*"]
    return [*(one for asked in made for one in _asked(asked)), f"$JS.ACK.{REPORTS}.>", f"{UNITS_SUBJECT}.*"]


def _asked(what: str) -> tuple[str, str]:
    """What is asked of the broker, by its name and without it: it turns the one into the other before it looks."""
    return f"{API}.{what}", f"$JS.API.{what}"


def _user(name: str, publishes: Sequence[str], subscribes: Sequence[str], never: Sequence[str] = ()) -> str:
    denied = f", deny: [{_listed(never)}]" if never else ""
    return (
        f"    {{ user: {_quoted(f'CN={name}')}, permissions: {{ publish: {{ allow: [{_listed(publishes)}]{denied} }},"
        f" subscribe: {{ allow: [{_listed(subscribes)}] }} }} }}"
    )


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    return canonical_json(text).decode()
