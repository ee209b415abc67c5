"""Models are fitted, new entries scored and finished hours judged without anybody waiting for it.

Imported by the worker alone: it loads numpy, and scikit-learn when something is fitted. Batches of their own
transactions: a worker that was killed leaves whole batches, and of two workers one scores at a time.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import DBAPIError

from dashboard import clock, db
from dashboard.jobs.application import application
from dashboard.services import anomaly_fitting, anomaly_scoring, hourly
from dashboard.services.anomaly_scoring import Loaded

EVERY_SECONDS = 15.0
"""Entries are counted every half a minute, and scored so much later: within a minute of their posting."""
FIRST_FIT_EVERY_SECONDS = 3600.0
FITTED_LATELY = dt.timedelta(hours=1)
"""A model as young as that is not fitted anew: a worker that comes up fits first models, and catches up."""

_log = logging.getLogger(__name__)
_FITTING = threading.Lock()
"""One at a time, each with all that the one before has kept."""


class Watch:
    """What a worker knows between two rounds: the models it has read, and the hours it has judged."""

    def __init__(self) -> None:
        self._models: dict[int, Loaded] = {}
        self._judged: dict[int, dt.datetime] = {}
        """Until when, by operator."""

    def score(self, now: dt.datetime, *, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Score all that is new; how many anomalies were found."""
        hits = 0
        with db.reading() as session:
            loaded = [
                anomaly_scoring.load(session, operator_id=each, known=self._models.get(each))
                for each in anomaly_scoring.operators(session)
            ]
        self._models = {each.operator_id: each for each in loaded if each is not None}
        for each in self._models.values():
            while not should_stop():
                scored = db.transact(partial(anomaly_scoring.score, loaded=each, now=now))
                if scored is None or not scored.journals:
                    break
                hits += scored.hits
        return hits

    def judge_hours(self, now: dt.datetime) -> int:
        """Judge every hour that is over and counted since the last time; how many were odd."""
        count = 0
        with db.reading() as session:
            counted = hourly.counted(session)
        for of in counted:
            until = hourly.over(of.passed_at)
            since = self._judged.get(of.operator_id, until - hourly.CAUGHT_UP)
            if since < until:
                found = db.transact(partial(hourly.watch, of=of, since=since, until=until, now=now))
                self._judged[of.operator_id] = until
                count += len(found)
        return count


def fit(now: dt.datetime, *, operator_id: int) -> bool:
    """Fit an operator's model anew; whether there was enough to fit it on."""
    with db.reading() as session:
        gathered = anomaly_fitting.gather(session, operator_id=operator_id, now=now)
    fitted = anomaly_fitting.fit(gathered, now=now) if gathered is not None else None
    if fitted is None:
        return False
    db.transact(partial(anomaly_fitting.keep, operator_id=operator_id, fitted=fitted, now=now))
    return True


def fit_all(now: dt.datetime) -> int:
    """Fit the model of every operator that has enough entries, but for what was fitted lately; how many."""
    return _fit_those(now, since=now - FITTED_LATELY)


def fit_first(now: dt.datetime) -> int:
    """Fit the first model of operators that have enough entries by now; how many."""
    return _fit_those(now, since=None)


def _fit_those(now: dt.datetime, *, since: dt.datetime | None) -> int:
    with _FITTING:
        with db.reading() as session:
            wanted = anomaly_fitting.without_model(session, now=now, since=since)
        return sum(fit(now, operator_id=operator_id) for operator_id in wanted)


def keep_watching(stop: threading.Event) -> None:
    """Score and judge until `stop` is set. A database that is away is asked again.

    A loop of its own: after an import it is at it for long, and held changes do not wait.
    """
    watch, fitted_at, pause = Watch(), float("-inf"), 0.0
    with application().app_context():
        while not stop.wait(pause):
            pause = EVERY_SECONDS
            try:
                if time.monotonic() >= fitted_at + FIRST_FIT_EVERY_SECONDS:
                    fitted_at = time.monotonic()
                    fit_first(clock.now())
                watch.score(clock.now(), should_stop=stop.is_set)
                watch.judge_hours(clock.now())
            except DBAPIError:
                _log.exception("looking for anomalies")
