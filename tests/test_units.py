"""Sizes, times and counts: what people write, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.units import format_nbytes, parse_count, parse_nbytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("256KB", 262_144),
        ("256KiB", 262_144),
        ("256kB", 256_000),
        ("1.5MiB", 1_572_864),
        (" 2 MB ", 2_097_152),
        ("262144", 262_144),
        (4096, 4096),
        ("1B", 1),
        ("0.5KB", 512),
        ("1GB", 2**30),
    ],
)
def test_sizes(text: str | int, nbytes: int) -> None:
    assert parse_nbytes(text) == nbytes


@pytest.mark.parametrize(
    "text", ["0", "-1", "12XB", "1e400GB", "", "KB", "1,5KB", "nan", "inf", "9" * 30, "0.1B", "1kb", "٣KB\n\n٣", "٣KB"]
)
def test_what_is_no_size_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_nbytes(text)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_status == 2
    assert refusal.value.mend


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5min", 300), ("1.5 h", 5400)])
def test_times(text: str, seconds: float) -> None:
    assert parse_seconds(text, what="--time") == seconds


@pytest.mark.parametrize(("text", "number"), [("500k", 500_000), ("1.5M", 1_500_000), ("2G", 2 * 10**9), (70, 70), ("12.7", 12)])
def test_counts(text: str | int, number: int) -> None:
    assert parse_count(text, what="--latency") == number


@pytest.mark.parametrize("text", ["0s", "3", "0.5s", "min", "-1s", "5 minutes", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--time"):
        parse_seconds(text, what="--time")


@pytest.mark.parametrize("text", ["0", "3m", "M", "-1", "1e6", "0.9"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--latency"):
        parse_count(text, what="--latency")


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (500_000, "488 KiB"), (262_144, "256 KiB"), (1_090_000, "1.04 MiB")],
)
def test_sizes_for_people(nbytes: int, text: str) -> None:
    assert format_nbytes(nbytes) == text


@given(st.integers(1, 2**50))
def test_sizes_for_people_are_within_one_percent(nbytes: int) -> None:
    number, unit = format_nbytes(nbytes).split()
    factor = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}[unit]
    # Three digits are kept, so rounding loses less than 1 %.
    assert abs(float(number) * factor - nbytes) <= 0.01 * nbytes
