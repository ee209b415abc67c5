"""How grants end before they are cleared: expired, given back, cancelled, or with their wallet.

One path for all: what remains leaves the balance by one entry of each grant, and the queue moves up. What
a grant has at stake meanwhile is the settlement's: it credits a win and forfeits it by a second entry.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.models.bonus import BonusState
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, bonuses, staff_log, standings
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.changes import BalanceChange, Dated, Request


@dataclass(frozen=True, slots=True)
class Ended:
    """A grant that has ended, and what was taken with it, in minor units."""

    operator_id: int
    player_id: int
    bonus_id: int
    taken: int


@dataclass(frozen=True, slots=True)
class _Ending:
    """Why grants end, as rows and entries say it."""

    word: str
    """The last part of the entry's key: `bonus:<id>:<word>`."""
    state: BonusState
    reason: str
    change_type: ChangeType = ChangeType.BONUS_FORFEIT


def surrender(
    session: Session, *, player_id: int, bonus_id: int, reason: str, actor: Actor, now: dt.datetime
) -> Ended:
    """Let a player be rid of a grant, as they wish. Raises NotFound, Conflict where it has ended."""
    ending = _Ending("surrender", BonusState.FORFEITED, reason)
    return _end_one(session, ending, player_id=player_id, bonus_id=bonus_id, actor=actor, now=now)


def cancel(
    session: Session, *, player_id: int, bonus_id: int, reason: str, actor: Actor, now: dt.datetime
) -> Ended:
    """Take a grant back that should not have been made. Raises NotFound, Conflict where it has ended."""
    ending = _Ending("cancel", BonusState.CANCELLED, reason)
    return _end_one(session, ending, player_id=player_id, bonus_id=bonus_id, actor=actor, now=now)


def expire_due(session: Session, *, now: dt.datetime, limit: int) -> list[Ended]:
    """End active grants whose time is over, those that were due first before others; at most `limit`.

    For a job, again until it returns none: what was ended stays ended, and of two at once each grant is
    ended by one.
    """
    due = session.execute(_DUE, {"now": now, "limit": limit}).all()
    if not due:
        return []
    keys = [(row.player_id, row.currency) for row in due]
    standings.lock_many(session, keys, now=now)
    # Under the locks: whoever was here first has ended some of them.
    named = {"players": [row.player_id for row in due], "ids": [row.id for row in due]}
    rows = session.execute(_STILL_DUE, {**named, "now": now}).all()
    ending = _Ending("expiry", BonusState.EXPIRED, "Not cleared in time", ChangeType.BONUS_EXPIRY)
    ended = _end(session, rows, ending, SYSTEM, now)
    bonuses.activate_queued(session, keys, now)
    return ended


def forfeit_all(
    session: Session, *, player_id: int, reason: str, actor: Actor, now: dt.datetime
) -> list[Ended]:
    """End every grant of a player whose wallet is being closed, the queued ones too.

    The balances must be locked. Nothing moves up.
    """
    rows = session.execute(_OPEN, {"p": player_id, "id": None}).all()
    return _end(session, rows, _Ending("closing", BonusState.FORFEITED, reason), actor, now)


def take(
    session: Session,
    *,
    player_id: int,
    currency: str,
    amount: int,
    reason: str,
    actor: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> BalanceChange:
    """Take bonus money away by an adjustment: from the oldest grant on, `amount` minor units in all.

    Raises as `balances.change` does: what is more than the bonus balance is refused.
    """
    request = Request(
        player_id=player_id,
        currency=currency,
        change_type=ChangeType.ADJUSTMENT,
        real_delta=0,
        bonus_delta=-amount,
        reason=reason,
        idempotency_key=idempotency_key,
    )
    change = balances.change(session, request=request, actor=actor, now=now)
    if not change.repeated:
        session.execute(_TAKE, {"p": player_id, "c": currency, "amount": amount})
        bonuses.activate_queued(session, [(player_id, currency)], now)
    return change


_CURRENCY = text("SELECT currency FROM bonuses WHERE player_id = :p AND id = :id")
_OPEN = text("""
SELECT operator_id, player_id, currency, id, remaining FROM bonuses
WHERE player_id = :p AND state IN ('queued', 'active') AND id = coalesce(CAST(:id AS bigint), id)
ORDER BY id
""")
_DUE = text("""
SELECT player_id, currency, id FROM bonuses
WHERE state = 'active' AND expires_at <= :now ORDER BY expires_at LIMIT :limit
""")
_STILL_DUE = text("""
SELECT b.operator_id, b.player_id, b.currency, b.id, b.remaining FROM bonuses b
JOIN unnest(CAST(:players AS bigint[]), CAST(:ids AS bigint[])) AS n(player_id, id)
  ON n.player_id = b.player_id AND n.id = b.id
WHERE b.state = 'active' AND b.expires_at <= :now ORDER BY b.player_id, b.id
""")
_END = text("""
UPDATE bonuses b SET state = :state, forfeited = b.forfeited + b.remaining, remaining = 0,
  ended_at = :now, ended_by = :who, end_reason = :reason
FROM unnest(CAST(:players AS bigint[]), CAST(:ids AS bigint[])) AS n(player_id, id)
WHERE b.player_id = n.player_id AND b.id = n.id AND b.state IN ('queued', 'active')
""")
_TAKE = text("""
WITH open AS (
  SELECT id, greatest(0, least(remaining, :amount - (sum(remaining) OVER (ORDER BY id) - remaining)))::bigint
         AS taken
  FROM bonuses WHERE player_id = :p AND currency = :c AND state = 'active'
)
UPDATE bonuses b SET remaining = b.remaining - open.taken, forfeited = b.forfeited + open.taken
FROM open WHERE b.player_id = :p AND b.id = open.id AND open.taken > 0
""")


def _end_one(
    session: Session, ending: _Ending, *, player_id: int, bonus_id: int, actor: Actor, now: dt.datetime
) -> Ended:
    currency = session.scalar(_CURRENCY, {"p": player_id, "id": bonus_id})
    if currency is None:
        raise NotFound("There is no such bonus.")
    standings.lock(session, player_id=player_id, currency=currency, actor=actor, now=now)
    rows = session.execute(_OPEN, {"p": player_id, "id": bonus_id}).all()
    if not rows:
        raise Conflict("This bonus has already ended.")
    (ended,) = _end(session, rows, ending, actor, now)
    staff_log.record(
        session,
        actor,
        f"bonus.{'surrendered' if ending.state == BonusState.FORFEITED else ending.state}",
        player_id=player_id,
        operator_id=ended.operator_id,
        details={"bonus": bonus_id, "reason": ending.reason},
        now=now,
    )
    bonuses.activate_queued(session, [(player_id, currency)], now)
    return ended


def _end(
    session: Session, rows: Sequence[Row[Any]], ending: _Ending, actor: Actor, now: dt.datetime
) -> list[Ended]:
    """End open grants of locked balances; each takes with it what remains of it."""
    holding = [row for row in rows if row.remaining]
    for some in _one_of_each_balance(holding):
        bonuses.move(session, [Dated(_taking(row, ending), actor, now) for row in some])
    session.execute(
        _END,
        {
            "players": [row.player_id for row in rows],
            "ids": [row.id for row in rows],
            "state": ending.state,
            "now": now,
            "who": actor.reference,
            "reason": ending.reason,
        },
    )
    return [Ended(row.operator_id, row.player_id, row.id, row.remaining) for row in rows]


def _one_of_each_balance(rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """The rows in parts that hold each balance once: a statement writes at most one entry of a journal."""
    while rows:
        first = {(row.player_id, row.currency): row for row in reversed(rows)}
        yield list(first.values())
        rows = [row for row in rows if first[row.player_id, row.currency].id != row.id]


def _taking(row: Row[Any], ending: _Ending) -> Request:
    return Request(
        player_id=row.player_id,
        currency=row.currency,
        change_type=ending.change_type,
        real_delta=0,
        bonus_delta=-row.remaining,
        reason=ending.reason,
        idempotency_key=f"bonus:{row.id}:{ending.word}",
        metadata={"bonus": row.id},
    )
