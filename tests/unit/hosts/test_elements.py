"""Names of elements of the firewall's sets, as hosts give them."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.facts import ElementSet, SetElement, device_value, element_of
from tests.hostile import RELAY


@given(st.sampled_from(ElementSet), st.ip_addresses(v=4), st.integers(1, 65535))
def test_a_device_is_read_from_the_name_that_it_gives(of: ElementSet, address: IPv4Address, port: int) -> None:
    element = SetElement(of, device_value(address, port))
    assert element_of(element.name) == element
    assert element.device == (str(address), port)


@pytest.mark.parametrize("value", ["10.91.0.1", "10.0.0.0/8", "2001:db8::1"])
def test_what_is_no_device_is_an_element_all_the_same(value: str) -> None:
    element = element_of(f"element management {value}")
    assert element == SetElement(ElementSet.MANAGEMENT, value)
    assert element.device is None


@RELAY
@pytest.mark.parametrize(
    "name",
    [
        *("", "element", "element cameras", "element cameras ", "element foreign 10.0.0.1", "set cameras"),
        "xelement cameras 1",
    ],
)
def test_a_name_of_something_else_is_no_element(name: str) -> None:
    assert element_of(name) is None


@RELAY
@pytest.mark.parametrize("value", ["10.0.0.1 . 1\n", "10.0.0.1 . 1234567", "a . 1", "10.0.0.1 . -1", "10.0.0.1.1"])
def test_a_value_of_a_host_that_is_no_device_is_taken_for_none(value: str) -> None:
    element = element_of(f"element cameras {value}")
    assert element is None or element.device is None
