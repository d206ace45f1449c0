"""Our requests and the device of our tests against ONVIF's published services, as onvif-zeep-async carries them."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import zeep
from defusedxml.ElementTree import fromstring
from zeep.transports import Transport

from provisioner_host.onvif import messages

from .onvif_device import Login, OnvifDevice, enveloped

DEVICE, MEDIA = "device", "media"
_FILES = {DEVICE: "devicemgmt.wsdl", MEDIA: "media.wsdl"}
_BINDINGS = {DEVICE: "DeviceBinding", MEDIA: "MediaBinding"}
SERVICES = [
    (DEVICE, "GetSystemDateAndTime", {}, messages.TIME),
    (DEVICE, "GetDeviceInformation", {}, messages.INFORMATION),
    (DEVICE, "GetCapabilities", {"Category": "Media"}, messages.CAPABILITIES),
    (MEDIA, "GetProfiles", {}, messages.PROFILES),
]


class _NoNetwork(Transport):
    """Everything is in the package's own files."""

    def _load_remote_data(self, url: str) -> NoReturn:
        raise AssertionError(f"{url} is asked for")


@cache
def published(service: str) -> tuple[Any, str]:
    """A service of ONVIF by its published description, and the name of its binding."""
    package = find_spec("onvif")
    assert package
    assert package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "wsdl" / _FILES[service]
    client = zeep.Client(str(file), transport=_NoNetwork())  # type: ignore[no-untyped-call]  # it has no types
    return client, f"{{http://www.onvif.org/ver10/{service}/wsdl}}{_BINDINGS[service]}"


def parts(element: Any) -> list[tuple[str, str]]:
    return [(one.tag, (one.text or "").strip()) for one in element.iter()]


@pytest.mark.parametrize(("service", "name", "values", "ours"), SERVICES, ids=lambda value: str(value)[:24])
def test_a_request_of_ours_is_the_published_one(service: str, name: str, values: dict[str, str], ours: str) -> None:
    client, binding = published(service)
    message = client.create_message(client.create_service(binding, "http://192.0.2.1/"), name, **values)
    assert parts(message.find("{*}Body")[0]) == parts(fromstring(ours))
    sent = fromstring(messages.envelope(ours, messages.username_token("a", "b", 1.0, b"x" * 16)))
    assert [one.tag.rpartition("}")[2] for one in sent] == ["Header", "Body"]


@pytest.mark.parametrize(("service", "name"), [(service, name) for service, name, _, _ in SERVICES])
def test_an_answer_of_the_double_is_a_published_one_and_is_read_alike(service: str, name: str) -> None:
    client, binding = published(service)
    body = enveloped(OnvifDevice(login=Login.NONE).answer(f"<{name}/>", "")[1]).encode()
    headers = {"Content-Type": "application/soap+xml"}
    reply = SimpleNamespace(status_code=200, content=body, headers=headers, encoding="utf-8")
    known = client.wsdl.bindings[binding]
    read = known.process_reply(client, known.get(name), reply)
    match name:
        case "GetDeviceInformation":
            plate = messages.nameplate_in(body)
            assert (plate.model, plate.serial) == (read["Model"], read["SerialNumber"])
        case "GetSystemDateAndTime":
            assert messages.time_in(body).utc is not None
            assert read["UTCDateTime"]["Date"]["Year"] >= 2021
        case "GetCapabilities":
            assert read["Media"]["XAddr"].endswith(messages.media_path_in(body))
        case _:
            size = [one["VideoEncoderConfiguration"]["Resolution"] for one in read]
            listed = messages.profiles_in(body)
            assert [(one["token"], one["Name"]) for one in read] == [(one.token, one.name) for one in listed]
            assert [(one["Width"], one["Height"]) for one in size] == [(one.width, one.height) for one in listed]
