"""MediaMTX's reload rules, each as it was measured with readers on 1.20.1."""

from typing import Any

import pytest

from provisioner.plan.change import Impact
from provisioner.plan.diff.paths import caution, impact_of_path_settings, impact_of_settings

# Our own relays: no server but RTSP is on.
LIVE: dict[str, Any] = {"rtsp": True, "hls": False, "webrtc": False, "rtmp": False, "srt": False, "moq": False}


@pytest.mark.parametrize("name", ["authInternalUsers", "api", "apiAddress", "apiAllowOrigins", "pprof", "playback"])
def test_what_no_reader_notices(name: str) -> None:
    assert impact_of_settings({name}, LIVE) is Impact.HOT


@pytest.mark.parametrize(
    "name",
    [
        *("logLevel", "logStructured", "logDestinations", "logFile", "dumpPackets"),
        *("metrics", "metricsAddress", "readTimeout", "writeTimeout", "writeQueueSize", "udpMaxPayloadSize"),
        *("rtsp", "rtspAddress", "rtspEncryption", "rtspTransports", "rtspAuthMethods", "rtspTrustedProxies"),
        *("authMethod", "authHTTPAddress", "authJWTJWKS", "runOnConnect", "udpReadBufferSize", "rtpAddress"),
        *("srtpAddress", "srtcpAddress", "pathDefaults", "aSettingOfAVersionToCome"),
    ],
)
def test_what_every_reader_notices_and_what_is_not_known(name: str) -> None:
    assert impact_of_settings({name}, LIVE) is Impact.ALL


@pytest.mark.parametrize(
    "name", ["hls", "hlsVariant", "webrtcAddress", "srt", "srtAddress", "rtmpTrustedProxies", "moq"]
)
def test_a_server_of_another_protocol_cuts_its_own_readers_and_only_if_it_is_on(name: str) -> None:
    server = next(server for server in ("hls", "webrtc", "srt", "rtmp", "moq") if name.startswith(server))
    assert impact_of_settings({name}, LIVE) is Impact.HOT
    assert impact_of_settings({name}, LIVE | {server: True}) is Impact.ALL
    without = {key: value for key, value in LIVE.items() if key != server}
    assert impact_of_settings({name}, without) is Impact.ALL, "a server that the file does not name is on"


def test_one_setting_that_cuts_among_many_that_do_not_cuts() -> None:
    assert impact_of_settings({"api", "authInternalUsers", "readTimeout"}, LIVE) is Impact.ALL


@pytest.mark.parametrize("name", ["record", "recordPath", "recordDeleteAfter", "forward"])
def test_what_a_path_changes_under_its_readers_feet(name: str) -> None:
    assert impact_of_path_settings({name}) is Impact.HOT


@pytest.mark.parametrize("name", ["source", "maxReaders", "runOnRead", "sourceOnDemand", "rtspTransport", "unheardOf"])
def test_what_makes_a_path_anew(name: str) -> None:
    assert impact_of_path_settings({name, "record"}) is Impact.PATH


def test_a_version_whose_rules_were_not_read_says_so() -> None:
    assert caution("1.20.1") == ""
    assert "those of 1.21.1 are not known" in caution("1.21.1")
