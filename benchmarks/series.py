"""How well odd hours are told in labelled series: the same judgement as `services/hourly.py` makes.

Reads `series` of PURSER_DATA (default ../shared/data): the Numenta Anomaly Benchmark, whose windows say where
something was amiss. Each series is averaged by the hour. Its hours are compared with the same hour of the
weeks before from the fifth week on that it covers; earlier, and throughout in series that are shorter, with
the hours of the week before as they come, from the third day on. Levels are no totals: a temperature does not
stray by a share of itself, so the least deviation is that of all differences so far. Odd hours that follow
each other within six hours are one alert. Precision: of the alerts, how many touch a window. Recall: of the
windows, how many are touched by an alert. Needs no database.
"""

import csv
import datetime as dt
import gzip
import json
import os
import sys
from bisect import insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import click

from dashboard.config import ROOT
from dashboard.services import seasonal

SERIES = Path(os.environ.get("PURSER_DATA") or ROOT.parent / "shared" / "data") / "series"
HOUR, WEEK = dt.timedelta(hours=1), dt.timedelta(weeks=1)
ROLLING_HOURS, ROLLING_LEAST = 7 * 24, 48
APART = 6 * HOUR
LEAST_AFTER = 24
"""So many differences are needed before they say how far hours stray."""

Values = dict[dt.datetime, float]
Window = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True, slots=True)
class Result:
    """What was told of a series."""

    hours: int
    alerts: int
    right: int
    windows: int
    found: int

    @property
    def precision(self) -> str:
        """Of the alerts those that are right."""
        return f"{self.right / self.alerts:.2f}" if self.alerts else "-"

    @property
    def recall(self) -> str:
        """Of the windows those that were found."""
        return f"{self.found / self.windows:.2f}" if self.windows else "-"


def main() -> None:
    """Judge every series; print a line for each, and what all of a kind come to."""
    if not SERIES.is_dir():
        sys.exit(f"{SERIES} is not there: set PURSER_DATA.")
    labels = json.loads((SERIES / "anomaly_windows.json").read_text())
    click.echo(
        f"{'series':58}{'hours':>7}{'alerts':>8}{'right':>7}{'windows':>9}{'found':>7}  precision  recall"
    )
    everything = []
    for path in sorted(SERIES.glob("*.csv.gz")):
        kind = path.name.removesuffix(".csv.gz")
        results = []
        for name, values in sorted(read(path).items()):
            windows = [(_instant(start), _instant(end)) for start, end in labels[f"{kind}/{name}"]]
            results.append(judge(values, windows))
            tell(f"{kind}/{name.removesuffix('.csv')}", results[-1])
        tell(f"{kind}: all", total(results))
        everything += results
    tell("all", total(everything))


def read(path: Path) -> dict[str, Values]:
    """The hourly means of each series of a file."""
    found: defaultdict[str, defaultdict[dt.datetime, list[float]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt") as lines:
        for line in csv.DictReader(lines):
            hour = _instant(line["timestamp"]).replace(minute=0, second=0, microsecond=0)
            found[line["file"]][hour].append(float(line["value"]))
    return {name: {hour: fmean(each) for hour, each in sorted(of.items())} for name, of in found.items()}


def judge(values: Values, windows: Sequence[Window]) -> Result:
    """Tell odd hours as time goes by, and hold them against the windows."""
    begun = min(values)
    strays: list[float] = []
    excesses: list[float] = []
    odd: list[dt.datetime] = []
    for hour, value in values.items():
        verdict = seasonal.judge(
            history(values, hour, begun),
            value,
            share=0.0,
            least=_usual(strays) if strays else 0.0,
            rare=seasonal.rare_excess(excesses),
        )
        if verdict is None:
            continue
        if len(strays) >= LEAST_AFTER and verdict.is_odd:
            odd.append(hour)
        strays.append(abs(value - verdict.expected))
        insort(excesses, value - verdict.expected)
    alerts = runs(odd)
    return Result(
        hours=len(values),
        alerts=len(alerts),
        right=sum(any(_touch(alert, window) for window in windows) for alert in alerts),
        windows=len(windows),
        found=sum(any(_touch(alert, window) for alert in alerts) for window in windows),
    )


def history(values: Values, hour: dt.datetime, begun: dt.datetime) -> list[float]:
    """What an hour is compared with."""
    if hour - seasonal.WEEKS_LEAST * WEEK >= begun:
        return [values[at] for at in seasonal.same_hours(hour, "UTC") if at in values]
    before = (hour - back * HOUR for back in range(1, ROLLING_HOURS + 1))
    found = [values[at] for at in before if at in values]
    return found if len(found) >= ROLLING_LEAST else []


def runs(odd: Sequence[dt.datetime]) -> list[Window]:
    """Odd hours as alerts: from the first to the end of the last that follow each other closely."""
    found: list[Window] = []
    for hour in odd:
        if found and hour - found[-1][1] <= APART:
            found[-1] = (found[-1][0], hour + HOUR)
        else:
            found.append((hour, hour + HOUR))
    return found


def total(results: Sequence[Result]) -> Result:
    """All of them together."""
    return Result(
        hours=sum(each.hours for each in results),
        alerts=sum(each.alerts for each in results),
        right=sum(each.right for each in results),
        windows=sum(each.windows for each in results),
        found=sum(each.found for each in results),
    )


def tell(name: str, of: Result) -> None:
    """Print a line."""
    counts = f"{of.hours:7,}{of.alerts:8}{of.right:7}{of.windows:9}{of.found:7}"
    click.echo(f"{name:58}{counts}{of.precision:>11}{of.recall:>8}")


def _usual(strays: Sequence[float]) -> float:
    return 1.4826 * median(strays)


def _touch(one: Window, other: Window) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _instant(written: str) -> dt.datetime:
    return dt.datetime.fromisoformat(written).replace(tzinfo=dt.UTC)


if __name__ == "__main__":
    main()
