"""How fast models are fitted and new entries scored, of an operator with 10⁴ and with 10⁵ entries.

Entries of 90 days are written in sets by the owner and rolled up by the worker's own job. The baseline of
both is reading the same entries plainly, by the same kind of cursor in the same run, and nothing else: for
fitting all of the 90 days, for scoring all of the players whose last entry is new, which is everybody's, in
batches of as many players. Fitting is reading with figures, the forest, and keeping it; scoring is the past,
figures, scores, reasons of hits and the marks. Ratios are of seconds of computing in this process, which
others at work do not lengthen. The arguments are the sizes.
"""

import datetime as dt
import importlib
import sys
import time
from dataclasses import dataclass
from typing import NamedTuple

import click
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.analytics import PLAYERS, fill, found, refuse_without_room
from benchmarks.scratch import application, as_owner, vacuum
from dashboard import clock, db
from dashboard.jobs import rollups
from dashboard.services import anomaly_entries, anomaly_fitting, anomaly_scoring
from dashboard.services.anomalies import FIT_DAYS
from dashboard.services.anomaly_features import LOOKBACK_DAYS, MARKING_DELAY_DAYS

SIZES = (10_000, 100_000)
FIT_RATIO_MOST, SCORE_RATIO_MOST = 200.0, 50.0
"""Of computing, where rows that are only read cost next to nothing: 27 figures each, and 200 trees. At the
largest size: with few entries the trees, as many for any operator, are most of it."""
MINUTE_SECONDS = 60.0
"""What is posted is scored within it, and so is what everybody posts at once."""
_AT_A_TIME = 2_000

_PLAINLY = text(f"""
SELECT {anomaly_entries.COLUMNS} FROM wallet_entries e {anomaly_entries.MARKS}
WHERE e.operator_id = :operator AND e.created_at >= :since AND e.created_at < :now
ORDER BY e.created_at, e.player_id, e.currency, e.sequence
""")
_PAST_PLAINLY = text(f"""
SELECT {anomaly_entries.COLUMNS} FROM wallet_entries e {anomaly_entries.MARKS}
WHERE e.player_id = ANY (:players) AND e.created_at >= :since
""")
_LAST_IS_NEW = "UPDATE rollup_marks SET scored = greatest(0, sequence - 1)"


class Taken(NamedTuple):
    """Seconds by the clock, and of computing."""

    seconds: float
    computed: float

    @classmethod
    def now(cls) -> "Taken":
        """A moment, from which `since` measures."""
        return cls(time.perf_counter(), time.process_time())

    @classmethod
    def since(cls, began: "Taken") -> "Taken":
        """What has gone by."""
        return cls(time.perf_counter() - began.seconds, time.process_time() - began.computed)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a part took, and what reading the same entries plainly did."""

    what: str
    entries: int
    taken: Taken
    plain: Taken

    @property
    def ratio(self) -> float:
        """How many times as much computing."""
        return self.taken.computed / self.plain.computed

    def __str__(self) -> str:
        return (
            f"{self.what} {self.entries:,} entries: {self.taken.seconds:.2f} s, {self.taken.computed:.2f} s"
            f" of computing, {self.entries / self.taken.computed:,.0f} a second of it; read plainly"
            f" {self.plain.seconds:.2f} s, {self.plain.computed:.2f} s of computing; ratio {self.ratio:.1f}"
        )


def main() -> None:
    """Measure each size; print the figures; exit 1 where one is above what it may be."""
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    refuse_without_room(max(sizes))
    importlib.import_module("sklearn.ensemble")  # takes seconds, once in the life of a worker
    fine = True
    for entries in sizes:
        with application() as app:
            fitting, scoring = look_at(app, entries)
        fine &= scoring.taken.seconds <= MINUTE_SECONDS
        if entries == max(sizes):
            fine &= fitting.ratio <= FIT_RATIO_MOST and scoring.ratio <= SCORE_RATIO_MOST
        click.echo(f"of {entries:,} entries of {PLAYERS:,} players\n  {fitting}\n  {scoring}")
    click.echo(
        f"ratio of fitting <= {FIT_RATIO_MOST:.0f}, of scoring <= {SCORE_RATIO_MOST:.0f}, everybody's last"
        f" entry within {MINUTE_SECONDS:.0f} s: {'yes' if fine else 'NO'}"
    )
    sys.exit(0 if fine else 1)


def look_at(app: Flask, entries: int) -> tuple[Measured, Measured]:
    """Write that many entries and roll them up; fit on them, and score everybody's last one."""
    with app.app_context():
        found()
    fill(app, entries, days=FIT_DAYS)
    vacuum(app)
    with app.app_context():
        rollups.roll(clock.now())
    with as_owner(app) as connection:
        connection.execute(_LAST_IS_NEW)
    vacuum(app)
    with app.app_context():
        now = clock.now()
        with db.reading() as session:
            (operator_id,) = anomaly_fitting.fittable(session, now=now)
        return fitted(operator_id, now), scored(operator_id, now)


def fitted(operator_id: int, now: dt.datetime) -> Measured:
    """Fit the operator's model and keep it."""
    since = now - dt.timedelta(days=FIT_DAYS)
    with db.reading() as session:
        plain, entries = read(session, operator_id, since, now)
    began = Taken.now()
    with db.reading() as session:
        gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=now)
    model = anomaly_fitting.fit(gathered, now=now) if gathered is not None else None
    if model is None:
        raise RuntimeError("there was too little to fit on")
    with db.writing() as session:
        anomaly_fitting.keep(session, operator_id=operator_id, fitted=model, now=now)
    return Measured("fitting on", entries, Taken.since(began), plain)


def read(session: Session, operator_id: int, since: dt.datetime, now: dt.datetime) -> tuple[Taken, int]:
    """What reading the entries takes, and how many they are."""
    began = Taken.now()
    options = {"stream_results": True, "yield_per": _AT_A_TIME}
    named = {"operator": operator_id, "since": since, "now": now}
    entries = sum(1 for _row in session.execute(_PLAINLY, named, execution_options=options))
    return Taken.since(began), entries


def scored(operator_id: int, now: dt.datetime) -> Measured:
    """Score everybody's last entry, batch by batch as the worker does."""
    with db.reading() as session:
        plain = read_past(session, now)
        loaded = anomaly_scoring.load(session, operator_id=operator_id)
    if loaded is None:
        raise RuntimeError("there is no model")
    began, entries = Taken.now(), 0
    while True:
        with db.writing() as session:
            batch = anomaly_scoring.score(session, loaded, now=now)
        if batch is None or not batch.journals:
            break
        entries += batch.entries
    taken = Taken.since(began)
    if entries != PLAYERS:
        raise RuntimeError(f"{entries:,} entries were scored, and not {PLAYERS:,}")
    return Measured("scoring", entries, taken, plain)


def read_past(session: Session, now: dt.datetime) -> Taken:
    """What reading everybody's entries takes, as far back as scoring looks, in its batches."""
    players = list(session.scalars(text("SELECT player_id FROM rollup_marks ORDER BY player_id")))
    since = now - dt.timedelta(days=LOOKBACK_DAYS + MARKING_DELAY_DAYS)
    began = Taken.now()
    for first in range(0, len(players), anomaly_scoring.BALANCES):
        batch = players[first : first + anomaly_scoring.BALANCES]
        session.execute(_PAST_PLAINLY, {"players": batch, "since": since}).all()
    return Taken.since(began)


if __name__ == "__main__":
    main()
