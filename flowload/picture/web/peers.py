"""Several ranks of a training on one page: each serves its numbers on a Unix socket, the first one gathers.

Nothing is opened beyond this machine: the sockets lie in a folder that only this user can enter. Ranks on
other machines are not shown, and the page says so.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from time import monotonic
from typing import Any

from flowload.picture.record.tape import Kept, Tape
from flowload.picture.scene.rails import Rails
from flowload.picture.scene.rails_json import rails_from

from .board import Board, Boards, Shown
from .server import WATCHED, Handler

__all__ = ["Neighbours", "Peer"]

PATIENCE = 0.5  #: seconds that another rank may take to answer
LONGEST = 100  #: letters of a socket's path: 107 is what the system takes
JOB = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID")

if hasattr(socket, "AF_UNIX"):
    from socketserver import UnixStreamServer

    class UnixServer(ThreadingMixIn, UnixStreamServer):
        """Answers the first rank; who can open the socket may ask."""

        daemon_threads = True

        def __init__(self, boards: Boards, path: str) -> None:
            self.boards = boards
            self.host = path
            self.asked_at = float("-inf")
            super().__init__(path, Handler)

        @property
        def watched(self) -> bool:
            """The first rank has asked lately."""
            return monotonic() - self.asked_at < WATCHED

        def means_me(self, header: str) -> bool:  # noqa: ARG002 - there are no names on a socket
            """Always True."""
            return True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A page that went while it was answered is no error of anybody's."""


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self.path)
        except OSError:
            self.sock.close()
            raise


def fetch(path: str, what: str, timeout: float = PATIENCE) -> tuple[int, bytes, str]:
    """Status, content and kind of an answer. Raises OSError and http.client.HTTPException."""
    connection = Connection(path, timeout)
    try:
        connection.request("GET", what)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("Content-Type", "")
    finally:
        connection.close()


class Peer:
    """A run of another rank, as far as it answers.

    Args:
        path: its socket.
        key: of the run, there.
        rank: whose.
    """

    def __init__(self, path: str, key: str, rank: int) -> None:
        self.path = path
        self.key = key
        self.rank = rank
        self.title = f"rank {rank}"
        self.rails: Rails | None = None
        self.ended = False
        self.tape: Tape[bytes] = Tape()
        self.theirs = 0  #: number of their last moment that is here
        self.answered = monotonic()

    @property
    def last(self) -> int:
        """Number of the last moment."""
        return self.tape.last

    def since(self, number: int) -> list[Kept[bytes]]:
        """See `Shown`."""
        return self.tape.since(number)

    def gone(self) -> float:
        """Seconds since it answered, where those are many."""
        silent = monotonic() - self.answered
        return silent if silent > WATCHED and not self.ended else 0.0

    def ask(self, what: str) -> tuple[bytes, str]:
        """See `Shown`."""
        try:
            status, content, kind = fetch(self.path, f"/{what}?board={self.key}", timeout=10.0)
        except (OSError, http.client.HTTPException) as error:
            raise LookupError(f"rank {self.rank} does not answer") from error
        if status != 200:
            raise LookupError(f"rank {self.rank} has none: the run is over, or an extra is missing")
        return content, kind

    def look(self) -> None:
        """Fetch what is new; whoever does not answer is asked again later."""
        if self.ended:
            return
        with suppress(OSError, http.client.HTTPException, ValueError, KeyError, IndexError):
            if self.rails is None:
                _, content, _ = fetch(self.path, f"/graph?board={self.key}")
                self.rails = rails_from(json.loads(content)["runs"][0]["rails"])
            _, content, _ = fetch(self.path, f"/state?board={self.key}&since={self.theirs}")
            found = json.loads(content)["runs"][0]
            for moment in found["moments"]:
                self.tape.add(json.dumps(moment, separators=(",", ":"), ensure_ascii=False).encode())
            self.theirs = int(found["last"])
            self.ended = bool(found["ended"])
            self.answered = monotonic()


class Neighbours:
    """The ranks on this machine.

    Args:
        rank: this one's number among all.
        folder: where the ranks of this job put their sockets.
        first: this one gathers.
        elsewhere: ranks on other machines.
    """

    def __init__(self, rank: int, folder: Path, *, first: bool, elsewhere: int) -> None:
        self.rank = rank
        self.folder = folder
        self.first = first
        self.elsewhere = elsewhere
        self.shown: list[Board] = []  #: of this rank, in the order in which runs were opened
        self.server: UnixServer | None = None
        self.peers: dict[tuple[str, int], Peer] = {}
        if not first:
            path = str(folder / f"{rank}.sock")
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - of a rank that died under this number
            self.server = UnixServer(Boards(), path)
            threading.Thread(
                target=self.server.serve_forever, args=(0.1,), name="flowload-watch-rank", daemon=True
            ).start()

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> Neighbours | None:
        """By what torchrun and the like say; None: no rank of several, or no such sockets here."""
        words = [environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")]
        if not all(word.isdecimal() for word in words[:2]) or not hasattr(socket, "AF_UNIX"):
            return None
        rank, world = int(words[0]), int(words[1])
        local = int(words[2]) if words[2].isdecimal() else rank
        here = int(words[3]) if words[3].isdecimal() else world
        if world < 2:
            return None
        folder = private_folder(environ)
        if folder is None:
            return None
        return cls(rank, folder, first=local == 0, elsewhere=world - here)

    @property
    def watched(self) -> bool:
        """The first rank has the page open."""
        return self.server is not None and self.server.watched

    def join(self, own: Shown, board: Board) -> None:
        """One more run of this rank."""
        board.labels = [f"rank {self.rank}"]
        if self.elsewhere:
            board.notes.append(f"{self.elsewhere} more ranks are on other machines.")
        self.shown.append(board)
        if self.server is not None:
            self.server.boards.add(Board(board.title, [own]))

    def look(self) -> None:
        """Find other ranks, and fetch what they have seen; the first one alone."""
        if not self.first:
            return
        for path in sorted(self.folder.glob("*.sock")):
            if path.stem.isdecimal():
                for number, board in enumerate(self.shown):
                    self.look_at(path, number, board)

    def look_at(self, path: Path, number: int, board: Board) -> None:
        """One run of another rank."""
        peer = self.peers.get((path.stem, number))
        if peer is None:
            peer = Peer(str(path), str(number + 1), int(path.stem))
        peer.look()
        if peer.rails is not None and (path.stem, number) not in self.peers:
            self.peers[path.stem, number] = peer
            peers = [(other.rank, other) for (_, k), other in sorted(self.peers.items()) if k == number]
            ordered = sorted([(self.rank, board.runs[0]), *peers], key=lambda each: each[0])
            board.runs[1:] = [run for rank, run in ordered if rank != self.rank]
            board.labels = [
                f"rank {self.rank}",
                *(f"rank {rank}" for rank, _ in ordered if rank != self.rank),
            ]

    def close(self) -> None:
        """Leave nothing behind."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            with suppress(FileNotFoundError):
                os.unlink(self.server.host)  # noqa: PTH108 - a socket
        for folder in (self.folder, self.folder.parent):
            with suppress(OSError):  # others are there
                folder.rmdir()


def private_folder(environ: Mapping[str, str]) -> Path | None:
    """Where the ranks of one job of this user meet; None: somebody else has that name."""
    job = hashlib.sha256("\n".join(environ.get(name, "") for name in JOB).encode()).hexdigest()[:12]
    base = Path(tempfile.gettempdir(), f"flowload-{os.getuid()}")
    if len(str(base / job)) > LONGEST - 12:
        base = Path("/tmp", f"flowload-{os.getuid()}")
    for folder in (base, base / job):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return None
    return base / job
