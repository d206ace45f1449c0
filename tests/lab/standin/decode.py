"""Plain values into typed ones, with the real relay's messages where they do not fit."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from .errors import ConfigError
from .go_values import format_duration, format_size, parse_duration, parse_size
from .schema import FORWARD_FIELDS, ICE_SERVER_FIELDS, TRACK_FIELDS, USER_FIELDS, Field, Kind, Permission, User
from .yaml_text import TYPE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN: Final = re.compile(r"[a-zA-Z0-9!$()*+.;<=>\[\]^_\-{}@#&]+")
_PLAIN_CHARACTERS: Final = 'A-Z,0-9,!,$,(,),*,+,.,;,<,=,>,[,],^,_,-,",",@,#,&'
_SHA256: Final = re.compile(r"sha256:[a-zA-Z0-9+/=]+")
_ARGON2: Final = re.compile(r"argon2:\$argon2(id|i|d)\$v=[0-9]+\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[^$]+\$[^$]+")

# What each enumeration accepts, and how it is refused. An alias is unmarshalled by the real relay
# through a local Go type, whose name shows in its message.
_CHOICES: Final[dict[Kind, tuple[str, frozenset[str], str]]] = {
    Kind.LOG_LEVEL: ("string", frozenset({"error", "warn", "info", "debug"}), "invalid log level: '{}'"),
    Kind.AUTH_METHOD: ("conf.alias", frozenset({"internal", "http", "jwt"}), "invalid authMethod: '{}'"),
    Kind.TRANSPORT: ("string", frozenset({"udp", "multicast", "tcp", "automatic"}), "invalid transport '{}'"),
    Kind.ENCRYPTION: ("conf.alias", frozenset({"no", "optional", "strict"}), "invalid encryption: '{}'"),
    Kind.RANGE_TYPE: ("conf.alias", frozenset({"", "clock", "npt", "smpte"}), "invalid rtsp range type: '{}'"),
    Kind.HLS_VARIANT: ("string", frozenset({"mpegts", "fmp4", "lowLatency"}), "invalid HLS variant: '{}'"),
    Kind.MOQ_TRANSPORT: ("conf.alias", frozenset({"quic", "webtransport"}), "invalid MoQ transport '{}'"),
    Kind.RECORD_FORMAT: ("conf.alias", frozenset({"fmp4", "mpegts"}), "invalid record format '{}'"),
}
_ITEM_CHOICES: Final[dict[Kind, tuple[frozenset[str], str]]] = {
    Kind.LOG_DESTINATIONS: (frozenset({"stdout", "file", "syslog"}), "invalid log destination: {}"),
    Kind.RTSP_AUTH_METHODS: (frozenset({"basic", "digest"}), "invalid authentication method: '{}'"),
    Kind.TRANSPORTS: (frozenset({"udp", "multicast", "tcp"}), "invalid transport: {}"),
}
_ACTIONS: Final = frozenset({"publish", "read", "playback", "api", "metrics", "pprof"})
_OLD_ENCRYPTIONS: Final = {"false": "no", "true": "strict", "yes": "strict"}
_OBJECT: Final = "map[string]json.RawMessage"
_OBJECTS: Final = "[]json.RawMessage"


def _mismatch(value: object, wanted: str) -> ConfigError:
    name = TYPE_NAMES[type(value)]
    if name == "number" and wanted in ("int", "uint"):
        name = f"number {value}"
    return ConfigError(f"json: cannot unmarshal {name} into Go value of type {wanted}")


def decode_object(raw: object, fields: Iterable[Field], place: str = "") -> dict[str, object]:
    """Decode the keys that are present.

    Raises:
        ConfigError: a key is unknown or a value does not fit.
    """
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise _mismatch(raw, _OBJECT)
    known = {field.key: field for field in fields}
    prefix = f"{place}." if place else ""
    for key in raw:
        if key not in known:
            message = f'json: unknown field "{prefix}{key}"'
            raise ConfigError(message)
    return {key: decode(value, known[key], prefix + key) for key, value in raw.items()}


def decode(raw: object, field: Field, place: str) -> object:
    """Decode one value.

    Raises:
        ConfigError: it does not fit the type of the key.
    """
    if raw is None and field.default is None:
        return None
    return _DECODERS[field.kind](raw, field, place)


def _text(raw: object, field: Field, _place: str) -> object:
    return field.default if raw is None else _as_text(raw)


def _as_text(raw: object) -> str:
    """Go leaves its empty string when it meets null."""
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise _mismatch(raw, "string")
    return raw


def _flag(raw: object, field: Field, _place: str) -> object:
    if raw is None:
        return field.default
    if not isinstance(raw, bool):
        raise _mismatch(raw, "bool")
    return raw


def _integer(wanted: str) -> Callable[[object, Field, str], object]:
    def decode_integer(raw: object, field: Field, _place: str) -> object:
        return field.default if raw is None else _as_integer(raw, wanted)

    return decode_integer


def _as_integer(raw: object, wanted: str) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _mismatch(raw, wanted)
    if int(raw) != raw or (wanted == "uint" and raw < 0):
        raise _mismatch(raw, wanted)
    return int(raw)


def _float(raw: object, field: Field, _place: str) -> object:
    return field.default if raw is None else _as_float(raw)


def _as_float(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _mismatch(raw, "float64")
    return float(raw)


def _duration(raw: object, _field: Field, _place: str) -> object:
    return parse_duration(_as_text(raw))


def _size(raw: object, _field: Field, _place: str) -> object:
    return parse_size(_as_text(raw))


def _credential(raw: object, _field: Field, _place: str) -> object:
    text = _as_text(raw)
    if text.startswith("sha256:"):
        if not _SHA256.fullmatch(text):
            message = "credential contains unsupported characters, sha256 hash must be base64 encoded"
            raise ConfigError(message)
    elif text.startswith("argon2:"):
        if not _ARGON2.fullmatch(text):
            message = "invalid argon2 hash: there is no such version of argon2"
            raise ConfigError(message)
    elif text and not _PLAIN.fullmatch(text):
        message = f"credential contains unsupported characters. Supported are: {_PLAIN_CHARACTERS}"
        raise ConfigError(message)
    return text


def _list(raw: object, place: str, wanted: str) -> list[object]:
    if raw is None:
        message = f'cannot set slice "{place}" to nil' if place else "cannot set slice to nil"
        raise ConfigError(message)
    if not isinstance(raw, list):
        raise _mismatch(raw, wanted)
    return raw


def _texts(raw: object, _field: Field, place: str) -> object:
    return tuple(_as_text(item) for item in _list(raw, place, "[]string"))


def _uints(raw: object, _field: Field, place: str) -> object:
    return tuple(_as_integer(item, "uint") for item in _list(raw, place, "[]uint"))


def _floats(raw: object, _field: Field, place: str) -> object:
    return tuple(_as_float(item) for item in _list(raw, place, "[]float64"))


def _networks(raw: object, _field: Field, place: str) -> object:
    return tuple(_network(_as_text(item)) for item in _list(raw, place, _OBJECTS))


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        message = f"unable to parse IP/CIDR '{text}'"
        raise ConfigError(message) from error
    return str(network)


def _choice(raw: object, field: Field, _place: str) -> object:
    wanted, allowed, refusal = _CHOICES[field.kind]
    if raw is not None and not isinstance(raw, str):
        raise _mismatch(raw, wanted)
    text = raw or ""
    if field.kind is Kind.ENCRYPTION:
        text = _OLD_ENCRYPTIONS.get(text, text)
    if text not in allowed:
        raise ConfigError(refusal.format(text))
    return text


def _choices(raw: object, field: Field, place: str) -> object:
    allowed, refusal = _ITEM_CHOICES[field.kind]
    # The real relay decodes transports apart from their key, so that its message has no place.
    items = _list(raw, "" if field.kind is Kind.TRANSPORTS else place, "[]string")
    texts = [_as_text(item) for item in items]
    for text in texts:
        if text not in allowed:
            raise ConfigError(refusal.format(text))
    return tuple(sorted(set(texts))) if field.kind is Kind.TRANSPORTS else tuple(texts)


def _objects(fields: tuple[Field, ...]) -> Callable[[object, Field, str], object]:
    def decode_objects(raw: object, _field: Field, place: str) -> object:
        items = _list(raw, place, _OBJECTS)
        return tuple(
            tuple(decode_object(item, fields, f"{place}[{index}]").items()) for index, item in enumerate(items)
        )

    return decode_objects


def _users(raw: object, _field: Field, place: str) -> object:
    items = _list(raw, place, _OBJECTS)
    return tuple(_user(item, f"{place}[{index}]") for index, item in enumerate(items))


def _user(raw: object, place: str) -> User:
    values = decode_object(raw, USER_FIELDS, place)
    ips = values.get("ips", ())
    permissions = values.get("permissions", ())
    assert isinstance(ips, tuple)
    assert isinstance(permissions, tuple)
    return User(str(values.get("user", "")), str(values.get("pass", "")), ips, permissions)


def _permissions(raw: object, _field: Field, place: str) -> object:
    items = _list(raw, place, _OBJECTS)
    return tuple(_permission(item, f"{place}[{index}]") for index, item in enumerate(items))


def _permission(raw: object, place: str) -> Permission:
    fields = (Field("action", Kind.TEXT, ""), Field("path", Kind.TEXT, ""))
    values = decode_object(raw, fields, place)
    action = str(values.get("action", ""))
    if "action" in values and action not in _ACTIONS:
        message = f"invalid auth action: '{action}'"
        raise ConfigError(message)
    return Permission(action, str(values.get("path", "")))


_DECODERS: Final[dict[Kind, Callable[[object, Field, str], object]]] = {
    Kind.TEXT: _text,
    Kind.FLAG: _flag,
    Kind.INT: _integer("int"),
    Kind.UINT: _integer("uint"),
    Kind.FLOAT: _float,
    Kind.DURATION: _duration,
    Kind.SIZE: _size,
    Kind.CREDENTIAL: _credential,
    Kind.TEXTS: _texts,
    Kind.UINTS: _uints,
    Kind.FLOATS: _floats,
    Kind.NETWORKS: _networks,
    Kind.USERS: _users,
    Kind.PERMISSIONS: _permissions,
    Kind.ICE_SERVERS: _objects(ICE_SERVER_FIELDS),
    Kind.FORWARD: _objects(FORWARD_FIELDS),
    Kind.TRACKS: _objects(TRACK_FIELDS),
    **dict.fromkeys(_CHOICES, _choice),
    **dict.fromkeys(_ITEM_CHOICES, _choices),
}


def encode(value: object, kind: Kind) -> object:
    """Write a value as the Control API shows it; passwords of users are hidden there."""
    if kind is Kind.DURATION and isinstance(value, int):
        return format_duration(value)
    if kind is Kind.SIZE and isinstance(value, int):
        return format_size(value)
    if kind is Kind.USERS and isinstance(value, tuple):
        return [_encode_user(user) for user in value]
    if kind in (Kind.ICE_SERVERS, Kind.FORWARD, Kind.TRACKS) and isinstance(value, tuple):
        return [dict(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return list(value) if isinstance(value, tuple) else value


def _encode_user(user: User) -> dict[str, object]:
    return {
        "user": user.user,
        "pass": "<redacted>" if user.password else "",
        "ips": list(user.ips),
        "permissions": [{"action": item.action, "path": item.path} for item in user.permissions],
    }
