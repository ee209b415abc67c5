"""Models of an operator's entries, fitted on its last 90 days: read, fitted, judged, kept.

Three steps, so that nobody waits for them: `gather` reads within a transaction, entry by entry, and holds
their figures alone; `fit` computes without one; `keep` writes a row. For the worker: it loads numpy, and
scikit-learn for the fitting.
"""

import datetime as dt
import json
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from dashboard.models import Anomaly, AnomalyModel
from dashboard.models.anomaly import ModelKind
from dashboard.services import anomaly_entries, anomaly_features, anomaly_model
from dashboard.services.anomalies import ENTRIES_LEAST, FIT_DAYS
from dashboard.services.anomaly_features import LOOKBACK_DAYS, MARKING_DELAY_DAYS, Stream
from dashboard.services.anomaly_model import MARKS_LEAST, Kind, Model, TooFew
from dashboard.services.anomaly_wording import FEATURES

ENTRIES_MOST = 100_000
"""So many are fitted on at most. Of operators with more, a part of the players is drawn, with all that they
did; of these, where they still have more, every n-th entry is fitted on, and the others are their past."""
JUDGED_DAYS = 14
"""A model of marks is judged on the marks of so many last days, by one that was fitted without them."""
JUDGED_LEAST = 10
"""So many marks of either kind must be there to judge by."""
CONTENTS_KEPT = 7
"""Of an operator's models the last so many can still be read; of older ones it is known what they were."""

_KIND = {Kind.FOREST: ModelKind.UNLABELLED, Kind.MARKED: ModelKind.MARKED}
_AT_A_TIME = 2_000
_AMISS, _IN_ORDER, _ORDINARY, _UNKNOWN = 1, 0, -1, -2
# Which players are drawn follows from their ids: the same ones at each fitting. Marks are never left out.
_DRAWN = """
(:permille >= 1000 OR mod(hashint8(e.player_id)::bigint + 2147483648, 1000) < :permille
 OR e.player_id = ANY (:marked_players))
"""
_FITTABLE = text("""
SELECT t.operator_id, CAST(sum(t.entries) AS bigint) AS entries
FROM daily_totals t JOIN operators o ON o.id = t.operator_id
WHERE t.day >= CAST(CAST(:now AS timestamptz) AT TIME ZONE o.timezone AS date) - :days
GROUP BY t.operator_id HAVING sum(t.entries) >= :least
ORDER BY t.operator_id
""")
_USUAL = text(f"""
SELECT e.currency, {anomaly_entries.KIND} AS kind, count(*) AS entries,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(abs({anomaly_entries.AMOUNT}) AS float8)) AS usual
FROM wallet_entries e
WHERE e.operator_id = :operator AND e.created_at >= :since AND e.created_at < :now AND {_DRAWN}
GROUP BY 1, 2
""")
# What staff post is read of all players: the marks of a poster are a share of everything it posted.
_ENTRIES = text(f"""
SELECT {anomaly_entries.COLUMNS}, a.player_id IS NOT NULL AS is_found, {_DRAWN} AS is_drawn
FROM wallet_entries e {anomaly_entries.MARKS}
WHERE e.operator_id = :operator AND e.created_at >= :begin AND e.created_at < :now
  AND ({_DRAWN} OR e.performed_by <> 'system')
ORDER BY {", ".join(f"e.{column}" for column in anomaly_entries.ORDER.split(", "))}
""")
_EMPTY_OLD = text("""
UPDATE anomaly_models SET content = ''
WHERE operator_id = :operator AND content <> '' AND id NOT IN (
  SELECT id FROM anomaly_models WHERE operator_id = :operator ORDER BY id DESC LIMIT :kept)
""")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a model is fitted on: a row of figures for each entry, and what people said of it."""

    usual: anomaly_features.Usual
    rows: NDArray[np.float32]
    made: NDArray[np.float64]
    """When each entry was made, in seconds."""
    said: NDArray[np.int8]
    """1 amiss, 0 in order, −1 nothing and nobody was asked, −2 nothing that counts yet."""
    entries: int
    """How many the operator had in these days, of which these are the drawn ones."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model, and what is told of it."""

    model: Model
    entries: int
    """How many it was fitted on."""
    marked: int
    metrics: Mapping[str, Any]


def fittable(session: Session, *, now: dt.datetime) -> dict[int, int]:
    """Operators with enough entries for a model, and how many each has by the rollups."""
    named = {"now": now, "days": FIT_DAYS, "least": ENTRIES_LEAST}
    return {row.operator_id: row.entries for row in session.execute(_FITTABLE, named)}


def without_model(session: Session, *, now: dt.datetime, since: dt.datetime | None = None) -> list[int]:
    """Operators that have enough entries, and no model yet, or none that was fitted after `since`."""
    wanted = select(AnomalyModel.operator_id).distinct()
    if since is not None:
        wanted = wanted.where(AnomalyModel.fitted_at > since)
    known = set(session.scalars(wanted))
    return [operator_id for operator_id in fittable(session, now=now) if operator_id not in known]


def gather(
    session: Session, *, operator_id: int, now: dt.datetime, most: int = ENTRIES_MOST
) -> Gathered | None:
    """The figures of the last 90 days' entries; None where there are fewer than ENTRIES_LEAST.

    Reads by a cursor on the server. In memory are the figures of `most` entries, about, and 37 days of the
    past of whom they are of.
    """
    entries = fittable(session, now=now).get(operator_id, 0)
    if not entries:
        return None
    since = now - dt.timedelta(days=FIT_DAYS)
    named = {
        "operator": operator_id,
        "now": now,
        "since": since,
        "begin": since - dt.timedelta(days=LOOKBACK_DAYS + MARKING_DELAY_DAYS),
        "permille": max(1, 1000 * most // entries),
        "marked_players": _marked_players(session, operator_id, since),
    }
    usual, drawn = {}, 0
    for row in session.execute(_USUAL, named):
        usual[row.currency, row.kind] = max(1.0, row.usual)
        drawn += row.entries
    zone = session.scalar(text("SELECT timezone FROM operators WHERE id = :id"), {"id": operator_id})
    figures, made, said = _read(
        session, named, Stream(zone=zone or "UTC", usual=usual), math.ceil(drawn / most)
    )
    rows = np.asarray(figures, np.float32).reshape(-1, len(FEATURES))
    return Gathered(usual, rows, np.asarray(made, np.float64), np.asarray(said, np.int8), entries)


def fit(gathered: Gathered, *, now: dt.datetime) -> Fitted | None:
    """A model of what people marked where enough was, else a forest; None where there are too few rows."""
    said, rows = gathered.said, gathered.rows
    known = said >= _ORDINARY
    try:
        if min(np.sum(said == _AMISS), np.sum(said == _IN_ORDER)) < MARKS_LEAST:
            raise TooFew("Too little is marked.")
        model = anomaly_model.fit_marked(rows[known], said[known] == _AMISS, usual=gathered.usual)
    except TooFew:
        try:
            model = anomaly_model.fit_unlabelled(rows, usual=gathered.usual)
        except TooFew:
            return None
    share = float(np.mean(anomaly_model.score(model, rows) >= model.hit_from))
    metrics = {
        "days": FIT_DAYS,
        "hits_a_day": round(share * gathered.entries / FIT_DAYS, 1),
        **(_judged_marks(gathered, now) if model.kind == Kind.MARKED else _judged(model, gathered)),
    }
    return Fitted(model, len(rows), int(np.sum((said == _AMISS) | (said == _IN_ORDER))), metrics)


def keep(session: Session, *, operator_id: int, fitted: Fitted, now: dt.datetime) -> int:
    """Write the model down: from now on it scores. Its id."""
    new = insert(AnomalyModel).values(
        operator_id=operator_id,
        kind=_KIND[fitted.model.kind],
        fitted_at=now,
        entries=fitted.entries,
        marked=fitted.marked,
        threshold=as_score(fitted.model.hit_from),
        content=anomaly_model.to_bytes(fitted.model),
        metrics=json.dumps(fitted.metrics, sort_keys=True),
    )
    model_id = session.scalars(new.returning(AnomalyModel.id)).one()
    session.execute(_EMPTY_OLD, {"operator": operator_id, "kept": CONTENTS_KEPT})
    return model_id


def as_score(value: float) -> int:
    """0 to 1 as 0 to 100, cut off: what reaches the threshold never shows less than it."""
    return min(100, max(0, math.floor(100 * value)))


def _marked_players(session: Session, operator_id: int, since: dt.datetime) -> list[int]:
    wanted = select(Anomaly.player_id).where(
        Anomaly.operator_id == operator_id, Anomaly.mark.is_not(None), Anomaly.happened_at >= since
    )
    return list(session.scalars(wanted.distinct().order_by(Anomaly.player_id)))


def _read(
    session: Session, named: Mapping[str, Any], stream: Stream, stride: int
) -> tuple["array[float]", "array[float]", "array[int]"]:
    """The figures of every n-th entry that is drawn and of every marked one, within the days."""
    figures, made, said = array("f"), array("d"), array("b")
    options = {"stream_results": True, "yield_per": _AT_A_TIME}
    count = 0
    with session.execute(_ENTRIES, named, execution_options=options) as found:
        for row in found:
            entry = anomaly_entries.entry(row)
            is_within = row.is_drawn and entry.at >= named["since"]
            count += is_within
            if not is_within or (count % stride and entry.is_amiss is None):
                stream.take_in(entry)
                continue
            figures.extend(stream.features(entry))
            made.append(entry.at.timestamp())
            said.append(_said(entry, is_found=row.is_found, now=named["now"]))
    return figures, made, said


def _said(entry: anomaly_features.Entry, *, is_found: bool, now: dt.datetime) -> int:
    """What counts of it by now. What was found and lies unmarked may be either; the rest nobody minded."""
    if anomaly_features.known_from(entry) > now:
        return _UNKNOWN
    if entry.is_amiss is not None:
        return _AMISS if entry.is_amiss else _IN_ORDER
    return _UNKNOWN if is_found else _ORDINARY


def _judged_marks(gathered: Gathered, now: dt.datetime) -> dict[str, Any]:
    """How a model that knows nothing of the last days' marks tells those apart."""
    edge = (now - dt.timedelta(days=JUDGED_DAYS + MARKING_DELAY_DAYS)).timestamp()
    known, is_late = gathered.said >= _ORDINARY, gathered.made >= edge
    before = known & ~is_late
    try:
        model = anomaly_model.fit_marked(
            gathered.rows[before], gathered.said[before] == _AMISS, usual=gathered.usual
        )
    except TooFew:
        return {"judged_on": 0}
    return _judged(model, gathered, is_late)


def _judged(model: Model, gathered: Gathered, among: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """How well scores tell what people marked amiss from what they marked in order; with enough of both."""
    is_marked = (gathered.said == _AMISS) | (gathered.said == _IN_ORDER)
    if among is not None:
        is_marked &= among
    amiss = gathered.said[is_marked] == _AMISS
    if min(amiss.sum(), (~amiss).sum()) < JUDGED_LEAST:
        return {"judged_on": 0}
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415 - as in anomaly_model

    scores = anomaly_model.score(model, gathered.rows[is_marked])
    return {
        "judged_on": int(is_marked.sum()),
        "auc": round(float(roc_auc_score(amiss, scores)), 3),
        "average_precision": round(float(average_precision_score(amiss, scores)), 3),
    }
