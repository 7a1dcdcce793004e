"""Parsing where the page is, who asks for it, and what stands in front of it."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.web_address import ListenAddress, parse_base_path, parse_hosts, parse_networks, parse_page_url


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.255.0.9:1", "127.255.0.9", 1, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[0:0::1]:8080", "::1", 8080, True),
        ("LocalHost:0", "localhost", 0, True),
        (":8080", None, 8080, False),
        ("*:8080", None, 8080, False),
        ("0.0.0.0:8080", None, 8080, False),
        ("[::]:8080", None, 8080, False),
        ("10.0.0.7:65535", "10.0.0.7", 65535, False),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80, False),
        ("[::ffff:0.0.0.0]:80", "::ffff:0:0", 80, False),  # all addresses, in the words of IPv6
        ("ferryman:80", "ferryman", 80, False),
        ("evil.localhost:80", "evil.localhost", 80, False),  # any address, by /etc/hosts
    ],
)
def test_an_address_to_listen_on(text: str, host: str | None, port: int, *, loopback: bool) -> None:
    address = ListenAddress.parse(text)
    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)
    assert ListenAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", "8080", "127.0.0.1", "localhost", "::1:8080", "[::1]", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:-1",
     "a b:80", "127.1:80", "0:80", "0x7f.1:80", "1.2.3.4.5:80", "127.0.0.01:80", "[localhost]:80", "http://localhost:80",
     "x/y:80", "127.0.0.1:٨٠"],
)  # fmt: skip
def test_what_is_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected an address with a port, such as 127\.0\.0\.1:8080"):
        ListenAddress.parse(text)


@given(st.text("0123456789abcfx:.[]%*-/ ", max_size=20) | st.text(max_size=12))
def test_nothing_else_is_loopback(text: str) -> None:
    try:
        address = ListenAddress.parse(text)
    except ValueError as error:
        assert str(error).startswith("expected an address")  # noqa: PT017 (most texts are none, a few are)
    else:
        assert not address.is_loopback or str(address.host).startswith(("localhost", "127.", "::1"))


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_read_as_it_is_written(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    host = None if address.is_unspecified else str(address)
    assert ListenAddress.parse(f"[{address}]:{port}") == ListenAddress(host, port)


def test_host_names() -> None:
    assert parse_hosts(" Ferryman.Example.com., [2001:DB8::0:1],192.168.1.5,, my_host ") == (
        "ferryman.example.com",
        "2001:db8::1",
        "192.168.1.5",
        "my_host",
    )


@pytest.mark.parametrize(
    "text", [",", "*", "*.example.com", "https://a", "a:80", "a/b", "a..b", "é.example", "1.2.3", "a b"]
)
def test_what_is_no_host_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected host names and addresses without ports"):
        parse_hosts(text)


def test_networks() -> None:
    assert [str(network) for network in parse_networks("127.0.0.1, 10.0.0.0/8,fd00::/8")] == [
        "127.0.0.1/32", "10.0.0.0/8", "fd00::/8",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [",", "proxy", "10.0.0.0/33", "10.0.0.1:80"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match="expected addresses and networks, such as"):
        parse_networks(text)


def test_a_network_with_bits_of_an_address_is_not_trusted_as_a_whole() -> None:
    with pytest.raises(
        ValueError, match=r"expected 10\.0\.0\.0/8, or one address: 10\.1\.2\.3/8 is an address within it"
    ):
        parse_networks("10.1.2.3/8")


@pytest.mark.parametrize(
    ("text", "path"),
    [("/", ""), ("/ferryman", "/ferryman"), ("/ferryman/", "/ferryman"), ("tools/ferryman", "/tools/ferryman")],
)
def test_a_base_path(text: str, path: str) -> None:
    assert parse_base_path(text) == path


@pytest.mark.parametrize(
    "text", ["//evil.example", "/a//b", "/a/../b", "..", "/./a", "/a?b", "/a b", "/%2e", '/"x', "/é"]
)
def test_what_is_no_base_path(text: str) -> None:
    with pytest.raises(ValueError, match="expected a path such as /ferryman"):
        parse_base_path(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Ferryman.Example.com/", "https://ferryman.example.com"),
        ("http://10.0.0.5:8080/ferryman/", "http://10.0.0.5:8080/ferryman"),
        ("https://[2001:db8::0:1]:443", "https://[2001:db8::1]:443"),
    ],
)
def test_the_url_of_the_page(text: str, url: str) -> None:
    assert parse_page_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["example.com", "ftp://example.com", "https://", "https://me:hunter2@example.com", "https://example.com/?hunter2",
     "https://example.com/#hunter2", "https://example.com:99999", "https://[hunter2", "https://example.com/a/../hunter2"],
)  # fmt: skip
def test_what_is_no_url_of_the_page_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="expected the URL of the page") as caught:
        parse_page_url(text)
    assert "hunter2" not in str(caught.value)
