"""Laws of quoting: what goes in comes out on the other side of the format, or is refused."""

import shlex
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.base.secret import Secret
from provisioner.desired.render import quote as quoting
from provisioner.desired.spec import StreamSource

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
nested = st.recursive(
    texts | st.booleans() | st.integers(-(2**53), 2**53) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(value=nested)
def test_flow_is_one_line_and_yaml_reads_it_back(value: object) -> None:
    line = quoting.flow(value)
    assert len(line.splitlines()) == 1
    assert yaml.safe_load(line) == value


@given(password=texts.filter(bool), username=texts.filter(bool))
def test_a_source_gives_back_its_credentials_and_holds_no_substitution(username: str, password: str) -> None:
    source = StreamSource(
        IPv4Address("10.91.0.2"), 10554, "/cam/realmonitor?channel=1&subtype=1", username, Secret(password)
    )
    url = quoting.source_url(source)
    parts = urlsplit(url)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (username, password)
    assert (parts.hostname, parts.port, f"{parts.path}?{parts.query}") == ("10.91.0.2", 10554, source.rtsp_path)
    assert "$" not in url


@given(value=texts)
def test_a_word_for_the_shell_is_one_word(value: str) -> None:
    assert shlex.split(quoting.sh(value)) == [value]


@given(value=texts)
@example("0\n")
def test_words_for_formats_without_quotes_pass_unchanged_or_not_at_all(value: str) -> None:
    for quote in (quoting.wg, quoting.systemd):
        try:
            passed = quote(value)
        except ValueError:
            continue
        assert passed == value
        assert not set(value) & set(" \t\n\r\"'#;%$\\")


@pytest.mark.parametrize("value", ["a b", 'a"b', "a\nb", "a\n", "", "a" * 65, "é"])
def test_nft_refuses_a_name_that_it_could_not_hold(value: str) -> None:
    with pytest.raises(ValueError, match="is not a name that nft can hold"):
        quoting.nft_text(value)


@given(value=st.ip_addresses(v=4))
def test_an_address_is_written_as_it_always_is(value: IPv4Address) -> None:
    assert quoting.dotted(value) == quoting.nft(value) == str(value)


@given(address=st.ip_addresses(), port=st.integers(1, 65535))
def test_where_a_peer_is_is_what_wg_reads_and_prints(address: IPv4Address | IPv6Address, port: int) -> None:
    text = quoting.wg((address, port))
    place, _, digits = text.rpartition(":")
    assert (ip_address(place.strip("[]")), int(digits)) == (address, port)
    assert place.startswith("[") == (address.version == 6)


@pytest.mark.parametrize(
    "value", ["[2001:db8::1]", "[x]:1", "[2001:db8::1%eth0]:1", "[::1]:1 #", "[::1]:1\n", ("::1\n", 1), ("a b", 1)]
)
def test_what_a_file_of_wireguard_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        quoting.wg(value)
