from __future__ import annotations

import socket

import pytest

from flowload.adapters.hosts import is_asked


@pytest.mark.parametrize(
    "header",
    ["127.0.0.1", "127.0.0.1:8000", "localhost:80", "LOCALHOST", "localhost.:80", "[::1]:80", "[::1]"],
)
def test_loopback_has_its_names(header: str) -> None:
    assert is_asked(header, "127.0.0.1")
    assert is_asked(header, "0.0.0.0")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example:80",
        "localhost.evil.example",
        "[evil]",
        "10.0.0.1",
    ],
)
def test_loopback_has_no_other(header: str) -> None:
    assert not is_asked(header, "127.0.0.1")
    assert not is_asked(header, "localhost")


def test_elsewhere_it_is_the_machine_and_any_number() -> None:
    for header in ("10.0.0.1:9000", "[fe80::1]:9000", f"{socket.gethostname()}:9000"):
        assert is_asked(header, "0.0.0.0")
    assert not is_asked("evil.example:9000", "0.0.0.0")
    assert is_asked("metrics.cluster:9000", "0.0.0.0", ["Metrics.cluster"])
    assert is_asked("node.example", "node.example")
