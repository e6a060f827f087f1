"""Under which names a server on this machine may be asked.

A page of any site can make a browser ask this machine, and read the answer if the site's own name was made to
lead here (DNS rebinding). Then the request says that name: so a server that is nobody else's answers to none.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address

__all__ = ["is_asked"]

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def is_asked(header: str, host: str, names: Iterable[str] = ()) -> bool:
    """Whether a request means this server.

    Args:
        header: its `Host`, such as "localhost:8000"; absent: empty.
        host: where the server listens. On loopback it has the names of loopback; elsewhere those of the
            machine, and any address in numbers, because no site has such a name.
        names: further ones.
    """
    asked = name_in(header)
    if asked in LOCAL or asked in {host.lower(), *(name.lower() for name in names)}:
        return True
    if host in LOCAL:
        return False
    return is_number(asked) or asked in {socket.gethostname().lower(), socket.getfqdn().lower()}


def name_in(header: str) -> str:
    """The name without its port, and without the brackets of an IPv6 address."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def is_number(name: str) -> bool:
    """Whether a name is an address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
