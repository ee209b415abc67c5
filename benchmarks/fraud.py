"""Models of entries judged on labelled fraud: fitted on the first 33 days, judged on the last 14.

Reads `labelled_fraud` of PURSER_DATA (default ../shared/data): simulated card payments of 47 days. A payment
is a withdrawal, its terminal stands for whoever posted it, and there are no balances. The forest is fitted on
all payments of the first 33 days, without a label. For the model of marks a label is a mark that is known 7
days after its payment: when it is fitted, at the end of day 33, those of the first 26 days are, and over the
14 days that are judged what was found amiss goes on to be known with the same delay. All payments of these 14
days are judged, also of cards and terminals whose fraud is known by then. Needs no database.
"""

import csv
import datetime as dt
import gzip
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from dashboard.config import ROOT
from dashboard.services import anomaly_features, anomaly_model
from dashboard.services.anomaly_features import MARKING_DELAY_DAYS, Entry, Stream
from dashboard.services.anomaly_model import Model
from dashboard.services.anomaly_trees import Floats
from dashboard.services.anomaly_wording import FEATURES

PAYMENTS = Path(os.environ.get("PURSER_DATA") or ROOT.parent / "shared" / "data") / "labelled_fraud"
FIT_DAYS, JUDGED_DAYS = 33, 14
EXPLAINED = 1_000
HIDDEN_SCENARIO = 2
"""All payments of a terminal for 28 days, each like any other: without marks there is nothing to see."""

_DAY = dt.timedelta(days=1)
# The set counts its seconds from here; weekends depend on it.
_START = dt.datetime(2018, 4, 1, tzinfo=dt.UTC)


class Quality(NamedTuple):
    """How well scores tell what is amiss from what is not."""

    auc: float
    """How often what is amiss scores higher than what is not."""
    precision: float
    """The mean precision over all that is amiss, from the highest score down."""

    @classmethod
    def of(cls, labels: NDArray[np.bool_], scores: Floats) -> "Quality":
        """As scikit-learn reckons both."""
        return cls(float(roc_auc_score(labels, scores)), float(average_precision_score(labels, scores)))

    def __str__(self) -> str:
        return f"AUC {self.auc:.3f}, average precision {self.precision:.3f}"


LEAST, GOAL = Quality(0.80, 0.50), Quality(0.87, 0.61)


def main() -> None:
    """Fit and judge both models; print how good they are and what they cost."""
    if not PAYMENTS.is_dir():
        sys.exit(f"{PAYMENTS} is not there: set PURSER_DATA.")
    entries, scenarios = read()
    fitted_at = entries[0].at.replace(hour=0, minute=0, second=0) + FIT_DAYS * _DAY
    seen = sum(entry.at < fitted_at for entry in entries)
    known = sum(anomaly_features.known_from(entry) <= fitted_at for entry in entries)
    judged = slice(seen, sum(entry.at < fitted_at + JUDGED_DAYS * _DAY for entry in entries))
    labels = np.array([bool(entry.is_amiss) for entry in entries])
    click.echo(
        f"{len(entries):,} payments: {seen:,} to fit on, of which {known:,} have a known label"
        f" ({labels[:known].sum():,} amiss); {labels[judged].size:,} judged ({labels[judged].sum():,} amiss)"
    )
    usual = anomaly_features.usual_amounts(entries[:seen])
    with timed("features", len(entries)):
        rows = figures(entries, usual)
    with timed("forest: fitting", seen):
        forest = anomaly_model.fit_unlabelled(rows[:seen], usual=usual)
    scores = tell_scores(forest, rows[judged])
    click.echo(f"forest, no labels: {Quality.of(labels[judged], scores)}")
    plain = scenarios[judged] != HIDDEN_SCENARIO
    click.echo(f"forest, the terminals' fraud set aside: {Quality.of(labels[judged][plain], scores[plain])}")
    with timed("marks: fitting", known):
        marked = anomaly_model.fit_marked(rows[:known], labels[:known], usual=usual)
    scores = tell_scores(marked, rows[judged])
    quality = Quality.of(labels[judged], scores)
    click.echo(
        f"marks, known after {MARKING_DELAY_DAYS} days: {quality}"
        f" (at least {LEAST.auc:.2f} and {LEAST.precision:.2f}, goal {GOAL.auc:.2f} and {GOAL.precision:.2f})"
    )
    tell_hits(marked, rows[judged], labels[judged], scores)
    click.echo(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")
    sys.exit(0 if quality.auc >= LEAST.auc and quality.precision >= LEAST.precision else 1)


def read() -> tuple[list[Entry], NDArray[np.int8]]:
    """The payments as entries, in order of time, and the scenario of each (0: no fraud)."""
    entries, scenarios = [], []
    with gzip.open(PAYMENTS / "transactions.csv.gz", "rt") as lines:
        for line in csv.DictReader(lines):
            entries.append(
                Entry(
                    player_id=int(line["customer_id"]),
                    currency="EUR",
                    at=_START + dt.timedelta(seconds=int(line["time_seconds"])),
                    change_type="withdrawal",
                    amount_minor=-round(float(line["amount"]) * 100),
                    poster=line["terminal_id"],
                    is_amiss=line["fraud"] == "1",
                )
            )
            scenarios.append(int(line["scenario"]))
    return entries, np.array(scenarios, np.int8)


def figures(entries: list[Entry], usual: anomaly_features.Usual) -> NDArray[np.float32]:
    """A row of features for each entry."""
    stream = Stream(zone="UTC", usual=usual)
    rows = np.empty((len(entries), len(FEATURES)), np.float32)
    for place, entry in enumerate(entries):
        rows[place] = stream.features(entry)
    return rows


def tell_scores(model: Model, rows: NDArray[np.float32]) -> Floats:
    """The scores of all rows; prints what scoring and explaining cost, and how large the model is."""
    kept = anomaly_model.to_bytes(model)
    click.echo(f"{model.kind}: {len(kept) / 1e6:.1f} MB as it is kept")
    model = anomaly_model.from_bytes(kept)
    with timed(f"{model.kind}: scoring", len(rows)):
        scores = anomaly_model.score(model, rows)
    with timed(f"{model.kind}: scoring one by one", EXPLAINED):
        for row in rows[:EXPLAINED]:
            anomaly_model.score(model, row[np.newaxis])
    with timed(f"{model.kind}: explaining", EXPLAINED):
        for row in rows[:EXPLAINED]:
            anomaly_model.explain(model, row)
    return scores


def tell_hits(model: Model, rows: NDArray[np.float32], labels: NDArray[np.bool_], scores: Floats) -> None:
    """Print how many hits there are and how many of them are right, and which features lead them."""
    hits = scores >= model.hit_from
    right = int(labels[hits].sum())
    click.echo(
        f"{hits.sum():,} hits, {hits.sum() / JUDGED_DAYS:.0f} a day: {right / hits.sum():.0%} of them right,"
        f" {right / labels.sum():.0%} of what was amiss found"
    )
    leading = Counter(anomaly_model.explain(model, row, most=1)[0].name for row in rows[hits])
    click.echo("led by " + ", ".join(f"{name} {count:,}" for name, count in leading.most_common(8)))


@contextmanager
def timed(what: str, entries: int) -> Iterator[None]:
    """Prints how long the block took, and how long it computed, which others at work do not lengthen."""
    begun, computed = time.perf_counter(), time.process_time()
    yield
    seconds, computed = time.perf_counter() - begun, time.process_time() - computed
    each = computed / entries * 1e6
    click.echo(f"{what}: {seconds:.1f} s, {computed:.1f} s of computing, {each:.0f} µs an entry")


if __name__ == "__main__":
    main()
