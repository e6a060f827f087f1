"""A server on loopback that speaks as much of S3 as is asked of it, and fails when it is told to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

__all__ = ["S3", "s3_server"]


class S3:
    """What the server has, and what it was asked.

    Args:
        buckets: of each its objects, by key.
    """

    def __init__(self, buckets: Mapping[str, Mapping[str, bytes]]) -> None:
        self.buckets = {name: dict(objects) for name, objects in buckets.items()}
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str, str]] = []  #: method, path, and range, of each request
        #: Of the next requests for objects, whichever they are: "503", "reset", "cut", "403" or "ok". Threads
        #: that read ahead ask in any order: what only some objects shall meet belongs into `always`.
        self.troubles: list[str] = []
        self.always: dict[str, str] = {}  #: by the ending of an object's key: what all its requests meet
        self.list_troubles: list[str] = []  #: of the next listings
        self.put_troubles: list[str] = []  #: of the next objects that are written
        self.page = 1000  #: keys of a listing's answer
        self.gate: Callable[[str], None] = lambda key: None  #: called with the key of every object asked for
        self.port = 0

    def environment(self) -> dict[str, str]:
        """What libraries look at to find it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }

    def gets(self) -> list[str]:
        """Keys of the objects that were asked for, in order."""
        with self.lock:
            return [
                path.split("/", 2)[2]
                for method, path, _ in self.asked
                if method == "GET" and path.count("/") > 1
            ]

    def met(self, key: str) -> str:
        """What happens to a request for an object."""
        for ending, trouble in self.always.items():
            if key.endswith(ending):
                return trouble
        return self.trouble(self.troubles)

    def trouble(self, of: list[str]) -> str:
        """What happens to this request."""
        with self.lock:
            return of.pop(0) if of else "ok"


def tag_of(data: bytes) -> str:
    """An ETag as S3 gives it."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    s3: S3

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        """Keep an object."""
        path = unquote(urlsplit(self.path).path)
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with self.s3.lock:
            self.s3.asked.append((self.command, path, ""))
        _, bucket, key = path.split("/", 2)
        if self.s3.trouble(self.s3.put_troubles) == "403":
            self.error(403, "AccessDenied")
            return
        self.s3.buckets[bucket][key] = data
        self.send(200, b"", {"ETag": tag_of(data)})

    def answer(self) -> None:
        """Answer one request."""
        split = urlsplit(self.path)
        path, query = unquote(split.path), {key: each[0] for key, each in parse_qs(split.query).items()}
        with self.s3.lock:
            self.s3.asked.append((self.command, path, self.headers.get("Range", "")))
        _, bucket, *rest = path.split("/", 2)
        key = rest[0] if rest else ""
        listing = "list-type" in query or (self.command == "GET" and not key)
        if listing:
            trouble = self.s3.trouble(self.s3.list_troubles)
        else:
            trouble = self.s3.met(key) if self.command == "GET" else "ok"
            self.s3.gate(key)
        if trouble == "reset":
            self.close_connection = True
            self.connection.shutdown(2)
        elif trouble == "503":
            self.error(503, "SlowDown")
        elif trouble == "403":
            self.error(403, "AccessDenied")
        elif bucket not in self.s3.buckets:
            self.error(404, "NoSuchBucket")
        elif listing:
            self.list(self.s3.buckets[bucket], query)
        elif key not in self.s3.buckets[bucket]:
            self.error(404, "NoSuchKey")
        else:
            self.object(self.s3.buckets[bucket][key], cut=trouble == "cut")

    def error(self, status: int, code: str) -> None:
        """An error as S3 says it."""
        self.send(
            status,
            f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(),
        )

    def send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, cut: bool = False
    ) -> None:
        """An answer; `cut`: the half of it, then the connection ends."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def object(self, data: bytes, *, cut: bool) -> None:
        """An object, or the range of it that is wanted."""
        headers = {"ETag": tag_of(data), "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.send(200, data, headers, cut)
            return
        if wanted[1]:
            begin, end = int(wanted[1]), min(int(wanted[2] or len(data)) + 1, len(data))
        else:
            begin, end = max(0, len(data) - int(wanted[2])), len(data)
        if begin >= len(data):
            self.error(416, "InvalidRange")
            return
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
        self.send(206, data[begin:end], headers, cut)

    def list(self, objects: Mapping[str, bytes], query: Mapping[str, str]) -> None:
        """A page of a listing."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        begin = int(query.get("continuation-token", "0"))
        keys = sorted(key for key in objects if key.startswith(prefix))
        page = keys[begin : begin + self.s3.page]
        parts, folders = [], set()
        for key in page:
            inner, mark, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if mark:
                folders.add(f"{prefix}{inner}{mark}")
                continue
            parts.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>{escape(tag_of(objects[key]))}</ETag><Size>{len(objects[key])}</Size></Contents>"
            )
        parts += [
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
        ]
        more = begin + self.s3.page < len(keys)
        token = f"<NextContinuationToken>{begin + self.s3.page}</NextContinuationToken>" if more else ""
        text = "".join(parts)
        head = f"<?xml version='1.0'?><ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        self.send(200, f"{head}{text}</ListBucketResult>".encode())


class Server(ThreadingHTTPServer):
    """Threads that end with their connections."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is none of ours."""


@contextmanager
def s3_server(buckets: Mapping[str, Mapping[str, bytes]]) -> Iterator[S3]:
    """A server with these buckets, on a port of loopback."""
    s3 = S3(buckets)
    with Server(("127.0.0.1", 0), type("Bound", (Handler,), {"s3": s3})) as server:
        s3.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield s3
        finally:
            server.shutdown()
            thread.join()
