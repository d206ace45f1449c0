"""The configuration: loaded from a file and the environment, validated like the real relay's."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from . import yaml_text
from .decode import decode, decode_object, encode
from .errors import ConfigError
from .go_values import parse_url
from .schema import GLOBAL_FIELDS, PATH_FIELDS, SECOND, Field, Kind, User

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Values = Mapping[str, object]

_DEFAULTS: Final = {item.key: item.default for item in GLOBAL_FIELDS}
_PATH_DEFAULTS: Final = {item.key: item.default for item in PATH_FIELDS}
_ROOT_KEYS: Final = {*_DEFAULTS, "pathDefaults", "paths"}
_PATH_NAME: Final = re.compile(r"[0-9a-zA-Z_\-/.]+")
_ALL_NAMES: Final = ("all", "all_others", "~^.*$")
_MAX_UDP_PAYLOAD: Final = 1472
_MAX_SEGMENT: Final = 86400 * SECOND
_RTSP_SCHEMES: Final = ("rtsp", "rtsps", "rtsp+http", "rtsps+http", "rtsp+ws", "rtsps+ws")
_URL_SCHEMES: Final = (*_RTSP_SCHEMES, "rtmp", "rtmps", "http", "https", "srt", "moqt", "whep", "wheps")
_PORT_SCHEMES: Final = ("udp", "udp+mpegts", "udp+rtp")
_FREE_SCHEMES: Final = ("unix+mpegts", "unix+rtp")
_ADDRESSES: Final = (
    ("api", "apiAddress", "API is enabled"),
    ("metrics", "metricsAddress", "metrics are enabled"),
    ("pprof", "pprofAddress", "pprof is enabled"),
    ("playback", "playbackAddress", "playback is enabled"),
    ("rtmp", "rtmpAddress", "RTMP is enabled"),
    ("hls", "hlsAddress", "HLS is enabled"),
    ("webrtc", "webrtcAddress", "WebRTC is enabled"),
    ("moq", "moqQUICAddress", "MoQ is enabled"),
)
_RENAMED: Final = {
    "readBufferCount": "writeQueueSize",
    "rtspDisable": "rtsp",
    "protocols": "rtspTransports",
    "encryption": "rtspEncryption",
    "authMethods": "rtspAuthMethods",
    "serverCert": "rtspServerCert",
    "serverKey": "rtspServerKey",
    "sourceProtocol": "rtspTransport",
    "sourceAnyPortEnable": "rtspAnyPort",
    "runOnReady": "runOnAvailable",
    "runOnReadyRestart": "runOnAvailableRestart",
    "runOnNotReady": "runOnUnavailable",
}


@dataclass(frozen=True, slots=True)
class PathConfig:
    """One path: its name and the value of every path key."""

    name: str
    values: Values

    @property
    def source(self) -> str:
        """The source, or `publisher`."""
        return str(self.values["source"])

    @property
    def is_pulled(self) -> bool:
        """Whether the relay fetches the stream by itself."""
        return self.source not in ("publisher", "redirect")

    @property
    def on_demand(self) -> bool:
        """Whether the source runs only for readers."""
        return bool(self.values["sourceOnDemand"])

    @property
    def is_pattern(self) -> bool:
        """Whether the name stands for many."""
        return self.name in _ALL_NAMES or self.name.startswith("~")

    def seconds(self, key: str) -> float:
        """A duration in seconds."""
        return _seconds(self.values, key)

    def count(self, key: str) -> int:
        """A whole number."""
        return _count(self.values, key)

    def document(self) -> dict[str, object]:
        """The path as the Control API shows it, camera password included."""
        return {"name": self.name, **_document(self.values, PATH_FIELDS)}


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration."""

    values: Values
    path_defaults: Values
    paths: Mapping[str, PathConfig]
    given: frozenset[str] = frozenset()
    deprecated: tuple[str, ...] = ()
    users: tuple[User, ...] = field(default=())

    def text(self, key: str) -> str:
        """A text."""
        return str(self.values[key])

    def flag(self, key: str) -> bool:
        """A boolean."""
        return bool(self.values[key])

    def count(self, key: str) -> int:
        """A whole number."""
        return _count(self.values, key)

    def seconds(self, key: str) -> float:
        """A duration in seconds."""
        return _seconds(self.values, key)

    def items(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        return _items(self.values, key)

    def document(self) -> dict[str, object]:
        """The global part as the Control API shows it."""
        return _document(self.values, GLOBAL_FIELDS)

    def defaults_document(self) -> dict[str, object]:
        """The path defaults as the Control API shows them."""
        return {"name": "", **_document(self.path_defaults, PATH_FIELDS)}


def _count(values: Values, key: str) -> int:
    value = values[key]
    assert isinstance(value, int)
    return value


def _seconds(values: Values, key: str) -> float:
    return _count(values, key) / SECOND


def _items(values: Values, key: str) -> tuple[str, ...]:
    value = values[key]
    assert isinstance(value, tuple)
    return value


def _document(values: Values, fields: Iterable[Field]) -> dict[str, object]:
    return {item.key: encode(values[item.key], item.kind) for item in fields if values[item.key] is not None}


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read, decode and validate a configuration file.

    Raises:
        ConfigError: the file cannot be read or is invalid.
    """
    for key in ("MTX_CONFKEY", "RTSP_CONFKEY"):
        if key in environment:
            message = f"the stand-in does not implement {key}"
            raise ConfigError(message)
    try:
        data = file.read_bytes()
    except OSError as error:
        message = f"open {file}: {(error.strerror or str(error)).lower()}"
        raise ConfigError(message) from error
    raw = yaml_text.load(data)
    if raw is None:
        raw = {}
    if isinstance(raw, dict):
        for key in raw:
            if key not in _ROOT_KEYS:
                message = f'json: unknown field "{key}"'
                raise ConfigError(message)
        return _build(raw, environment)
    decode_object(raw, ())
    raise AssertionError


def _build(raw: Mapping[str, object], environment: Mapping[str, str]) -> Config:
    own = {key: value for key, value in raw.items() if key not in ("pathDefaults", "paths")}
    given = decode_object(own, GLOBAL_FIELDS) | _from_environment(environment)
    values = _DEFAULTS | given
    path_given = decode_object(raw.get("pathDefaults"), PATH_FIELDS, "pathDefaults")
    defaults = _PATH_DEFAULTS | path_given
    paths = _paths(raw.get("paths"), defaults)
    _validate_global(values)
    if len(set(paths) & set(_ALL_NAMES)) > 1:
        message = "all_others, all and '~^.*$' are aliases"
        raise ConfigError(message)
    for path in paths.values():
        _validate_path(path, playback=bool(values["playback"]))
    users = values["authInternalUsers"]
    assert isinstance(users, tuple)
    return Config(
        MappingProxyType(values),
        MappingProxyType(defaults),
        MappingProxyType(paths),
        frozenset(given),
        _deprecated(values, defaults, paths),
        users,
    )


def _paths(raw: object, defaults: Values) -> dict[str, PathConfig]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        kind = yaml_text.TYPE_NAMES[type(raw)]
        message = f"json: cannot unmarshal {kind} into Go value of type map[string]*conf.OptionalPath"
        raise ConfigError(message)
    paths: dict[str, PathConfig] = {}
    for name, own in sorted(raw.items()):
        # A null in a path means that the default holds, whatever the type of the key.
        present = {key: value for key, value in own.items() if value is not None} if isinstance(own, dict) else own
        unknown = {key: None for key in own if key not in _PATH_DEFAULTS} if isinstance(own, dict) else {}
        decode_object(unknown, PATH_FIELDS)
        paths[name] = PathConfig(name, MappingProxyType({**defaults, **decode_object(present, PATH_FIELDS)}))
    return paths


def _deprecated(values: Values, defaults: Values, paths: Mapping[str, PathConfig]) -> tuple[str, ...]:
    found = [item.key for item in GLOBAL_FIELDS if item.default is None and values[item.key] is not None]
    for place in (defaults, *(path.values for path in paths.values())):
        found += [item.key for item in PATH_FIELDS if item.default is None and place[item.key] is not None]
    return tuple(dict.fromkeys(found))


def deprecation(key: str) -> str:
    """The warning that a deprecated key earns."""
    if key in _RENAMED:
        return f"parameter '{key}' is deprecated and has been replaced with '{_RENAMED[key]}'"
    return f"parameter '{key}' is deprecated and will be removed in a future release"


_ENVIRONMENT_LISTS: Final = {
    Kind.TEXTS,
    Kind.UINTS,
    Kind.FLOATS,
    Kind.NETWORKS,
    Kind.LOG_DESTINATIONS,
    Kind.RTSP_AUTH_METHODS,
    Kind.TRANSPORTS,
}
_ENVIRONMENT_BOOLEANS: Final = {"yes": True, "true": True, "no": False, "false": False}


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for prefix in ("RTSP", "MTX"):
        deep = (f"{prefix}_PATHS_", f"{prefix}_PATHDEFAULTS_", f"{prefix}_AUTHINTERNALUSERS")
        for name in environment:
            if name.startswith(deep):
                message = f"the stand-in does not implement the variable {name}"
                raise ConfigError(message)
        for item in GLOBAL_FIELDS:
            name = f"{prefix}_{item.key.upper()}"
            if name in environment:
                values[item.key] = _environment_value(name, environment[name], item)
    return values


def _environment_value(name: str, text: str, item: Field) -> object:
    raw: object = text
    try:
        if item.kind in _ENVIRONMENT_LISTS:
            raw = text.split(",") if text else []
        elif item.kind in (Kind.INT, Kind.UINT):
            raw = int(text)
        elif item.kind is Kind.FLOAT:
            raw = float(text)
        elif item.kind is Kind.FLAG:
            raw = _ENVIRONMENT_BOOLEANS[text.lower()]
        return decode(raw, item, item.key)
    except KeyError as error:
        message = f"{name}: invalid value '{text}'"
        raise ConfigError(message) from error
    except ValueError as error:
        message = f'{name}: strconv.ParseInt: parsing "{text}": invalid syntax'
        raise ConfigError(message) from error
    except ConfigError as error:
        message = f"{name}: {error}"
        raise ConfigError(message) from error


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _validate_global(values: Values) -> None:
    queue = _count(values, "writeQueueSize")
    for key in ("readTimeout", "writeTimeout", "writeQueueSize"):
        _require(_count(values, key) > 0, f"'{key}' must be greater than zero")
    _require(not queue & (queue - 1), "'writeQueueSize' must be a power of two")
    _require(_count(values, "udpMaxPayloadSize") <= _MAX_UDP_PAYLOAD, "'udpMaxPayloadSize' must be less than 1472")
    _validate_auth(values)
    for switch, address, state in _ADDRESSES:
        _require(not values[switch] or values[address], f"'{address}' must be set when {state}")
    if values["rtsp"]:
        _validate_rtsp(values)


def _validate_auth(values: Values) -> None:
    users = values["authInternalUsers"]
    assert isinstance(users, tuple)
    method = values["authMethod"]
    if method == "internal":
        for user in users:
            _require(user.user, "empty usernames are not supported")
            _require(user.user != "any" or not user.password, "using a password with 'any' user is not supported")
    elif method == "http":
        _require(values["authHTTPAddress"], "'authHTTPAddress' is empty")
    else:
        _require(values["authJWTJWKS"], "'authJWTJWKS' is empty")
        _require(values["authJWTClaimKey"], "'authJWTClaimKey' is empty")


def _validate_rtsp(values: Values) -> None:
    encryption = values["rtspEncryption"]
    state = "must be set when RTSP is enabled and RTSP encryption is"
    plain = encryption in ("no", "optional")
    _require(not plain or values["rtspAddress"], f"'rtspAddress' {state} 'no' or 'optional'")
    secure = encryption in ("optional", "strict")
    _require(not secure or values["rtspsAddress"], f"'rtspsAddress' {state} 'optional' or 'strict'")
    methods = _items(values, "rtspAuthMethods")
    _require(methods, "at least one 'rtspAuthMethods' must be provided")
    if "digest" not in methods:
        return
    _require(
        values["authMethod"] == "internal", "when RTSP digest is enabled, the only supported auth method is 'internal'"
    )
    users = values["authInternalUsers"]
    assert isinstance(users, tuple)
    hashed = any(text.startswith(("sha256:", "argon2:")) for user in users for text in (user.user, user.password))
    _require(not hashed, "when RTSP digest is enabled, hashed credentials cannot be used")


def name_problem(name: str) -> str | None:
    """Say what is wrong with a path name, if anything."""
    if not name:
        return "cannot be empty"
    if name.startswith("/"):
        return "can't begin with a slash"
    if name.endswith("/"):
        return "can't end with a slash"
    if not _PATH_NAME.fullmatch(name):
        return "can contain only alphanumeric characters, underscore, dot, minus, slash"
    if {".", ".."} & set(name.split("/")):
        return "can't contain dot path segments"
    return None


def _validate_path(path: PathConfig, *, playback: bool) -> None:
    values = path.values
    if not path.is_pattern:
        problem = name_problem(path.name)
        _require(problem is None, f"invalid path name '{path.name}': {problem}")
    elif path.name.startswith("~"):
        try:
            re.compile(path.name[1:])
        except re.error as error:
            message = f"invalid regular expression: {path.name[1:]}"
            raise ConfigError(message) from error
    _require(
        path.source == "redirect" or not values["sourceRedirect"],
        "'sourceRedirect' is useless when source is not 'redirect'",
    )
    _validate_source(path)
    if values["sourceOnDemand"]:
        _require(path.source != "publisher", "'sourceOnDemand' is useless when source is 'publisher'")
    else:
        _require(
            not (path.is_pulled and path.is_pattern),
            "a path with a regular expression (or path 'all_others') and a static source must have "
            "'sourceOnDemand' set to true",
        )
    _validate_forward(values)
    _validate_always_available(path)
    _validate_record(values, playback=playback)
    _require(
        path.source == "publisher" or not (values["runOnDemand"] or values["runOnUnDemand"]),
        "'runOnDemand' and 'runOnUnDemand' can be used only when source is 'publisher'",
    )


def _validate_source(path: PathConfig) -> None:
    source = path.source
    scheme, separator, _ = source.partition("://")
    if source in ("publisher", "rpiCamera") or (separator and scheme in _FREE_SCHEMES):
        return
    if source == "redirect":
        _require(path.values["sourceRedirect"], "source redirect must be filled")
        return
    _require(separator and scheme in (*_URL_SCHEMES, *_PORT_SCHEMES), f"invalid source: '{source}'")
    url = parse_url(source)
    _require(scheme not in _PORT_SCHEMES or url.port is not None, f"'{source}' is missing the port")


def _validate_forward(values: Values) -> None:
    entries = values["forward"]
    assert isinstance(entries, tuple)
    for index, entry in enumerate(entries):
        dest = str(dict(entry).get("dest", ""))
        problem = "destination is empty"
        if dest:
            try:
                parse_url(dest)
            except ConfigError as error:
                problem = str(error)
            else:
                continue
        message = f"invalid 'forward': entry {index}: {problem}"
        raise ConfigError(message)


def _validate_always_available(path: PathConfig) -> None:
    if not path.values["alwaysAvailable"]:
        return
    _require(not path.on_demand, "'sourceOnDemand' is not compatible with 'alwaysAvailable'")
    _require(
        path.values["alwaysAvailableFile"] or path.values["alwaysAvailableTracks"],
        "'alwaysAvailableTracks' must contain at least one track",
    )


def _validate_record(values: Values, *, playback: bool) -> None:
    template = str(values["recordPath"])
    _require("%path" in template, "'recordPath' must contain %path")
    dated = all(part in template for part in ("%Y", "%m", "%d", "%H", "%M", "%S"))
    _require("%s" in template or dated, "'recordPath' must contain either %s or %Y %m %d %H %M %S")
    _require(not playback or "%f" in template, "'recordPath' must contain %f")
    segment = _count(values, "recordSegmentDuration")
    keep = _count(values, "recordDeleteAfter")
    _require(segment <= _MAX_SEGMENT, "maximum segment duration is 1 day")
    _require(keep == 0 or keep >= segment, "'recordDeleteAfter' cannot be lower than 'recordSegmentDuration'")
