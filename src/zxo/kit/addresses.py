"""Where a request comes from, as far as it can be believed."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

IPV6_PREFIX = 64  # what one household or phone gets; a longer one can be changed at will
UNKNOWN = "unknown"  # a Unix socket, or a peer that is no address


def client_address(peer: str | None, forwarded: Sequence[str], proxies: int) -> str:
    """The client as a key for limits: an IPv4 address, the /64 of an IPv6 one, or `unknown`.

    `forwarded`: the X-Forwarded-For headers in their order. Each of our `proxies` has added the
    address that it saw on the right; whatever stands further left, anybody may have written.
    """
    if proxies == 0 or not forwarded:
        return _key(peer or "")
    seen = [part.strip() for header in forwarded for part in header.split(",")]
    believed = _key(seen[-proxies] if len(seen) >= proxies else seen[0])
    return believed if believed != UNKNOWN else _key(peer or "")


@lru_cache(maxsize=10_000)
def _key(text: str) -> str:
    try:
        address = ip_address(_without_port(text))
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        mapped: IPv4Address | None = address.ipv4_mapped
        if mapped is None:
            return str(IPv6Network((int(address) >> 64 << 64, IPV6_PREFIX)))
        address = mapped
    return str(address)


def _without_port(text: str) -> str:
    """Some proxies write `1.2.3.4:5678` or `[::1]:5678`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
