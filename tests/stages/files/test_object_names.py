"""What is said of an object names its URL, wherever it lies; and a failure at one can be made again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.errors import DataError
from flowload.runtime.capsules.block import digest_of
from flowload.sample import sample_path
from tests.files.objects.server import S3, s3_server

URL = "s3://games/run/bad.tar"


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A store with a tar whose third member is no gzip."""
    pytest.importorskip("obstore")
    path = min(sample_path("chess").glob("*.tar"))
    with (fl.discover(path) >> fl.read("lc0")).iterate() as chunks:
        begin = int(next(chunks).table[2]["offset"]) + 40
    data = bytearray(path.read_bytes())
    data[begin : begin + 60] = b"\xff" * 60
    with s3_server({"games": {"run/bad.tar": bytes(data)}}) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def graph_of(files: fl.Graph) -> fl.Graph:
    return files >> fl.read("lc0") >> fl.unpack() >> fl.batch(64)


def failure(graph: fl.Graph, folder: Path) -> tuple[str, Any, Path]:
    """What a run says, its capsule, and where that is."""
    with pytest.raises(DataError) as error, graph.iterate(capsules=folder) as batches:
        list(batches)
    (path,) = folder.iterdir()
    return str(error.value), json.loads(path.read_text()), path


def test_an_error_names_the_url_and_its_capsule_brings_the_object_again(
    damaged: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flowload")
    local = tmp_path / "bad.tar"
    local.write_bytes(damaged.buckets["games"]["run/bad.tar"])
    said, wanted, _ = failure(graph_of(fl.discover(local)), tmp_path / "local")
    graph = graph_of(fl.discover(URL, cache=tmp_path / "cache"))
    told, found, capsule = failure(graph, tmp_path / "stored")
    assert told == said.replace(str(local), URL)
    assert found["digest"] == wanted["digest"]
    assert f"unpack: {URL}: opened" in caplog.text
    assert "objects=1" not in told + caplog.text
    (cached,) = (tmp_path / "cache").rglob("bad.tar")
    cached.unlink()
    with pytest.raises(DataError) as again:
        fl.replay(capsule, graph)
    assert str(again.value) == told
    assert cached.exists()


def test_the_digest_of_a_record_is_had_of_an_object_that_made_room(damaged: S3, tmp_path: Path) -> None:
    graph = fl.discover(URL, cache=tmp_path) >> fl.read("lc0")
    with graph.iterate() as run:
        chunks = next(run)
    where = chunks.format.describe(chunks.sources[0].path, chunks.table[0])
    wanted = digest_of(chunks, where)
    assert wanted is not None
    (cached,) = tmp_path.rglob("bad.tar")
    cached.unlink()
    assert digest_of(chunks, where) == wanted
    cached.unlink()
    damaged.buckets["games"].clear()
    assert digest_of(chunks, where) is None, "of nothing there is none"
