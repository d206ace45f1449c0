"""`intents.yml`: who has to reach what, and who must not, whatever else a plan changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from provisioner.inventory.model.base import Model, Slug, Text, Version

_ID = "[a-z0-9]+(-[a-z0-9]+)*"


class Service(StrEnum):
    """What somebody may want to reach.

    `ssh`, `tunnel` (WireGuard), `video` (RTSP, with a login of MediaMTX), `publish` (the same, to push a path), `api`
    (MediaMTX's) and `other` (any other port) are a host's; `cameras`, `onvif` and `other` are a site's.
    """

    SSH = "ssh"
    TUNNEL = "tunnel"
    VIDEO = "video"
    PUBLISH = "publish"
    API = "api"
    CAMERAS = "cameras"
    ONVIF = "onvif"
    OTHER = "other"


class Program(StrEnum):
    """Whose programs on a relay or a centre send: MediaMTX's user, the one who reads for checks, anybody else."""

    RELAY = "relay"
    PROBE = "probe"
    OTHERS = "others"


FromPlace = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(internet|management|centres|relays|sites|(management|centre|relay|site|province)/{_ID})$"
    ),
]
"""Where something comes from: `internet`, `management` or `management/<carrier or centre>`, `centres` or
`centre/<id>`, `relays` or `relay/<id>`, `sites`, `site/<facility>` or `province/<slug>` (its sites)."""
ToPlace = Annotated[
    str, StringConstraints(pattern=rf"^(internet|centres|relays|sites|(centre|relay|site|province)/{_ID})$")
]
"""Where something goes; nobody's way to a management network is ours."""


class Traffic(Model):
    """Who reaches what, in an intent."""

    sources: Annotated[tuple[FromPlace, ...], Field(alias="from", min_length=1)]
    """Where it comes from; each of them is meant."""
    targets: Annotated[tuple[ToPlace, ...], Field(alias="to", min_length=1)]
    """Where it goes; each of them is meant."""
    services: tuple[Service, ...] = ()
    """What is reached there; all there is where nothing is written."""
    programs: tuple[Program, ...] = ()
    """Whose programs send, of relays and centres; anybody's where nothing is written."""


class ReachIntent(Model):
    """One statement: a plan by which it would not hold is refused."""

    id: Slug
    allow: Traffic | None = None
    """What has to be reached."""
    deny: Traffic | None = None
    """What must not be reached."""
    reason: Text | None = None
    """Why, for whoever meets it; no name of a person."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("an intent allows or denies: write one of the two")
        return self

    @property
    def traffic(self) -> Traffic:
        """What it is about."""
        about = self.allow or self.deny
        assert about is not None  # noqa: S101 (the validator has seen to it)
        return about


class Intents(Model):
    """`intents.yml`: the statements of an inventory."""

    version: Version
    intents: tuple[ReachIntent, ...] = ()
