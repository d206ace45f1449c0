"""Types of values in an inventory's files: ids, days, addresses, secrets.

Different spellings of an address are one value: `2001:DB8:0::1` is `2001:db8::1`. Two forms are refused: an IPv4
address in IPv6's form, which would be a second value, and a zone, which is valid on one machine only.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from provisioner.base.secret import Secret
from provisioner.base.text import DEVICE_NAMES, AnyAddress, AnyNetwork, HostName, HostPlace, is_host_name, msg

_SHORTEST_KEY = 4 + 11 + 4 + 32
_MOST_REMEMBERED = 4096

#: Ids and path segments. MediaMTX allows more, but a frozen id has to work in URLs and file names.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]


def _file_name(text: str) -> str:
    if text in DEVICE_NAMES:
        raise ValueError(msg("Windows cannot check out a file or folder named {text}", text))
    return text


FileSlug = Annotated[Slug, AfterValidator(_file_name)]  #: An id that becomes the name of a file or folder.

#: A WireGuard public key: 32 bytes in base64.
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]

#: A name for an Ansible variable. Other characters could form a template that runs code on the controller.
SafeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:-]*$", max_length=128)]


#: A name in an SSH certificate, in lower case, as ssh searches known_hosts.
Principal = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$", max_length=253)]


def _host_key(text: str) -> str:
    """Check that an SSH key's blob has its type (RFC 4253, 6.6)."""
    kind, _, encoded = text.partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        blob = b""
    named = kind.encode()
    if blob[:4] != len(named).to_bytes(4, "big") or blob[4 : 4 + len(named)] != named or len(blob) < _SHORTEST_KEY:
        raise ValueError("an SSH host key is written as in ssh_host_*_key.pub, without the comment")
    return text


#: Form of an SSH public key, as a regular expression.
HOST_KEY_FORM = (
    r"(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+=*"
)

#: An SSH public key of a host or CA. Types `sk-…` are in hardware tokens.
HostKey = Annotated[str, StringConstraints(pattern=f"^{HOST_KEY_FORM}$", max_length=4096), AfterValidator(_host_key)]

#: Form of a line that has more than white space, as a regular expression.
LINE_FORM = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"

#: A name or a reference that people read: one line.
Text = Annotated[str, StringConstraints(pattern=LINE_FORM, max_length=300)]

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


_WRITTEN_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAYS: dict[str, date] = {}


def _day(value: object) -> date:
    """Parse a day only; pydantic reads `20210510` as seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and (cached := _DAYS.get(value)):
        return cached
    if isinstance(value, str) and _WRITTEN_DAY.fullmatch(value):
        day = date.fromisoformat(value)
        if len(_DAYS) < _MOST_REMEMBERED:
            _DAYS[value] = day
        return day
    raise ValueError("a day is written YYYY-MM-DD")


Day = Annotated[
    date,
    PlainValidator(_day, json_schema_input_type=date),
    PlainSerializer(date.isoformat, return_type=str, when_used="json"),
    Field(json_schema_extra={"format": "date"}),
]


def _remembering() -> Callable[[object, ValidatorFunctionWrapHandler], object]:
    """Return a caching validator: sites are alike, and parsing is slow."""
    # Invalid texts are not cached, so that each has its own error.
    cached: dict[str, object] = {}

    def validate_once(value: object, validate: ValidatorFunctionWrapHandler) -> object:
        if not isinstance(value, str):
            return validate(value)
        if (checked := cached.get(value)) is None:
            checked = validate(value)
            if len(cached) < _MOST_REMEMBERED:
                cached[value] = checked
        return checked

    return validate_once


LanAddress = Annotated[IPv4Address, WrapValidator(_remembering())]  #: An address in a site's LAN; few different ones.
LanNetwork = Annotated[IPv4Network, WrapValidator(_remembering())]  #: A site's LAN; few different ones.


_NUMBER = "(0|[1-9][0-9]{0,2})"
_ADDRESS = re.compile(r"\.".join([_NUMBER] * 4))
_BYTE = 255


def _quick_address(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Parse a usual address quickly; leave others to the validator."""
    if isinstance(value, str) and (parts := _ADDRESS.fullmatch(value)):
        numbers = [int(part) for part in parts.groups()]
        if max(numbers) <= _BYTE:
            return IPv4Address(int.from_bytes(numbers, "big"))
    return validate(value)


#: A tunnel address; the lock has ten thousand different ones.
TunnelAddress = Annotated[IPv4Address, WrapValidator(_quick_address)]


def _strictly_whole(value: object) -> object:
    """Distinguish 1 from `true` and 1.0, which are equal in Python."""
    return value if type(value) is int else repr(value)


#: Version of a file's form; another version will be another model.
Version = Annotated[Literal[1], BeforeValidator(_strictly_whole)]


def _as_secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value:
        return Secret(value)
    raise ValueError("a secret is a text that is not empty")


SecretText = Annotated[Secret, PlainValidator(_as_secret)]  #: A text in a file, a masked value in memory.


class Model(BaseModel):
    """Base of inventory objects: frozen, and strict about keys and types.

    Models are built, and fields' notes read, only when needed: both would take a quarter of each start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Use:
    """Uses of a field, beside its type."""

    signed: bool | None = None  #: Whether parties sign it in a plan; required for each field of a signed model.
    once_signed: bool = False  #: Whether sign-offs of earlier versions cover it; never again removed from a field.
    private: bool = False  #: Whether reports omit its value, although it is no free text.
    option: str | None = None  #: Help of the command option that sets it, if any.
    status: bool = False  #: Whether `status` and `export progress` show it; for facilities, cameras and recorders.


SIGNED: Final = Use(signed=True)
UNSIGNED: Final = Use(signed=False)
MEASURED: Final = Use(signed=False, once_signed=True)  #: A rate or limit to compare. Earlier versions signed it.


def use_of(field: FieldInfo) -> Use:
    """Return the uses of a field."""
    return next((item for item in field.metadata if isinstance(item, Use)), Use())


def inner_model(field: FieldInfo) -> type[Model] | None:
    """Return the model of a field with one object; otherwise `None`."""
    kind = field.annotation
    parts = get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
    return next((part for part in parts if isinstance(part, type) and issubclass(part, Model)), None)


# --- addresses of either family, and host names ------------------------------------------------------
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def _as_address(value: object) -> AnyAddress:
    if isinstance(value, IPv4Address | IPv6Address):
        return _checked_address(value)
    if not isinstance(value, str):
        raise PydanticCustomError("address", "not an address")
    try:
        address = ip_address(value)
    except ValueError:
        raise PydanticCustomError("address", "not an address") from None
    return _checked_address(address, value)


def _checked_address(address: AnyAddress, written: str = "") -> AnyAddress:
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        raise ValueError("an address with a zone (%) means something on one machine alone: write it without")
    if address.ipv4_mapped is not None:
        raise ValueError(msg("this is an IPv4 address in IPv6's form: write {ipv4_mapped}", address.ipv4_mapped))
    if "." in written:
        raise ValueError(msg("an IPv6 address has no dots here: write {address}", address))
    return address


def _as_network(value: object) -> AnyNetwork:
    written = value if isinstance(value, str) else ""
    if written and "%" not in written:
        try:
            value = ip_network(written)
        except ValueError as error:
            if "host bits" in str(error):
                raise
    if not isinstance(value, IPv4Network | IPv6Network):
        raise PydanticCustomError("address", "not a network")
    if isinstance(value, IPv6Network) and value.subnet_of(_MAPPED):
        inside = IPv4Network((int(value.network_address) & 0xFFFFFFFF, value.prefixlen - _MAPPED.prefixlen))
        raise ValueError(msg("this is an IPv4 network in IPv6's form: write {inside}", inside))
    if isinstance(value, IPv6Network) and "." in written:
        raise ValueError(msg("an IPv6 network has no dots here: write {value}", value))
    return value


def _as_host_place(value: object) -> HostPlace:
    if isinstance(value, HostName):
        return value
    if isinstance(value, str) and is_host_name(value.lower()):
        return HostName(value.lower())
    return _as_address(value)


_AS_TEXT: Final = PlainSerializer(str, return_type=str, when_used="json")
_ADDRESS_SCHEMAS: Final = [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]
_NETWORK_SCHEMAS: Final = [{"type": "string", "format": "ipv4network"}, {"type": "string", "format": "ipv6network"}]
_NAME_SCHEMA: Final = {"type": "string", "format": "hostname"}

#: An address of either family.
IpAddress = Annotated[AnyAddress, PlainValidator(_as_address), _AS_TEXT, WithJsonSchema({"anyOf": [*_ADDRESS_SCHEMAS]})]

#: A network of either family.
IpNetwork = Annotated[AnyNetwork, PlainValidator(_as_network), _AS_TEXT, WithJsonSchema({"anyOf": [*_NETWORK_SCHEMAS]})]

#: A host's address of either family, or its name.
HostAddress = Annotated[
    HostPlace, PlainValidator(_as_host_place), _AS_TEXT, WithJsonSchema({"anyOf": [*_ADDRESS_SCHEMAS, _NAME_SCHEMA]})
]
