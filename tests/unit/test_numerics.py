"""Statistics against NIST's certified values (StRD), and at their edges."""

import csv
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from dashboard.services import numerics

ROOT = Path(__file__).parents[2]
SETS = Path(os.environ.get("PURSER_DATA") or ROOT.parent / "shared" / "data") / "statistics"
DIGITS = 9

needs_sets = pytest.mark.skipif(not SETS.is_dir(), reason=f"NIST's sets are not at {SETS}: set PURSER_DATA")


def certified(dataset: str, statistic: str) -> float:
    with (SETS / "certified.csv").open() as lines:
        (value,) = (
            row["certified_value"]
            for row in csv.DictReader(lines)
            if (row["dataset"], row["statistic"]) == (dataset, statistic)
        )
    return float(value)


def columns(dataset: str) -> list[tuple[float, ...]]:
    """The columns of a set: its file names the lines, or rules a line above them."""
    whole = (SETS / f"{dataset}.dat").read_text()
    named = re.search(r"Data\s+\(lines\s+(\d+)\s+to\s+(\d+)\)", whole)
    lines = (
        whole.splitlines()[int(named[1]) - 1 : int(named[2])]
        if named
        else whole.split("---\n")[-1].split("\n")
    )
    rows = [[float(cell) for cell in line.split()] for line in lines if line.strip()]
    return list(zip(*rows, strict=True))


def agreeing_digits(found: float, right: float) -> float:
    return math.inf if found == right else -math.log10(abs(found - right) / abs(right))


@needs_sets
@pytest.mark.parametrize("dataset", ["Lottery", "Lew", "NumAcc1"])
def test_summaries_are_nists(dataset: str) -> None:
    (values,) = columns(dataset)
    found = {
        "mean": numerics.mean(values),
        "sd": numerics.deviation(values),
        "r1": numerics.autocorrelation(values),
    }
    digits = {name: agreeing_digits(value, certified(dataset, name)) for name, value in found.items()}
    assert min(digits.values()) >= DIGITS, digits


@needs_sets
def test_a_line_is_nists() -> None:
    ys, xs = columns("Norris")
    line = numerics.fit(xs, ys)
    found = {"B0": line.intercept, "B1": line.slope, "r2": line.r_squared}
    digits = {name: agreeing_digits(value, certified("Norris", name)) for name, value in found.items()}
    assert min(digits.values()) >= DIGITS, digits


def test_a_large_offset_costs_no_digits() -> None:
    """NumAcc4's idea: 1 001 numbers around 10⁷ that differ in their first decimal."""
    values = [10_000_000.2] + [10_000_000.1, 10_000_000.3] * 500
    assert agreeing_digits(numerics.mean(values), 10_000_000.2) >= 15
    assert agreeing_digits(numerics.deviation(values), 0.1) >= 8


@pytest.mark.parametrize(
    ("ys", "slope", "intercept", "r_squared", "p_value"),
    [
        ([1, 3, 5, 7], 2, 1, 1, 0),
        ([5, 5, 5, 5], 0, 5, 1, 1),
        # By hand: Σxy = 3, Σxx = 2, left = 6 - 9/2; t = 1.5 / √(1.5 ÷ 1 ÷ 2) = √3, p = 1/3 with one degree.
        ([0, 3, 3], 1.5, 0.5, 0.75, 1 / 3),
    ],
)
def test_a_line_through_points(
    ys: Sequence[float], *, slope: float, intercept: float, r_squared: float, p_value: float
) -> None:
    line = numerics.fit(range(len(ys)), ys)
    assert (line.slope, line.intercept, line.r_squared) == pytest.approx((slope, intercept, r_squared))
    assert line.p_value == pytest.approx(p_value)


def test_nothing_has_no_mean_and_a_point_no_line() -> None:
    with pytest.raises(ValueError, match="nothing"):
        numerics.mean([])
    with pytest.raises(ValueError, match="two different"):
        numerics.fit([1, 1], [2, 3])
    assert numerics.deviation([7]) == 0
    assert numerics.autocorrelation([4, 4, 4]) == 0
