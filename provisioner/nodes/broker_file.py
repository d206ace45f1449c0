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
    CONTROLLER,
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
                f"$JS.API.CONSUMER.MSG.NEXT.{UNITS}.{node_name(carrier)}",
                f"$JS.ACK.{UNITS}.{node_name(carrier)}.>",
                f"{REPORTS_SUBJECT}.{carrier}.*",
            ],
            [f"{inbox_of(node_name(carrier))}.>"],
        )
        for carrier in carriers
    ]
    lines = [
        "# The broker between a controller and the nodes of carriers. Written by `provisioner node broker`.",
        f"listen: {_quoted(listen)}",
        "jetstream {",
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
    made = [f"$JS.API.STREAM.CREATE.{stream}" for stream in (UNITS, REPORTS)]
    made += [f"$JS.API.CONSUMER.DURABLE.CREATE.{UNITS}.{node_name(carrier)}" for carrier in carriers]
    made += [f"$JS.API.CONSUMER.CREATE.{UNITS}.>", f"$JS.API.CONSUMER.CREATE.{REPORTS}.>"]
    takes = [f"$JS.API.CONSUMER.MSG.NEXT.{REPORTS}.*", f"$JS.ACK.{REPORTS}.>"]
    return [*made, *takes, f"{UNITS_SUBJECT}.*"]


def _user(name: str, publishes: Sequence[str], subscribes: Sequence[str]) -> str:
    return (
        f"    {{ user: {_quoted(f'CN={name}')}, permissions: {{"
        f" publish: {{ allow: [{', '.join(map(_quoted, publishes))}] }},"
        f" subscribe: {{ allow: [{', '.join(map(_quoted, subscribes))}] }} }} }}"
    )


def _quoted(text: str) -> str:
    return canonical_json(text).decode()
