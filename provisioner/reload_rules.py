"""What a change of a relay's file cuts: MediaMTX's reload rules, measured on 1.20.1. Pure.

A setting that is not listed here is taken for one that cuts everybody: a plan that fears too much is
better than one that cuts viewers unannounced.
"""

from __future__ import annotations

from provisioner.changes import Impact

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
# Settings whose change no RTSP reader and no source notices.
_HOT_SETTINGS = frozenset(
    {
        "api",
        "apiAddress",
        "apiAllowOrigins",
        "apiEncryption",
        "apiTrustedProxies",
        "authInternalUsers",
        "hls",
        "moq",
        "playback",
        "playbackAddress",
        "pprof",
        "pprofAddress",
        "rtmp",
        "srt",
        "webrtc",
    }
)


def impact_of_path_settings(changed: set[str]) -> Impact:
    """Give the impact of changing these settings of one path: `hot`, or its readers reconnect."""
    return Impact.HOT if changed <= _HOT_PATH_SETTINGS else Impact.PATH


def impact_of_settings(changed: set[str]) -> Impact:
    """Give the impact of changing these settings of the relay: `hot`, or everybody reconnects."""
    return Impact.HOT if changed <= _HOT_SETTINGS else Impact.ALL
