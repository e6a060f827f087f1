"""A store on loopback with a bucket "games", and the environment in which libraries find it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.files.objects.server import S3, s3_server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    pytest.importorskip("obstore")
    with s3_server({"games": {}}) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server
