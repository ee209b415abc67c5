"""New entries are scored by their operator's model, each once; what looks odd is kept with its reasons.

Scoring follows the rollups' marks: what a balance's journal holds between `scored` and `sequence` is new. A
batch locks these marks, reads the past that the features ask for in sets, writes what it found and moves
`scored`, all in one transaction. For the worker: it loads numpy.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.models import Anomaly, AnomalyModel
from dashboard.services import anomaly_entries, anomaly_model
from dashboard.services.anomaly_features import LOOKBACK_DAYS, MARKING_DELAY_DAYS, Stream
from dashboard.services.anomaly_fitting import as_score
from dashboard.services.anomaly_model import Kind, Model, Unreadable
from dashboard.services.anomaly_wording import FEATURES

FRESH_DAYS = 7
"""What is dated longer ago is not scored: an import brought it, or no worker was there for as long."""
BALANCES, ENTRIES = 100, 500
"""So many journals are scored in one transaction, and so many new entries of each."""
PAST_MOST = 3_000
"""A journal is looked back over for so many entries at most, however few days these are."""

_LOCK = 0x50555253_0007  # "PURS": one scoring at a time
_ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
# Whoever forgets the rollups, or adds to them, waits for the batch; a mark that they hold comes next time.
_BEHIND = text("""
SELECT m.player_id, m.currency, m.scored AS since, least(m.sequence, m.scored + :entries) AS until
FROM rollup_marks m JOIN balances b ON b.player_id = m.player_id AND b.currency = m.currency
WHERE m.scored < m.sequence AND b.operator_id = :operator
ORDER BY m.player_id, m.currency LIMIT :balances FOR UPDATE OF m SKIP LOCKED
""")
_BATCH = """
unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[]), CAST(:sinces AS bigint[]),
       CAST(:untils AS bigint[])) AS h(player_id, currency, since, until)
"""
_FRESH = text(f"""
SELECT e.player_id, min(e.created_at) AS first, array_agg(DISTINCT e.performed_by) AS posters
FROM {_BATCH} JOIN wallet_entries e
  ON e.player_id = h.player_id AND e.currency = h.currency AND e.sequence > h.since AND e.sequence <= h.until
WHERE e.created_at >= :fresh
GROUP BY e.player_id ORDER BY e.player_id
""")
# All currencies of these players: what was found amiss of a player is told over all of them.
_PAST = text(f"""
SELECT {anomaly_entries.COLUMNS}, e.sequence > j.since AND e.created_at >= :fresh AS is_new
FROM (
  SELECT m.player_id, m.currency, coalesce(h.since, m.sequence) AS since,
         coalesce(h.until, m.sequence) AS until
  FROM rollup_marks m LEFT JOIN {_BATCH} ON h.player_id = m.player_id AND h.currency = m.currency
  WHERE m.player_id = ANY (:fresh_players)
) AS j
JOIN wallet_entries e
  ON e.player_id = j.player_id AND e.currency = j.currency AND e.sequence > j.since - :past_most
 AND e.sequence <= j.until AND e.created_at >= :begin
{anomaly_entries.MARKS}
""")
# Only posters of whom something was found amiss have shares to tell.
_POSTED = text(f"""
SELECT {anomaly_entries.COLUMNS}, false AS is_new
FROM wallet_entries e {anomaly_entries.MARKS}
WHERE e.operator_id = :operator AND e.created_at >= :begin AND NOT e.player_id = ANY (:fresh_players)
  AND e.performed_by <> 'system' AND e.performed_by IN (
    SELECT f.performed_by FROM anomalies m JOIN wallet_entries f
      ON f.player_id = m.player_id AND f.currency = m.currency AND f.sequence = m.sequence
    WHERE m.operator_id = :operator AND m.mark = 'right' AND m.happened_at >= :begin
      AND f.performed_by = ANY (:posters))
""")
_SCORED = text(f"""
UPDATE rollup_marks m SET scored = h.until FROM {_BATCH}
WHERE m.player_id = h.player_id AND m.currency = h.currency
""")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model that scores an operator's entries."""

    id: int
    operator_id: int
    timezone: str
    model: Model


@dataclass(frozen=True, slots=True)
class Scored:
    """What a batch came to."""

    journals: int
    """Whose mark was moved. 0: there is nothing left."""
    entries: int
    """How many had a score; others were dated too long ago."""
    hits: int


def operators(session: Session) -> list[int]:
    """Those whose entries are scored, as they have a model."""
    wanted = select(AnomalyModel.operator_id).distinct().order_by(AnomalyModel.operator_id)
    return list(session.scalars(wanted))


def load(session: Session, *, operator_id: int, known: Loaded | None = None) -> Loaded | None:
    """The newest model, read only where `known` is another one. None: none, or of another version's features.

    The next fitting mends the latter.
    """
    newest = select(AnomalyModel.id).filter_by(operator_id=operator_id).order_by(AnomalyModel.id.desc())
    model_id = session.scalar(newest.limit(1))
    zone = session.scalar(text("SELECT timezone FROM operators WHERE id = :id"), {"id": operator_id})
    if model_id is None or zone is None:
        return None
    if known is not None and (known.id, known.timezone) == (model_id, zone):
        return known
    content = session.scalars(select(AnomalyModel.content).filter_by(id=model_id)).one()
    try:
        return Loaded(model_id, operator_id, zone, anomaly_model.from_bytes(content))
    except Unreadable:
        return None


def score(
    session: Session,
    loaded: Loaded,
    *,
    now: dt.datetime,
    balances: int = BALANCES,
    entries: int = ENTRIES,
) -> Scored | None:
    """Score new entries of so many journals, and of each so many; again until it moves none.

    None where another process is at it.
    """
    if not session.scalar(_ALONE, {"lock": _LOCK}):
        return None
    wanted = {"operator": loaded.operator_id, "balances": balances, "entries": entries}
    behind = session.execute(_BEHIND, wanted).all()
    if not behind:
        return Scored(0, 0, 0)
    batch = {
        "players": [row.player_id for row in behind],
        "currencies": [row.currency for row in behind],
        "sinces": [row.since for row in behind],
        "untils": [row.until for row in behind],
    }
    rows, figures = _figures(session, loaded, batch, now)
    hits = _keep(session, loaded, rows, figures, now) if rows else 0
    session.execute(_SCORED, batch)
    return Scored(len(behind), len(rows), hits)


def _figures(
    session: Session, loaded: Loaded, batch: dict[str, Any], now: dt.datetime
) -> tuple[list[Any], list[tuple[float, ...]]]:
    """The new entries in the order of time, and the figures of each."""
    named = {**batch, "fresh": now - dt.timedelta(days=FRESH_DAYS), "operator": loaded.operator_id}
    fresh = session.execute(_FRESH, named).all()
    if not fresh:
        return [], []
    named |= {
        "fresh_players": [row.player_id for row in fresh],
        "begin": min(row.first for row in fresh) - dt.timedelta(days=LOOKBACK_DAYS + MARKING_DELAY_DAYS),
        "past_most": PAST_MOST,
        "posters": sorted({poster for row in fresh for poster in row.posters}),
    }
    found = list(session.execute(_PAST, named))
    if loaded.model.kind == Kind.MARKED:
        found += session.execute(_POSTED, named)
    stream = Stream(zone=loaded.timezone, usual=loaded.model.usual)
    rows, figures = [], []
    for row in sorted(found, key=anomaly_entries.place):
        if row.is_new:
            rows.append(row)
            figures.append(stream.features(anomaly_entries.entry(row)))
        else:
            stream.take_in(anomaly_entries.entry(row))
    return rows, figures


def _keep(
    session: Session,
    loaded: Loaded,
    rows: Sequence[Any],
    figures: Sequence[tuple[float, ...]],
    now: dt.datetime,
) -> int:
    """Write down what reaches the threshold; how many are new. What was found before stays as it is."""
    scores = anomaly_model.score(loaded.model, np.array(figures).reshape(-1, len(FEATURES)))
    hits = [
        {
            "player_id": row.player_id,
            "currency": row.currency,
            "sequence": row.sequence,
            "operator_id": loaded.operator_id,
            "model_id": loaded.id,
            "score": as_score(float(value)),
            "reasons": json.dumps(
                [[reason.name, reason.sentence] for reason in anomaly_model.explain(loaded.model, figure)]
            ),
            "happened_at": row.created_at,
            "found_at": now,
        }
        for row, figure, value in zip(rows, figures, scores, strict=True)
        if value >= loaded.model.hit_from
    ]
    if not hits:
        return 0
    new = insert(Anomaly).values(hits).on_conflict_do_nothing().returning(Anomaly.sequence)
    return len(session.scalars(new).all())
