"""The one statement that moves balances and appends entries. Only `balances` calls it.

Set-based: any number of balances at once, but at most one entry per balance and call. The balances
must be locked by the caller's transaction, and everything must have been judged.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, get_type_hints

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard import metrics
from dashboard.services import chain


@dataclass(frozen=True, slots=True)
class Posting:
    """One judged change, ready to be written. Amounts in minor units."""

    player_id: int
    currency: str
    change_type: str
    contra_account: str
    real_delta: int
    bonus_delta: int
    reason: str
    performed_by: str
    agent_id: int | None
    reference: str | None
    idempotency_key: str
    fingerprint: bytes
    reverses: int | None
    metadata: str
    risk_score: int | None
    created_at: dt.datetime
    counts_as: str
    """The change type whose lifetime sum it moves: its own, or that of the entry it reverses."""
    hour: int
    """Of the operator's day, for the hours in which the player is active."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A written entry, as far as callers ask."""

    player_id: int
    currency: str
    sequence: int
    change_type: str
    real_delta: int
    bonus_delta: int
    real_after: int
    bonus_after: int
    reason: str
    risk_score: int | None
    created_at: dt.datetime

    @property
    def real_before(self) -> int:
        """The real balance that the entry found."""
        return self.real_after - self.real_delta


_SQL_TYPES: dict[Any, str] = {
    int: "bigint",
    str: "text",
    bytes: "bytea",
    dt.datetime: "timestamptz",
    int | None: "bigint",
    str | None: "text",
}
_COLUMNS = tuple((name, _SQL_TYPES[kind]) for name, kind in get_type_hints(Posting).items())
_ENTRY_COLUMNS = tuple(column.name for column in fields(Entry))

# What each column of the entry is while the balance is being updated: `b` is the balance before.
_WHILE_MOVING = {
    **{name: f"p.{name}" for name, _ in chain.FIELDS},
    "sequence": "b.version + 1",
    "operator_id": "b.operator_id",
    "real_after": "b.real + p.real_delta",
    "bonus_after": "b.bonus + p.bonus_delta",
}

_GIVEN = f"""
  SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS)})
    AS p({", ".join(name for name, _ in _COLUMNS)})
"""
_MOVED = f"""
moved AS (
  UPDATE balances b SET
    real = b.real + p.real_delta,
    bonus = b.bonus + p.bonus_delta,
    deposited = b.deposited + CASE p.counts_as WHEN 'deposit' THEN p.real_delta ELSE 0 END,
    withdrawn = b.withdrawn - CASE p.counts_as WHEN 'withdrawal' THEN p.real_delta ELSE 0 END,
    wagered = b.wagered - CASE p.counts_as WHEN 'wager' THEN p.real_delta + p.bonus_delta ELSE 0 END,
    turnover = b.turnover
      - CASE WHEN p.counts_as IN ('wager', 'refund') THEN p.real_delta + p.bonus_delta ELSE 0 END,
    won = b.won + CASE p.counts_as WHEN 'settlement' THEN p.real_delta + p.bonus_delta ELSE 0 END,
    real_losses = b.real_losses
      - CASE WHEN p.counts_as IN ('wager', 'settlement', 'refund') THEN p.real_delta ELSE 0 END,
    bonus_losses = b.bonus_losses
      - CASE WHEN p.counts_as IN ('wager', 'settlement', 'refund') THEN p.bonus_delta ELSE 0 END,
    largest = greatest(b.largest, abs(p.real_delta)),
    active_hours = b.active_hours | (1 << p.hour::int),
    version = b.version + 1,
    head = {chain.sql(_WHILE_MOVING, before="b.head")},
    updated_at = p.created_at
  FROM posting p
  WHERE b.player_id = p.player_id AND b.currency = p.currency
  RETURNING p.*, b.operator_id, b.version AS sequence, b.real AS real_after, b.bonus AS bonus_after, b.head
)
"""
_WRITE = """
INSERT INTO wallet_entries (
  player_id, currency, sequence, operator_id, change_type, contra_account, real_delta, bonus_delta,
  real_after, bonus_after, reason, performed_by, agent_id, reference, idempotency_key, fingerprint,
  reverses, metadata, risk_score, created_at, hash)
SELECT
  player_id, currency, sequence, operator_id, change_type, contra_account, real_delta, bonus_delta,
  real_after, bonus_after, reason, performed_by, agent_id, reference, idempotency_key, fingerprint,
  reverses, metadata, risk_score, created_at, head
FROM moved
"""
_APPEND = text(f"WITH posting AS ({_GIVEN}), {_MOVED} {_WRITE} RETURNING {', '.join(_ENTRY_COLUMNS)}")


def append(session: Session, postings: Sequence[Posting]) -> list[Entry]:
    """Move the balances and append one entry for each; in no particular order.

    Raises RuntimeError, which rolls everything back, when a balance was missing or named twice.
    """
    columns = {name: [getattr(posting, name) for posting in postings] for name, _ in _COLUMNS}
    entries = [Entry(**row) for row in session.execute(_APPEND, columns).mappings()]
    if len(entries) != len(postings):
        raise RuntimeError(f"{len(postings)} postings made {len(entries)} entries")
    metrics.note(session, "entry", [entry.change_type for entry in entries])
    return entries


@lru_cache
def _appending(selected: str) -> TextClause:
    columns = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in _COLUMNS)
    return text(f"""
        WITH posting AS (SELECT {columns} FROM ({selected}) AS selected),
        {_MOVED}, written AS ({_WRITE} RETURNING 1)
        SELECT (SELECT count(*) FROM posting) AS wanted, (SELECT count(*) FROM written) AS written
    """)


def append_selected(
    session: Session, selected: str, parameters: Mapping[str, object], *, change_type: str
) -> int:
    """The same for postings that a SELECT of ours returns, in columns named as those of Posting; how many.

    What moves by the hundred thousand never comes into this process. Raises as `append` does.
    """
    row = session.execute(_appending(selected), parameters).one()
    if row.written != row.wanted:
        raise RuntimeError(f"{row.wanted} postings made {row.written} entries")
    metrics.note(session, "entry", [change_type] * row.written)
    return int(row.written)
