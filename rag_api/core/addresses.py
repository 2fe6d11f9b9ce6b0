"""Which addresses are of the public internet, and so may be asked on behalf of somebody else.

The registries of special-purpose addresses (RFC 6890 and its successors) are written out: what the standard library
calls global differs between versions of Python.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_CLOSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a carrier and its customers; one cloud's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # another cloud's agent, in the midst of public addresses
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TRANSLATED = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether a numeric address, scope aside, is one; an IPv6 address that leads to an IPv4 one is as good as that."""
    parsed = ip_address(address.partition("%")[0])
    return _is_public_v4(parsed) if isinstance(parsed, IPv4Address) else _is_public_v6(parsed)


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _CLOSED_V4)


def _is_public_v6(address: IPv6Address) -> bool:
    if address in _SIX_TO_FOUR:
        return _is_public_v4(IPv4Address(address.packed[2:6]))
    if address in _TRANSLATED:
        return _is_public_v4(IPv4Address(address.packed[12:]))
    if address.ipv4_mapped:
        return _is_public_v4(address.ipv4_mapped)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)
