"""A slow, obvious twin of the replay: sets of squares, one move at a time, with nothing but plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Where a game is wrong: word, byte of the file, game, and ply (or side, for a score).
Wrong = tuple[str, int, int, int]

Sample = tuple[list[int], int]  #: 193 features, outcome


class BadGameError(Exception):
    """A file that breaks the rules."""

    def __init__(self, *wrong: object) -> None:
        super().__init__(wrong)
        self.wrong = wrong


@dataclass
class Board:
    """Squares by number; black moves first."""

    pieces: tuple[set[int], set[int]] = field(default_factory=lambda: ({0, 28, 35, 63}, {7, 27, 36, 56}))
    gone: set[int] = field(default_factory=set)
    scores: list[int] = field(default_factory=lambda: [0, 0])
    plies: int = 0

    @property
    def side(self) -> int:
        """Whose turn it is."""
        return self.plies % 2

    def moves(self) -> Iterator[tuple[int, int]]:
        """All moves of the side whose turn it is."""
        taken = self.pieces[0] | self.pieces[1] | self.gone
        for source in sorted(self.pieces[self.side]):
            for right, up in [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]:
                column, row = source % 8 + right, source // 8 + up
                while column in range(8) and row in range(8) and 8 * row + column not in taken:
                    yield source, 8 * row + column
                    column, row = column + right, row + up

    def play(self, source: int, target: int) -> str | None:
        """Make a move or pass; the word for what is wrong with it."""
        moves = set(self.moves())
        if (source, target) == (0, 0):
            if moves:
                return "illegal pass"
        elif (source, target) not in moves:
            return "illegal move"
        else:
            self.pieces[self.side].remove(source)
            self.pieces[self.side].add(target)
            self.gone.add(source)
            self.scores[self.side] += 1
        self.plies += 1
        return None

    def features(self) -> list[int]:
        """Black, white and destroyed squares, each from square 63 down; then the turn."""
        boards = [*self.pieces, self.gone]
        return [int(square in board) for board in boards for square in range(63, -1, -1)] + [self.side]


def games_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each game and the byte where it begins; raises BadGameError for one that is not whole."""
    at, number = 0, 0
    while at < len(data):
        size = 4 + 2 * data[at]
        if at + 1 < len(data) and data[at + 1] > data[at]:
            raise BadGameError("more random moves than moves", at, number)
        if at + size > len(data):
            raise BadGameError("truncated game", at, number)
        yield at, data[at : at + size]
        at += size
        number += 1


def replay(data: bytes) -> list[list[Sample]]:
    """The samples of each game that is not skipped; raises BadGameError."""
    found = []
    for number, (begin, game) in enumerate(list(games_of(data))):
        moves, drawn = game[0], game[1]
        board = Board()
        features = [board.features()]
        for ply in range(moves):
            what = board.play(game[2 + 2 * ply], game[3 + 2 * ply])
            if what:
                raise BadGameError(what, begin + 2 + 2 * ply, number, ply)
            features.append(board.features())
        for side in range(2):
            if board.scores[side] != game[2 + 2 * moves + side]:
                raise BadGameError("wrong score", begin + 2 + 2 * moves + side, number, moves - 1)
        black, white = board.scores
        outcome = 0 if black > white else 2 if white > black else 1
        if drawn < moves:
            found.append([(each, outcome) for each in features[drawn:]])
    return found


def fnv(data: bytes) -> int:
    """FNV-1a, 64 bits (Fowler, Noll, Vo)."""
    word = 0xCBF29CE484222325
    for byte in data:
        word = (word ^ byte) * 0x100000001B3 % 2**64
    return word


def play_game(seed: int, length: int, drawn: int) -> bytes:
    """A legal game of at most so many plies, passes included, drawn at random."""
    rng, board = random.Random(seed), Board()
    plies: list[tuple[int, int]] = []
    while len(plies) < length:
        moves = list(board.moves())
        if not moves and (plies and plies[-1] == (0, 0)):
            break  # nobody can move
        ply = rng.choice(moves) if moves else (0, 0)
        board.play(*ply)
        plies.append(ply)
    told = bytes(square for ply in plies for square in ply)
    return bytes([len(plies), min(drawn, len(plies))]) + told + bytes(board.scores)
