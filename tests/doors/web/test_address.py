"""Which URLs may be asked, and which addresses are public."""

import asyncio
import contextlib
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.doors.web.address import LONGEST, Address, Target, addresses, is_public, target
from pipeline.doors.web.download import PORTS
from pipeline.doors.web.trouble import NotTaken

PUBLIC = IPv4Address("93.184.215.14")
PRIVATE_4 = {
    "this network": "0.0.0.0/8", "private": "10.0.0.0/8", "shared (CGNAT)": "100.64.0.0/10", "loopback": "127.0.0.0/8",
    "link-local": "169.254.0.0/16", "private 12": "172.16.0.0/12", "protocols": "192.0.0.0/24",
    "documentation 1": "192.0.2.0/24", "6to4 relays": "192.88.99.0/24", "private 16": "192.168.0.0/16",
    "benchmarks": "198.18.0.0/15", "documentation 2": "198.51.100.0/24", "documentation 3": "203.0.113.0/24",
    "multicast": "224.0.0.0/4", "reserved and broadcast": "240.0.0.0/4",
}  # fmt: skip
PRIVATE_6 = {
    "unspecified": "::/128", "loopback": "::1/128", "local NAT64": "64:ff9b:1::/48", "discard": "100::/64",
    "protocols": "2001:100::/24", "documentation": "2001:db8::/32", "documentation 2": "3fff::/20", "segments": "5f00::/16",
    "unique local": "fc00::/7", "link-local": "fe80::/10", "site-local": "fec0::/10", "multicast": "ff00::/8",
}  # fmt: skip


def within(network: str) -> st.SearchStrategy[int]:
    found = IPv4Network(network) if "." in network else IPv6Network(network)
    return st.integers(int(found.network_address), int(found.broadcast_address))


def carriers(inner: int) -> dict[str, IPv6Address]:
    """IPv6 addresses that lead to an IPv4 address."""
    return {
        "mapped": IPv6Address((0xFFFF << 32) | inner),
        "compatible": IPv6Address(inner),
        "NAT64": IPv6Address((0x64FF9B << 96) | inner),
        "local NAT64": IPv6Address((0x64FF9B0001 << 80) | inner),
        "6to4": IPv6Address((0x2002 << 112) | (inner << 80) | 1),
        "Teredo client": IPv6Address((0x20010000 << 96) | (int(PUBLIC) << 64) | (inner ^ 0xFFFFFFFF)),
        "Teredo server": IPv6Address((0x20010000 << 96) | (inner << 64) | (int(PUBLIC) ^ 0xFFFFFFFF)),
    }


@pytest.mark.parametrize("network", PRIVATE_4.values(), ids=PRIVATE_4)
def test_no_private_address_is_public_in_whatever_it_is_carried(network: str) -> None:
    @settings(max_examples=50, deadline=None)
    @given(within(network))
    def check(number: int) -> None:
        assert not is_public(IPv4Address(number))
        assert [name for name, address in carriers(number).items() if is_public(address)] == []

    check()


@pytest.mark.parametrize("network", PRIVATE_6.values(), ids=PRIVATE_6)
def test_no_private_address_of_the_newer_kind_is_public(network: str) -> None:
    @settings(max_examples=50, deadline=None)
    @given(within(network))
    def check(number: int) -> None:
        assert not is_public(IPv6Address(number))

    check()


@pytest.mark.parametrize("address", ["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "255.255.255.255"])  # fmt: skip
def test_the_metadata_services_of_clouds_are_not_public(address: str) -> None:
    assert not is_public(IPv4Address(address))


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1111%eth0", "fd00:ec2::254"])
def test_an_address_of_one_link_is_not_public(address: str) -> None:
    assert not is_public(IPv6Address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "1.1.1.1", "223.255.255.254"])
def test_public_addresses_are_public(address: str) -> None:
    found = carriers(int(IPv4Address(address)))
    assert is_public(IPv4Address(address))
    assert is_public(found["mapped"])
    assert is_public(found["NAT64"]), "what DNS64 answers where there is only IPv6"
    assert is_public(IPv6Address("2606:4700::1111"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0x7f.1", "0177.0.0.1", "0177.0.0.0x1",
        "127.0.0.1.", "0X7F.0.0.1", "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.0.0.1",
    ],
)  # fmt: skip
def test_every_way_to_write_an_address_is_understood(host: str) -> None:
    assert target(f"http://{host}/", PORTS).host == "127.0.0.1"


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.lists(st.sampled_from(["d", "#o", "#x"]), min_size=4, max_size=4)
)
def test_an_address_in_parts_of_any_base_is_the_same_address(number: int, parts: int, bases: list[str]) -> None:
    values = [*number.to_bytes(4, "big")[: parts - 1], number & (256 ** (5 - parts) - 1)]
    written = ".".join(f"{value:{base}}".replace("0o", "0") for value, base in zip(values, bases[:parts], strict=True))
    assert target(f"http://{written}/", PORTS).host == str(IPv4Address(number))


@pytest.mark.parametrize(
    "url",
    [
        "http://256.0.0.1/", "http://1.2.3.4.5/", "http://08.0.0.1/", "http://4294967296/", "http://1..1/",
        "http://a.1/", f"http://{'1' * 5000}/", f"http://0x{'0' * 30}7f000001/", "http://[fe80::1%25eth0]/", "http://[::1",
        "http://[::1]evil.example/", "http://%31%32%37.0.0.1/", "http://good.example\\@127.0.0.1/", "http://a b/",
        "http://a..b/", "http://-.example:x/", "http:///a.png", "http:a.png", "//images.example/a.png", "a.png", "", "http://",
        f"http://{'a' * 64}.example/", f"http://{'a.' * 200}example/", "http://images.example:99999/", "http://ex%00ample/",
        "http://images.example/\r\nX: y", "http://images.exa\tmple/", "http://images.example/\x7f", "file:///etc/passwd",
        "ftp://images.example/a.png", "gopher://images.example/", "data:image/png;base64,AAAA", "javascript:alert(1)",
        "http://images.example:22/a.png", "https://images.example:8080/", "http://images.example:0/",
        "http://user:hunter2@images.example/", "http://user@images.example/", "http://:hunter2@images.example/",
        f"http://images.example/{'a' * LONGEST}",
    ],
)  # fmt: skip
def test_what_is_no_url_of_the_web_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(NotTaken) as caught:
        target(url, PORTS)
    assert caught.value.reason == "forbidden url"
    assert not caught.value.owed
    assert "hunter2" not in caught.value.detail
    assert len(caught.value.detail) < 300


def test_a_url_is_brought_into_its_one_form() -> None:
    found = target(" HTTPS://Bücher.Example.:443/a/../b c.jpg?x=é#part ", PORTS)
    assert str(found.url) == "https://xn--bcher-kva.example/b%20c.jpg?x=%C3%A9"
    assert (found.host, found.port) == ("xn--bcher-kva.example", 443)
    assert found.told == "xn--bcher-kva.example/b%20c.jpg"
    assert str(target("http://[::FFFF:127.0.0.1]:80/", PORTS).url) == "http://[::ffff:7f00:1]/"


@settings(max_examples=50, deadline=None)
@given(st.text() | st.text("htps:/[]@.%0127xaf:#?\\", max_size=30).map("http://".__add__))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    with contextlib.suppress(NotTaken):
        found = target(text, PORTS)
        assert str(found.url).isascii()
        assert found.url.scheme in ("http", "https")
        assert found.port in PORTS
        assert found.url.raw_host == found.host
        assert not found.url.user
        assert not found.url.password


def found(
    host: str, *answers: str, public: bool = False, error: OSError | None = None
) -> tuple[tuple[Address, ...], int]:
    """The checked addresses, and how often the resolver was asked."""
    times = 0

    async def resolver(name: str, port: int) -> list[Address]:
        nonlocal times
        times += 1
        assert (name, port) == (host.strip("[]"), 80)
        if error:
            raise error
        return [IPv6Address(a) if ":" in a else IPv4Address(a) for a in answers]

    asked: Target = target(f"http://{host}/", PORTS)
    return asyncio.run(addresses(asked, resolver, (lambda _: True) if public else is_public)), times


def test_a_host_has_the_addresses_that_the_resolver_gives_when_it_is_asked_once() -> None:
    assert found("images.example", "93.184.215.14", "2606:4700::1111") == (
        (IPv4Address("93.184.215.14"), IPv6Address("2606:4700::1111")),
        1,
    )
    assert found("8.8.8.8", "8.8.8.8")[0] == (IPv4Address("8.8.8.8"),)


@pytest.mark.parametrize(
    ("host", "answers"),
    [
        ("images.example", ["10.0.0.1"]),
        ("images.example", ["93.184.215.14", "10.0.0.1"]),
        ("images.example", ["2606:4700::1111", "::ffff:10.0.0.1"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("127.0.0.1", ["93.184.215.14"]),
        ("8.8.8.8", ["93.184.215.14"]),
        ("[fd00::1]", ["93.184.215.14"]),
    ],
)
def test_one_address_that_is_not_public_condemns_all(host: str, answers: list[str]) -> None:
    with pytest.raises(NotTaken) as caught:
        found(host, *answers)
    assert caught.value.reason == "forbidden address"


@pytest.mark.parametrize(
    ("error", "reason", "owed"),
    [
        (None, "unknown host", False),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "unknown host", False),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "unreachable", True),
        (OSError("no network"), "unreachable", True),
    ],
)
def test_a_host_without_an_address_is_not_had(error: OSError | None, reason: str, owed: bool) -> None:
    with pytest.raises(NotTaken) as caught:
        found("images.example", error=error)
    assert (caught.value.reason, caught.value.owed) == (reason, owed)
