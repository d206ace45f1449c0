"""What the stand-in refuses: everything that a configuration switches on and only the real relay can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import NotImplementedHereError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config, PathConfig

_SERVERS: Final = ("hls", "webrtc", "rtmp", "srt", "moq")
_SWITCHES: Final = ("metrics", "pprof", "playback", "dumpPackets", "apiEncryption")
_GLOBAL_TEXTS: Final = ("runOnConnect", "runOnDisconnect")
_PATH_SWITCHES: Final = (
    "record",
    "alwaysAvailable",
    "forward",
    "useAbsoluteTimestamp",
    "rtspAnyPort",
    "rtspDemuxMpegts",
)
_PATH_TEXTS: Final = (
    "runOnInit",
    "runOnDemand",
    "runOnUnDemand",
    "runOnAvailable",
    "runOnUnavailable",
    "runOnOnline",
    "runOnOffline",
    "runOnRead",
    "runOnUnread",
    "rtspRangeType",
    "rtspScale",
    "srtReadPassphrase",
    "srtPublishPassphrase",
)


def refuse_unknown(config: Config) -> None:
    """Refuse a configuration that asks for more than the stand-in does.

    Raises:
        NotImplementedHereError: with the name of the feature.
    """
    for feature in (*_global_features(config), *_choice_features(config), *_user_features(config)):
        raise NotImplementedHereError(feature)
    for path in config.paths.values():
        for feature in _path_features(path):
            raise NotImplementedHereError(f"{feature} (path '{path.name}')")


def quiet_defaults(config: Config) -> list[str]:
    """Name what the real relay has on by default, nobody mentioned, and the stand-in leaves off."""
    left = [key for key in _SERVERS if config.flag(key) and key not in config.given]
    if "rtspTransports" not in config.given:
        left.append("rtspTransports udp and multicast")
    automatic = sum(path.is_pulled and path.values["rtspTransport"] == "automatic" for path in config.paths.values())
    if automatic:
        left.append(f"rtspTransport automatic ({automatic} paths are pulled over TCP)")
    return left


def _global_features(config: Config) -> Iterator[str]:
    for key in config.deprecated:
        yield f"the deprecated parameter '{key}'"
    for key in _SERVERS:
        if config.flag(key) and key in config.given:
            yield key
    for key in (*_SWITCHES, *_GLOBAL_TEXTS):
        if config.values[key]:
            yield key
    for key in ("apiTrustedProxies", "rtspTrustedProxies"):
        if config.items(key):
            yield key


def _choice_features(config: Config) -> Iterator[str]:
    if "syslog" in config.items("logDestinations"):
        yield "logDestinations: syslog"
    if config.text("authMethod") != "internal":
        yield f"authMethod: {config.text('authMethod')}"
    if config.items("rtspAuthMethods") != ("basic",):
        yield "rtspAuthMethods: digest"
    if "rtspTransports" in config.given and config.items("rtspTransports") != ("tcp",):
        yield "rtspTransports other than tcp"


def _user_features(config: Config) -> Iterator[str]:
    for user in config.users:
        if user.user.startswith("argon2:") or user.password.startswith("argon2:"):
            yield "argon2 credentials"


def _is_pulled_here(path: PathConfig) -> bool:
    """Whether a source is one that the stand-in pulls: encrypted where a fingerprint says from whom."""
    return path.source.startswith("rtsp://") or (
        path.source.startswith("rtsps://") and bool(path.values["sourceFingerprint"])
    )


def _path_features(path: PathConfig) -> Iterator[str]:
    if path.is_pattern:
        yield "paths with a regular expression"
    if path.source != "publisher" and not _is_pulled_here(path):
        yield f"the source {path.source.partition('://')[0]}"
    if path.is_pulled and path.values["rtspTransport"] in ("udp", "multicast"):
        yield f"rtspTransport: {path.values['rtspTransport']}"
    for key in (*_PATH_SWITCHES, *_PATH_TEXTS):
        if path.values[key]:
            yield key
