from __future__ import annotations

import pytest

from flowload.observe.figures import count, counted, duration, rate, share, size


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1234567, "1,234,567"), (99_999_999, "99,999,999"), (123_456_789, "123 M")],
)
def test_counts_are_exact_as_long_as_they_fit(number: int, text: str) -> None:
    assert count(number) == text


def test_one_is_no_plural() -> None:
    assert [counted(n, "batch", "batches") for n in (0, 1, 2000)] == ["0 batches", "1 batch", "2,000 batches"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0/s"),
        (0.25, "0.2/s"),
        (9.96, "10/s"),
        (999.4, "999/s"),
        (999.6, "1.00 k/s"),
        (12_345.0, "12.3 k/s"),
        (405_000.0, "405 k/s"),
        (999_960.0, "1.00 M/s"),
        (3.2e9, "3.20 G/s"),
    ],
)
def test_rates_have_three_digits_and_never_show_a_thousand_of_a_unit(number: float, text: str) -> None:
    assert rate(number) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.0, "0 %"), (0.001, "<1 %"), (0.0099, "<1 %"), (0.01, "1 %"), (0.5, "50 %"), (1.0, "100 %")],
)
def test_a_little_work_is_not_no_work(part: float, text: str) -> None:
    assert share(part) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (200 * 2**20, "200 MiB"),
        (3 * 2**50, "3072 TiB"),
    ],
)
def test_sizes_are_in_powers_of_1024(nbytes: int, text: str) -> None:
    assert size(nbytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (12.34, "12.3 s"), (99.96, "1:40 min"), (245, "4:05 min"), (11045, "3:04:05 h")],
)
def test_durations_change_their_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
