"""The same run over servers of other people: S3 by moto, Azure by Azurite, and what GCS speaks.

Moto is in the extra `stores`; Azurite is a package of npm. Who has neither on the PATH skips them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import flowload as fl
from flowload.cli.commands.index import index
from flowload.errors import DataError, NoDataError
from flowload.formats.molecules import PackedMolecules
from flowload.sample import sample_path
from tests.files.objects.server import s3_server

FILES = sorted(sample_path("chess").glob("*.tar"))
#: Azurite's, known to everybody.
ACCOUNT = "devstoreaccount1"
SECRET = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def program(name: str) -> str:
    """Where a program is, beside Python or on the PATH; skips the test where it is not."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


@contextmanager
def served(*command: str, port: int) -> Iterator[None]:
    """A server that answers at a port, until the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
        assert process.poll() is None, "it did not begin"
        yield
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str, **headers: str) -> None:
    """A request that makes a bucket."""
    request = urllib.request.Request(url, method="PUT", headers={"Content-Length": "0", **headers})
    urllib.request.urlopen(request).close()


def put_files(url: str, folder: Path, pattern: str) -> None:
    obstore = import_module("obstore")
    store = import_module("obstore.store").from_url(url)
    for path in folder.glob(pattern):
        obstore.put(store, path.name, path.read_bytes())


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    port = free_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    with served(program("moto_server"), "-H", "127.0.0.1", "-p", str(port), port=port):
        asked(f"http://127.0.0.1:{port}/games")
        yield "s3://games"


@pytest.fixture
def azurite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    port, host = free_port(), "127.0.0.1"
    for name, value in {
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURITE_BLOB_STORAGE_URL": f"http://{host}:{port}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_ALLOW_HTTP": "true",
        "NO_PROXY": host,
    }.items():
        monkeypatch.setenv(name, value)
    where = ("--blobHost", host, "--blobPort", str(port), "--location", str(tmp_path / "azurite"))
    quiet = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
    with served(program("azurite-blob"), *where, *quiet, port=port):
        date, version = formatdate(usegmt=True), "2021-08-06"
        told = f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/games\nrestype:container"
        text = "PUT" + "\n" * 12 + told
        digest = hmac.new(base64.b64decode(SECRET), text.encode(), hashlib.sha256).digest()
        signed = {"Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"}
        url = f"http://{host}:{port}/{ACCOUNT}/games?restype=container"
        asked(url, **signed, **{"x-ms-date": date, "x-ms-version": version})
        yield "az://games"


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Our own server: what obstore asks GCS for is what it asks S3 for, without a signature."""
    pytest.importorskip("obstore")
    with s3_server({"games": {}}) as server:
        base = f"http://127.0.0.1:{server.port}"
        account = {"gcs_base_url": base, "disable_oauth": True}
        nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account | nobody))
        monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield "gs://games"


def digests(graph: fl.Graph, **options: Any) -> list[bytes]:
    with graph.iterate(seed=3, **options) as batches:
        return [b"".join(np.ascontiguousarray(b[key]).tobytes() for key in sorted(b)) for b in batches]


def chess(files: fl.Graph) -> fl.Graph:
    return files >> fl.read("lc0") >> fl.shuffle_pool(9) >> fl.unpack(rate=0.3) >> fl.batch(64)


def check_tars(url: str, tmp_path: Path) -> None:
    put_files(f"{url}/run", sample_path("chess"), "*.tar")
    wanted = digests(chess(fl.discover(sample_path("chess"))))
    for place, pattern in enumerate(
        (f"{url}/run/*.tar", f"{url}/run", [f"{url}/run/{f.name}" for f in FILES])
    ):
        assert digests(chess(fl.discover(pattern, cache=tmp_path / str(place)))) == wanted
    found = CliRunner().invoke(index, [f"{url}/run/*.tar"], standalone_mode=False)
    assert found.output == "2 objects indexed: 24 chunks in all\n"
    assert digests(chess(fl.discover(f"{url}/run/*.tar", cache=tmp_path / "indexed"))) == wanted
    watched = chess(fl.discover(f"{url}/run/*.tar", watch=True, rescan=0.1, cache=tmp_path / "watched"))
    with watched.iterate(seed=3, epochs=1) as batches:
        assert next(batches)["planes"].shape[0] == 64


def check_records(url: str, tmp_path: Path) -> None:
    put_files(f"{url}/set", sample_path("molecules"), "*")

    def molecules(where: Any, **how: Any) -> list[bytes]:
        records = PackedMolecules(where, num_atoms=26)
        return digests(fl.rows(records, **how) >> fl.shuffle() >> fl.batch(32))

    assert molecules(f"{url}/set", cache=tmp_path / "set") == molecules(sample_path("molecules"))
    folder = sample_path("neural")
    for path in folder.rglob("*"):
        if path.is_file():
            inner = path.parent.relative_to(folder).as_posix()
            put_files(f"{url}/neural/{inner}", path.parent, path.name)

    def windows(where: Any) -> list[bytes]:
        return digests(fl.windows(where, 128, count=6))

    assert windows(f"{url}/neural") == windows(folder)


def check_what_is_missing(url: str, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="no objects; found 0 others"):
        digests(chess(fl.discover(f"{url}/nowhere/*.tar", cache=tmp_path / "none")))
    with pytest.raises(DataError, match="no such bucket"):
        digests(chess(fl.discover(f"{url}none/*.tar", cache=tmp_path / "none")))


CHECKS: list[Callable[[str, Path], None]] = [check_tars, check_records, check_what_is_missing]


@pytest.mark.hammer
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("server", ["moto", "azurite", "gcs"])
def test_a_server_of_others(
    server: str, check: Callable[[str, Path], None], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    check(request.getfixturevalue(server), tmp_path)
