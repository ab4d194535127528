"""Where a request comes from: what proxies of ours have said, and nothing that a client has."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.addresses import UNKNOWN, client_address

PEER = "10.0.0.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (0, [], PEER),
        (0, ["203.0.113.7"], PEER),  # nobody of ours wrote it
        (1, ["203.0.113.7"], "203.0.113.7"),
        (1, ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),  # the left one is the client's own claim
        (1, ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),  # headers that come twice are one list
        (2, ["6.6.6.6, 203.0.113.7, 10.0.0.1"], "203.0.113.7"),
        (2, ["203.0.113.7"], "203.0.113.7"),  # a proxy was passed by
        (1, [], PEER),
        (1, [""], PEER),
        (1, ["nonsense"], PEER),
        (1, ["203.0.113.7:4711"], "203.0.113.7"),
        (1, ["[2001:db8:1:2:3:4:5:6]:4711"], "2001:db8:1:2::/64"),
        (1, ["::ffff:203.0.113.7"], "203.0.113.7"),
    ],
)
def test_the_client_is_whom_the_outermost_proxy_of_ours_saw(
    proxies: int, forwarded: list[str], client: str
) -> None:
    assert client_address(PEER, forwarded, proxies) == client


@pytest.mark.parametrize("peer", [None, "", "unix:/run/zxo.sock", "x" * 1000, "1.2.3", "é"])
def test_what_is_no_address_is_one_client(peer: str | None) -> None:
    assert client_address(peer, [], 0) == UNKNOWN


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_whoever_has_a_network_of_64_bits_is_one_client(address: IPv6Address, other: int) -> None:
    neighbour = IPv6Address(int(address) >> 64 << 64 | other)
    mapped = address.ipv4_mapped or neighbour.ipv4_mapped
    same = client_address(str(address), [], 0) == client_address(str(neighbour), [], 0)
    assert same or mapped


@given(st.lists(st.text(max_size=50), max_size=5), st.integers(0, 10))
def test_nothing_that_anybody_writes_breaks_it(forwarded: list[str], proxies: int) -> None:
    assert client_address(PEER, forwarded, proxies)


@given(st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=4), st.integers(1, 3))
def test_whatever_a_client_adds_on_the_left_changes_nothing(
    claims: list[str], proxies: int
) -> None:
    ours = ["203.0.113.7", "10.0.0.1", "10.0.0.2"][:proxies]
    honest = client_address(PEER, [", ".join(ours)], proxies)
    assert client_address(PEER, [", ".join([*claims, *ours])], proxies) == honest == "203.0.113.7"
