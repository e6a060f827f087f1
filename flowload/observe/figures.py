"""Numbers as people read them, in columns."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "align",
    "clock",
    "count",
    "counted",
    "duration",
    "duration_of",
    "rate",
    "scaled",
    "share",
    "size",
]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def count(number: int) -> str:
    """1,234,567 up to eight digits, then 123 M."""
    return f"{number:,}" if abs(number) < 10**8 else scaled(number)


def counted(number: int, one: str, several: str) -> str:
    """A number and its noun: 1 batch, 2 batches."""
    return f"{count(number)} {one if number == 1 else several}"


def rate(per_second: float) -> str:
    """Samples per second in four characters and a unit: 405 k/s."""
    return f"{scaled(per_second)}/s"


def share(part: float) -> str:
    """A part of 1 in percent; little is still not nothing."""
    return "0 %" if part <= 0 else "<1 %" if part < 0.01 else f"{part:.0%}".replace("%", " %")


def size(nbytes: int) -> str:
    """Bytes in powers of 1024."""
    power = min(len(UNITS) - 1, max(0, abs(nbytes).bit_length() - 1) // 10)
    number = nbytes / 1024**power
    return f"{number:.{0 if power == 0 or number >= 99.95 else 1}f} {UNITS[power]}"


def duration(seconds: float) -> str:
    """12.3 s, then 4:05 min, then 3:04:05 h."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def scaled(number: float) -> str:
    """Three significant digits and a letter for thousands, millions, billions."""
    for power, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        # Rounding must not show 1000 k.
        if abs(number) >= power * 0.9995:
            value = number / power
            return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f}{letter}"
    return f"{number:.0f}" if number >= 9.95 or number == int(number) else f"{number:.1f}"


def align(rows: Sequence[Sequence[str]], sides: str, gap: str = "  ") -> list[str]:
    """Rows of cells as lines with straight columns.

    Args:
        rows: the cells; every row as long as `sides`.
        sides: "<" or ">" for each column.
        gap: what stands between columns.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        gap.join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def clock(seconds: float) -> str:
    """A moment of a run: 2:40, then 1:02:40."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration_of(seconds: float) -> str:
    """A short time with three digits: 41.2 us."""
    for least, unit, power in ((1.0, "s", 0), (1e-3, "ms", 3), (1e-6, "us", 6)):
        if seconds >= least * 0.9995:
            value = seconds * 10**power
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
    return f"{seconds * 1e9:.0f} ns"
