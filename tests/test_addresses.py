"""Network zones of addresses, and host lists."""

from ipaddress import ip_address

import pytest

from ferryman.addresses import HostList, Zone, is_loopback, zone_of_host


@pytest.mark.parametrize(
    ("host", "zone"),
    [
        ("127.0.0.1", Zone.LOOPBACK), ("127.1", Zone.LOOPBACK), ("0x7f000001", Zone.LOOPBACK),
        ("2130706433", Zone.LOOPBACK), ("localhost", Zone.LOOPBACK), ("x.localhost", Zone.LOOPBACK),
        ("LOCALHOST.", Zone.LOOPBACK), ("::1", Zone.LOOPBACK), ("[::1]", Zone.LOOPBACK), ("0.0.0.0", Zone.LOOPBACK),
        ("::", Zone.LOOPBACK), ("::ffff:127.0.0.1", Zone.LOOPBACK), ("64:ff9b::7f00:1", Zone.LOOPBACK),
        ("2002:7f00:1::", Zone.LOOPBACK),
        ("10.0.0.1", Zone.PRIVATE), ("172.31.255.255", Zone.PRIVATE), ("192.168.1.1", Zone.PRIVATE),
        ("100.64.0.1", Zone.PRIVATE), ("192.0.2.2", Zone.PRIVATE), ("fd00::2", Zone.PRIVATE),
        ("::ffff:10.0.0.1", Zone.PRIVATE), ("64:ff9b::a00:1", Zone.PRIVATE),
        ("169.254.169.254", Zone.LINK_LOCAL), ("fe80::1", Zone.LINK_LOCAL), ("fe80::1%eth0", Zone.LINK_LOCAL),
        ("fd00:ec2::254", Zone.LINK_LOCAL), ("100.100.100.200", Zone.LINK_LOCAL), ("168.63.129.16", Zone.LINK_LOCAL),
        ("8.8.8.8", Zone.PUBLIC), ("2606:4700::1111", Zone.PUBLIC), ("172.32.0.1", Zone.PUBLIC),
        ("example.com", None), ("127.0.0.1.example.com", None), ("localhost.example.com", None), ("", None),
        ("registry", None),
    ],
)  # fmt: skip
def test_zones(host: str, zone: Zone | None) -> None:
    assert zone_of_host(host) is zone
    assert is_loopback(host) is (zone is Zone.LOOPBACK)


def test_which_zone_may_redirect_to_which() -> None:
    allowed = {(one, other) for one in Zone for other in Zone if one.may_lead_to(other)}
    assert allowed == {
        (Zone.PUBLIC, Zone.PUBLIC),
        (Zone.PRIVATE, Zone.PUBLIC), (Zone.PRIVATE, Zone.PRIVATE),
        (Zone.LOOPBACK, Zone.PUBLIC), (Zone.LOOPBACK, Zone.PRIVATE), (Zone.LOOPBACK, Zone.LOOPBACK),
        (Zone.LINK_LOCAL, Zone.PUBLIC), (Zone.LINK_LOCAL, Zone.PRIVATE),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("corp", ["corp:80", "a.corp:443", "a.b.corp:80", "CORP.:80"], ["xcorp:80", "corp.com:80"]),
        (".corp", ["a.corp:80", "corp:80"], ["xcorp:80"]),  # curl's reading; Go's leaves corp itself out
        ("*.corp", ["a.corp:80", "a.b.corp:80"], ["corp:80", "xcorp:80"]),
        ("corp:8080", ["corp:8080", "a.corp:8080"], ["corp:80"]),
        ("*", ["corp:1", "10.0.0.1:80", "[::1]:80"], []),
        ("10.0.0.0/8", ["10.1.2.3:80", "[::ffff:10.1.2.3]:80"], ["11.0.0.1:80", "10.corp:80", "[a::1]:80"]),
        ("192.0.0.0/8", ["192.0.2.2:5000"], ["193.0.2.2:5000"]),
        ("10.0.0.1", ["10.0.0.1:80", "10.1:99"], ["10.0.0.10:80"]),
        ("10.0.0.1:5000", ["10.0.0.1:5000"], ["10.0.0.1:5001"]),
        ("fd00::2", ["[fd00::2]:443", "[FD00:0::2]:443"], ["[fd00::3]:443"]),
        ("[fd00::2]", ["[fd00::2]:443"], ["[fd00::3]:443"]),
        ("[fd00::2]:5000", ["[fd00::2]:5000"], ["[fd00::2]:443"]),
        ("fd00::/8", ["[fdff::2]:443"], ["[fc00::2]:443", "10.0.0.1:443"]),
    ],
)
def test_lists_of_hosts(pattern: str, yes: list[str], no: list[str]) -> None:
    hosts = HostList.parse([pattern])

    def listed(place: str) -> bool:
        host, _, port = place.rpartition(":")
        return hosts.matches(host, int(port))

    assert [place for place in [*yes, *no] if listed(place)] == yes


def test_an_address_is_listed_whatever_its_name() -> None:
    hosts = HostList.parse(["10.0.0.0/8"])
    assert hosts.matches("storage.corp", 443, ip_address("10.0.0.9"))
    assert hosts.matches("storage.corp", 443, ip_address("::ffff:10.0.0.9"))
    assert not hosts.matches("storage.corp", 443, ip_address("8.8.8.8"))
    assert not hosts.matches("storage.corp", 443)


@pytest.mark.parametrize("text", ["", "a b", "http://x", "10.0.0.0/99", "x:port", "x:70000", "*.*", "a/b"])
def test_invalid_host_patterns(text: str) -> None:
    with pytest.raises(ValueError, match="names no hosts"):
        HostList.parse([text])
    assert HostList.parse([text, "corp"], strict=False) == HostList.parse(["corp"])
