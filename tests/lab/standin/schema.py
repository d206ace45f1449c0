"""Every key that a MediaMTX 1.20.1 configuration may have, with its type and default."""

import enum
from dataclasses import dataclass
from typing import Final

MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MEBIBYTE: Final = 1024 * 1024


class Kind(enum.Enum):
    """The type of a key."""

    TEXT = enum.auto()
    FLAG = enum.auto()
    INT = enum.auto()
    UINT = enum.auto()
    FLOAT = enum.auto()
    DURATION = enum.auto()
    SIZE = enum.auto()
    CREDENTIAL = enum.auto()
    TEXTS = enum.auto()
    UINTS = enum.auto()
    FLOATS = enum.auto()
    NETWORKS = enum.auto()
    LOG_LEVEL = enum.auto()
    LOG_DESTINATIONS = enum.auto()
    AUTH_METHOD = enum.auto()
    RTSP_AUTH_METHODS = enum.auto()
    TRANSPORT = enum.auto()
    TRANSPORTS = enum.auto()
    ENCRYPTION = enum.auto()
    RANGE_TYPE = enum.auto()
    HLS_VARIANT = enum.auto()
    MOQ_TRANSPORT = enum.auto()
    RECORD_FORMAT = enum.auto()
    USERS = enum.auto()
    PERMISSIONS = enum.auto()
    ICE_SERVERS = enum.auto()
    FORWARD = enum.auto()
    TRACKS = enum.auto()


@dataclass(frozen=True, slots=True)
class Permission:
    """What a user may do; the path is exact, a `~regexp`, or empty for any."""

    action: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """One entry of authInternalUsers."""

    user: str = ""
    password: str = ""
    ips: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A key; a default of None marks a deprecated one."""

    key: str
    kind: Kind
    default: object


_DEFAULT_USERS: Final = (
    User("any", permissions=(Permission("publish"), Permission("read"), Permission("playback"))),
    User(
        "any",
        ips=("127.0.0.1/32", "::1/128"),
        permissions=(Permission("api"), Permission("metrics"), Permission("pprof")),
    ),
)

GLOBAL_FIELDS: Final = (
    Field("logLevel", Kind.LOG_LEVEL, "info"),
    Field("logDestinations", Kind.LOG_DESTINATIONS, ("stdout",)),
    Field("logStructured", Kind.FLAG, default=False),
    Field("logFile", Kind.TEXT, "mediamtx.log"),
    Field("sysLogPrefix", Kind.TEXT, "mediamtx"),
    Field("dumpPackets", Kind.FLAG, default=False),
    Field("readTimeout", Kind.DURATION, 10 * SECOND),
    Field("writeTimeout", Kind.DURATION, 10 * SECOND),
    Field("readBufferCount", Kind.INT, None),
    Field("writeQueueSize", Kind.INT, 512),
    Field("udpMaxPayloadSize", Kind.INT, 1452),
    Field("udpReadBufferSize", Kind.UINT, 0),
    Field("runOnConnect", Kind.TEXT, ""),
    Field("runOnConnectRestart", Kind.FLAG, default=False),
    Field("runOnDisconnect", Kind.TEXT, ""),
    Field("authMethod", Kind.AUTH_METHOD, "internal"),
    Field("authInternalUsers", Kind.USERS, _DEFAULT_USERS),
    Field("authHTTPAddress", Kind.TEXT, ""),
    Field("externalAuthenticationURL", Kind.TEXT, None),
    Field("authHTTPFingerprint", Kind.TEXT, ""),
    Field("authHTTPExclude", Kind.PERMISSIONS, ()),
    Field("authJWTJWKS", Kind.TEXT, ""),
    Field("authJWTJWKSFingerprint", Kind.TEXT, ""),
    Field("authJWTClaimKey", Kind.TEXT, "mediamtx_permissions"),
    Field("authJWTExclude", Kind.PERMISSIONS, ()),
    Field("authJWTInHTTPQuery", Kind.FLAG, None),
    Field("authJWTIssuer", Kind.TEXT, ""),
    Field("authJWTAudience", Kind.TEXT, ""),
    Field("api", Kind.FLAG, default=False),
    Field("apiAddress", Kind.TEXT, ":9997"),
    Field("apiEncryption", Kind.FLAG, default=False),
    Field("apiServerKey", Kind.TEXT, "server.key"),
    Field("apiServerCert", Kind.TEXT, "server.crt"),
    Field("apiAllowOrigin", Kind.TEXT, None),
    Field("apiAllowOrigins", Kind.TEXTS, ("*",)),
    Field("apiTrustedProxies", Kind.NETWORKS, ()),
    Field("metrics", Kind.FLAG, default=False),
    Field("metricsAddress", Kind.TEXT, ":9998"),
    Field("metricsEncryption", Kind.FLAG, default=False),
    Field("metricsServerKey", Kind.TEXT, "server.key"),
    Field("metricsServerCert", Kind.TEXT, "server.crt"),
    Field("metricsAllowOrigin", Kind.TEXT, None),
    Field("metricsAllowOrigins", Kind.TEXTS, ("*",)),
    Field("metricsTrustedProxies", Kind.NETWORKS, ()),
    Field("pprof", Kind.FLAG, default=False),
    Field("pprofAddress", Kind.TEXT, ":9999"),
    Field("pprofEncryption", Kind.FLAG, default=False),
    Field("pprofServerKey", Kind.TEXT, "server.key"),
    Field("pprofServerCert", Kind.TEXT, "server.crt"),
    Field("pprofAllowOrigin", Kind.TEXT, None),
    Field("pprofAllowOrigins", Kind.TEXTS, ("*",)),
    Field("pprofTrustedProxies", Kind.NETWORKS, ()),
    Field("playback", Kind.FLAG, default=False),
    Field("playbackAddress", Kind.TEXT, ":9996"),
    Field("playbackEncryption", Kind.FLAG, default=False),
    Field("playbackServerKey", Kind.TEXT, "server.key"),
    Field("playbackServerCert", Kind.TEXT, "server.crt"),
    Field("playbackAllowOrigin", Kind.TEXT, None),
    Field("playbackAllowOrigins", Kind.TEXTS, ("*",)),
    Field("playbackTrustedProxies", Kind.NETWORKS, ()),
    Field("rtsp", Kind.FLAG, default=True),
    Field("rtspDisable", Kind.FLAG, None),
    Field("protocols", Kind.TRANSPORTS, None),
    Field("rtspTransports", Kind.TRANSPORTS, ("multicast", "tcp", "udp")),
    Field("encryption", Kind.ENCRYPTION, None),
    Field("rtspEncryption", Kind.ENCRYPTION, "no"),
    Field("rtspAddress", Kind.TEXT, ":8554"),
    Field("rtspsAddress", Kind.TEXT, ":8322"),
    Field("rtpAddress", Kind.TEXT, ":8000"),
    Field("rtcpAddress", Kind.TEXT, ":8001"),
    Field("multicastIPRange", Kind.TEXT, "224.1.0.0/16"),
    Field("multicastRTPPort", Kind.INT, 8002),
    Field("multicastRTCPPort", Kind.INT, 8003),
    Field("srtpAddress", Kind.TEXT, ":8004"),
    Field("srtcpAddress", Kind.TEXT, ":8005"),
    Field("multicastSRTPPort", Kind.INT, 8006),
    Field("multicastSRTCPPort", Kind.INT, 8007),
    Field("serverKey", Kind.TEXT, None),
    Field("serverCert", Kind.TEXT, None),
    Field("rtspServerKey", Kind.TEXT, "server.key"),
    Field("rtspServerCert", Kind.TEXT, "server.crt"),
    Field("authMethods", Kind.RTSP_AUTH_METHODS, None),
    Field("rtspAuthMethods", Kind.RTSP_AUTH_METHODS, ("basic",)),
    Field("rtspTrustedProxies", Kind.NETWORKS, ()),
    Field("rtspUDPReadBufferSize", Kind.UINT, None),
    Field("rtmp", Kind.FLAG, default=True),
    Field("rtmpDisable", Kind.FLAG, None),
    Field("rtmpEncryption", Kind.ENCRYPTION, "no"),
    Field("rtmpAddress", Kind.TEXT, ":1935"),
    Field("rtmpsAddress", Kind.TEXT, ":1936"),
    Field("rtmpServerKey", Kind.TEXT, "server.key"),
    Field("rtmpServerCert", Kind.TEXT, "server.crt"),
    Field("rtmpTrustedProxies", Kind.NETWORKS, ()),
    Field("hls", Kind.FLAG, default=True),
    Field("hlsDisable", Kind.FLAG, None),
    Field("hlsAddress", Kind.TEXT, ":8888"),
    Field("hlsEncryption", Kind.FLAG, default=False),
    Field("hlsServerKey", Kind.TEXT, "server.key"),
    Field("hlsServerCert", Kind.TEXT, "server.crt"),
    Field("hlsAllowOrigin", Kind.TEXT, None),
    Field("hlsAllowOrigins", Kind.TEXTS, ("*",)),
    Field("hlsTrustedProxies", Kind.NETWORKS, ()),
    Field("hlsAlwaysRemux", Kind.FLAG, default=False),
    Field("hlsVariant", Kind.HLS_VARIANT, "lowLatency"),
    Field("hlsSegmentCount", Kind.INT, 7),
    Field("hlsSegmentDuration", Kind.DURATION, 1 * SECOND),
    Field("hlsPartDuration", Kind.DURATION, 200 * MILLISECOND),
    Field("hlsSegmentMaxSize", Kind.SIZE, 50 * MEBIBYTE),
    Field("hlsDirectory", Kind.TEXT, ""),
    Field("hlsMuxerCloseAfter", Kind.DURATION, 60 * SECOND),
    Field("hlsCDNSecret", Kind.TEXT, ""),
    Field("webrtc", Kind.FLAG, default=True),
    Field("webrtcDisable", Kind.FLAG, None),
    Field("webrtcAddress", Kind.TEXT, ":8889"),
    Field("webrtcEncryption", Kind.FLAG, default=False),
    Field("webrtcServerKey", Kind.TEXT, "server.key"),
    Field("webrtcServerCert", Kind.TEXT, "server.crt"),
    Field("webrtcAllowOrigin", Kind.TEXT, None),
    Field("webrtcAllowOrigins", Kind.TEXTS, ("*",)),
    Field("webrtcTrustedProxies", Kind.NETWORKS, ()),
    Field("webrtcLocalUDPAddress", Kind.TEXT, ":8189"),
    Field("webrtcLocalTCPAddress", Kind.TEXT, ""),
    Field("webrtcIPsFromInterfaces", Kind.FLAG, default=True),
    Field("webrtcIPsFromInterfacesList", Kind.TEXTS, ()),
    Field("webrtcAdditionalHosts", Kind.TEXTS, ()),
    Field("webrtcICEServers2", Kind.ICE_SERVERS, ()),
    Field("webrtcSTUNGatherTimeout", Kind.DURATION, 5 * SECOND),
    Field("webrtcHandshakeTimeout", Kind.DURATION, 10 * SECOND),
    Field("webrtcTrackGatherTimeout", Kind.DURATION, 2 * SECOND),
    Field("webrtcICEUDPMuxAddress", Kind.TEXT, None),
    Field("webrtcICETCPMuxAddress", Kind.TEXT, None),
    Field("webrtcICEHostNAT1To1IPs", Kind.TEXTS, None),
    Field("webrtcICEServers", Kind.TEXTS, None),
    Field("srt", Kind.FLAG, default=True),
    Field("srtAddress", Kind.TEXT, ":8890"),
    Field("moq", Kind.FLAG, default=True),
    Field("moqHTTP2Address", Kind.TEXT, ":8892"),
    Field("moqHTTP3Address", Kind.TEXT, ":8892"),
    Field("moqQUICAddress", Kind.TEXT, ":8893"),
    Field("moqServerKey", Kind.TEXT, "auto.key"),
    Field("moqServerCert", Kind.TEXT, "auto.crt"),
    Field("moqAllowOrigins", Kind.TEXTS, ("*",)),
    Field("moqTrustedProxies", Kind.NETWORKS, ()),
    Field("moqHTTPS2Address", Kind.TEXT, None),
    Field("moqHTTPS3Address", Kind.TEXT, None),
    Field("record", Kind.FLAG, None),
    Field("recordPath", Kind.TEXT, None),
    Field("recordFormat", Kind.RECORD_FORMAT, None),
    Field("recordPartDuration", Kind.DURATION, None),
    Field("recordSegmentDuration", Kind.DURATION, None),
    Field("recordDeleteAfter", Kind.DURATION, None),
)

PATH_FIELDS: Final = (
    Field("source", Kind.TEXT, "publisher"),
    Field("sourceFingerprint", Kind.TEXT, ""),
    Field("sourceOnDemand", Kind.FLAG, default=False),
    Field("sourceOnDemandStartTimeout", Kind.DURATION, 10 * SECOND),
    Field("sourceOnDemandCloseAfter", Kind.DURATION, 10 * SECOND),
    Field("maxReaders", Kind.INT, 0),
    Field("srtReadPassphrase", Kind.TEXT, ""),
    Field("fallback", Kind.TEXT, None),
    Field("useAbsoluteTimestamp", Kind.FLAG, default=False),
    Field("alwaysAvailable", Kind.FLAG, default=False),
    Field("alwaysAvailableTracks", Kind.TRACKS, ()),
    Field("alwaysAvailableFile", Kind.TEXT, ""),
    Field("forward", Kind.FORWARD, ()),
    Field("record", Kind.FLAG, default=False),
    Field("playback", Kind.FLAG, None),
    Field("recordPath", Kind.TEXT, "./recordings/%path/%Y-%m-%d_%H-%M-%S-%f"),
    Field("recordFormat", Kind.RECORD_FORMAT, "fmp4"),
    Field("recordPartDuration", Kind.DURATION, 1 * SECOND),
    Field("recordMaxPartSize", Kind.SIZE, 50 * MEBIBYTE),
    Field("recordSegmentDuration", Kind.DURATION, 3600 * SECOND),
    Field("recordDeleteAfter", Kind.DURATION, 86400 * SECOND),
    Field("publishUser", Kind.CREDENTIAL, None),
    Field("publishPass", Kind.CREDENTIAL, None),
    Field("publishIPs", Kind.NETWORKS, None),
    Field("readUser", Kind.CREDENTIAL, None),
    Field("readPass", Kind.CREDENTIAL, None),
    Field("readIPs", Kind.NETWORKS, None),
    Field("overridePublisher", Kind.FLAG, default=True),
    Field("disablePublisherOverride", Kind.FLAG, None),
    Field("srtPublishPassphrase", Kind.TEXT, ""),
    Field("rtspDemuxMpegts", Kind.FLAG, default=False),
    Field("rtspTransport", Kind.TRANSPORT, "automatic"),
    Field("rtspAnyPort", Kind.FLAG, default=False),
    Field("sourceProtocol", Kind.TRANSPORT, None),
    Field("sourceAnyPortEnable", Kind.FLAG, None),
    Field("rtspRangeType", Kind.RANGE_TYPE, ""),
    Field("rtspRangeStart", Kind.TEXT, ""),
    Field("rtspScale", Kind.TEXT, ""),
    Field("rtspUDPReadBufferSize", Kind.UINT, None),
    Field("rtspUDPSourcePortRange", Kind.UINTS, (32768, 60999)),
    Field("mpegtsUDPReadBufferSize", Kind.UINT, None),
    Field("rtpSDP", Kind.TEXT, ""),
    Field("rtpUDPReadBufferSize", Kind.UINT, None),
    Field("moqTransport", Kind.MOQ_TRANSPORT, "quic"),
    Field("whepBearerToken", Kind.TEXT, ""),
    Field("whepSTUNGatherTimeout", Kind.DURATION, 5 * SECOND),
    Field("whepHandshakeTimeout", Kind.DURATION, 10 * SECOND),
    Field("whepTrackGatherTimeout", Kind.DURATION, 2 * SECOND),
    Field("sourceRedirect", Kind.TEXT, ""),
    Field("rpiCameraCamID", Kind.UINT, 0),
    Field("rpiCameraSecondary", Kind.FLAG, default=False),
    Field("rpiCameraWidth", Kind.UINT, 1920),
    Field("rpiCameraHeight", Kind.UINT, 1080),
    Field("rpiCameraHFlip", Kind.FLAG, default=False),
    Field("rpiCameraVFlip", Kind.FLAG, default=False),
    Field("rpiCameraBrightness", Kind.FLOAT, 0.0),
    Field("rpiCameraContrast", Kind.FLOAT, 1.0),
    Field("rpiCameraSaturation", Kind.FLOAT, 1.0),
    Field("rpiCameraSharpness", Kind.FLOAT, 1.0),
    Field("rpiCameraExposure", Kind.TEXT, "normal"),
    Field("rpiCameraAWB", Kind.TEXT, "auto"),
    Field("rpiCameraAWBGains", Kind.FLOATS, (0, 0)),
    Field("rpiCameraDenoise", Kind.TEXT, "off"),
    Field("rpiCameraShutter", Kind.UINT, 0),
    Field("rpiCameraMetering", Kind.TEXT, "centre"),
    Field("rpiCameraGain", Kind.FLOAT, 0.0),
    Field("rpiCameraEV", Kind.FLOAT, 0.0),
    Field("rpiCameraROI", Kind.TEXT, ""),
    Field("rpiCameraHDR", Kind.FLAG, default=False),
    Field("rpiCameraTuningFile", Kind.TEXT, ""),
    Field("rpiCameraMode", Kind.TEXT, ""),
    Field("rpiCameraFPS", Kind.FLOAT, 30.0),
    Field("rpiCameraAfMode", Kind.TEXT, "continuous"),
    Field("rpiCameraAfRange", Kind.TEXT, "normal"),
    Field("rpiCameraAfSpeed", Kind.TEXT, "normal"),
    Field("rpiCameraLensPosition", Kind.FLOAT, 0.0),
    Field("rpiCameraAfWindow", Kind.TEXT, ""),
    Field("rpiCameraFlickerPeriod", Kind.UINT, 0),
    Field("rpiCameraTextOverlayEnable", Kind.FLAG, default=False),
    Field("rpiCameraTextOverlay", Kind.TEXT, "%Y-%m-%d %H:%M:%S - MediaMTX"),
    Field("rpiCameraCodec", Kind.TEXT, "auto"),
    Field("rpiCameraIDRPeriod", Kind.UINT, 60),
    Field("rpiCameraBitrate", Kind.UINT, 5000000),
    Field("rpiCameraProfile", Kind.TEXT, None),
    Field("rpiCameraLevel", Kind.TEXT, None),
    Field("rpiCameraHardwareH264Profile", Kind.TEXT, None),
    Field("rpiCameraHardwareH264Level", Kind.TEXT, None),
    Field("rpiCameraSoftwareH264Profile", Kind.TEXT, None),
    Field("rpiCameraSoftwareH264Level", Kind.TEXT, None),
    Field("rpiCameraH264Profile", Kind.TEXT, "auto"),
    Field("rpiCameraH264Level", Kind.TEXT, "4.1"),
    Field("rpiCameraJPEGQuality", Kind.UINT, None),
    Field("rpiCameraMJPEGQuality", Kind.UINT, 60),
    Field("runOnInit", Kind.TEXT, ""),
    Field("runOnInitRestart", Kind.FLAG, default=False),
    Field("runOnDemand", Kind.TEXT, ""),
    Field("runOnDemandRestart", Kind.FLAG, default=False),
    Field("runOnDemandStartTimeout", Kind.DURATION, 10 * SECOND),
    Field("runOnDemandCloseAfter", Kind.DURATION, 10 * SECOND),
    Field("runOnUnDemand", Kind.TEXT, ""),
    Field("runOnAvailable", Kind.TEXT, ""),
    Field("runOnAvailableRestart", Kind.FLAG, default=False),
    Field("runOnUnavailable", Kind.TEXT, ""),
    Field("runOnReady", Kind.TEXT, None),
    Field("runOnReadyRestart", Kind.FLAG, None),
    Field("runOnNotReady", Kind.TEXT, None),
    Field("runOnOnline", Kind.TEXT, ""),
    Field("runOnOnlineRestart", Kind.FLAG, default=False),
    Field("runOnOffline", Kind.TEXT, ""),
    Field("runOnRead", Kind.TEXT, ""),
    Field("runOnReadRestart", Kind.FLAG, default=False),
    Field("runOnUnread", Kind.TEXT, ""),
    Field("runOnRecordSegmentCreate", Kind.TEXT, ""),
    Field("runOnRecordSegmentComplete", Kind.TEXT, ""),
)

USER_FIELDS: Final = (
    Field("user", Kind.CREDENTIAL, ""),
    Field("pass", Kind.CREDENTIAL, ""),
    Field("ips", Kind.NETWORKS, ()),
    Field("permissions", Kind.PERMISSIONS, ()),
)
ICE_SERVER_FIELDS: Final = (
    Field("url", Kind.TEXT, ""),
    Field("username", Kind.TEXT, ""),
    Field("password", Kind.TEXT, ""),
    Field("clientOnly", Kind.FLAG, default=False),
)
FORWARD_FIELDS: Final = (
    Field("dest", Kind.TEXT, ""),
    Field("destFingerprint", Kind.TEXT, ""),
    Field("whipBearerToken", Kind.TEXT, ""),
)
TRACK_FIELDS: Final = (
    Field("codec", Kind.TEXT, ""),
    Field("sampleRate", Kind.INT, 0),
    Field("channelCount", Kind.INT, 0),
    Field("muLaw", Kind.FLAG, default=False),
)
