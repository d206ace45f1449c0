"""What a change of a relay's file cuts: MediaMTX's reload rules. Pure.

Read in the source of 1.20.1 (`closeResources` of internal/core/core.go, `pathConfCanBeUpdated` of
path_manager.go) and measured on its program with readers on two paths. A setting that is not listed here
is taken for one that cuts everybody: a plan that fears too much is better than one that cuts viewers
unannounced. A path has no way to another name: under a new name it is a new path.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from provisioner.plan.changes import Impact

READ = "1.20.1"
"""The version whose rules these are."""

# A path's only settings that change under its readers' feet without a reconnect.
_HOT_PATH_SETTINGS = frozenset(
    {
        "forward",
        "record",
        "recordPath",
        "recordFormat",
        "recordPartDuration",
        "recordMaxPartSize",
        "recordSegmentDuration",
        "recordDeleteAfter",
    }
)
# Settings whose change restarts a server that serves no viewers, or none at all.
_HOT_SETTINGS = frozenset(
    {
        "api",
        "apiAddress",
        "apiAllowOrigins",
        "apiEncryption",
        "apiServerCert",
        "apiServerKey",
        "apiTrustedProxies",
        "authInternalUsers",
        "playback",
        "playbackAddress",
        "playbackAllowOrigins",
        "playbackEncryption",
        "playbackServerCert",
        "playbackServerKey",
        "playbackTrustedProxies",
        "pprof",
        "pprofAddress",
        "pprofAllowOrigins",
        "pprofEncryption",
        "pprofServerCert",
        "pprofServerKey",
        "pprofTrustedProxies",
    }
)
# Servers of other protocols: each restarts alone, and cuts readers of that protocol only.
_OTHER_SERVERS = ("hls", "moq", "rtmp", "srt", "webrtc")
# These begin like one of them, and are not: `srtp…` belongs to RTSP.
_NOT_OF_SERVERS = ("srtp", "srtcp")


def impact_of_path_settings(changed: Collection[str]) -> Impact:
    """The impact of changing these settings of one path: `hot`, or its readers reconnect."""
    return Impact.HOT if set(changed) <= _HOT_PATH_SETTINGS else Impact.PATH


def impact_of_settings(changed: Collection[str], live: Mapping[str, object]) -> Impact:
    """The impact of changing these settings of the relay: `hot`, or everybody reconnects.

    Args:
        changed: names of the settings.
        live: the settings as they are: a server that is off has no readers, one that is on may have some,
            and which readers are its own is not known.
    """
    return Impact.HOT if all(_is_hot(name, live) for name in changed) else Impact.ALL


def _is_hot(name: str, live: Mapping[str, object]) -> bool:
    if name in _HOT_SETTINGS:
        return True
    if name.startswith(_NOT_OF_SERVERS):
        return False
    # MediaMTX has each of them on unless its file says `false`.
    return any(name.startswith(server) and live.get(server) is False for server in _OTHER_SERVERS)


def caution(version: str) -> str:
    """Say that a version's own rules are not known, in words that end a reason; nothing for the version read."""
    return "" if version == READ else f" (by the reload rules of {READ}; those of {version} are not known)"
