"""Where a balance stands and what is known of its past: what judging a change asks.

`lock` takes the locks of a change, in the order that everybody keeps: the balance, then the wallet.
`recall` must come after it, in a statement of its own: a statement that waited for a lock still sees
the rows of the moment at which it began.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import NotFound
from dashboard.services import risk, vip
from dashboard.services.actors import Actor
from dashboard.services.change_types import LIMITED
from dashboard.services.journal import Entry


@dataclass(frozen=True, slots=True)
class Located:
    """A balance as it stands, with the wallet's status and the rule in force. Minor units."""

    operator_id: int
    timezone: str
    status: str
    agent_id: int | None
    real: int
    bonus: int
    pending: int
    largest: int
    undo_seconds: int
    active_hours: int
    version: int
    currency: str
    rule: vip.Rule | None

    def standing(self, *, used_today: int, used_this_week: int, now: dt.datetime) -> vip.Standing:
        """The same, as the rules look at it."""
        return vip.Standing(
            status=self.status,
            currency=self.currency,
            real=self.real,
            bonus=self.bonus,
            pending=self.pending,
            used_today=used_today,
            used_this_week=used_this_week,
            day_ends_at=clock.day(now, self.timezone).end,
            week_ends_at=clock.week(now, self.timezone).end,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change request that stands with the same idempotency key."""

    id: int
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Past:
    """What a balance's journal says to a new change. Amounts in minor units, absolute."""

    used_today: int
    used_this_week: int
    earlier: list[int]
    """Of the same change type, latest first, at most risk.HISTORY."""
    changes_last_hour: int
    """At most 10: more make no difference."""
    known: Entry | None
    """The entry of this player that already has the idempotency key."""
    known_fingerprint: bytes | None
    open_alerts: list[str]
    """Types of the alerts on this balance that are not resolved."""
    waiting: Waiting | None


COLUMNS = """
       b.operator_id, o.timezone, w.status, p.agent_id, b.real, b.bonus, b.pending, b.largest,
       o.undo_seconds, b.active_hours, b.version,
       b.currency, w.vip_level, r.min_balance, r.max_balance, r.daily_limit, r.weekly_limit,
       r.warning_threshold, r.critical_threshold, r.drop_percent, r.approval_threshold,
       r.version AS rule_version, b.player_id
"""
"""What `located_from` asks of a row, for statements that lock more than a balance."""
TABLES = """
FROM balances b
JOIN wallets w ON w.player_id = b.player_id
JOIN players p ON p.id = b.player_id
JOIN operators o ON o.id = b.operator_id
LEFT JOIN vip_rules r ON r.operator_id = b.operator_id AND r.level = w.vip_level AND r.currency = b.currency
"""
_FROM_BALANCE = f"SELECT {COLUMNS} {TABLES}"
_ONE = "WHERE b.player_id = :p AND b.currency = :c"
_MANY = """
JOIN unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[])) AS n(player_id, currency)
  ON n.player_id = b.player_id AND n.currency = b.currency
ORDER BY b.player_id, b.currency
"""
# Two FOR clauses, which select() cannot say. The balance is locked first, so that freezing, which
# locks the balances before it changes the wallet, waits for what is in flight.
_FOR_CHANGE = " FOR UPDATE OF b FOR SHARE OF w"
_LOOK = text(_FROM_BALANCE + _ONE)
_LOCK = text(_FROM_BALANCE + _ONE + _FOR_CHANGE)
_LOCK_MANY = text(_FROM_BALANCE + _MANY + _FOR_CHANGE)

_ENSURE = text("""
INSERT INTO balances (player_id, currency, operator_id, updated_at)
SELECT w.player_id, :c, w.operator_id, :now FROM wallets w WHERE w.player_id = :p
ON CONFLICT DO NOTHING
""")

_ENSURE_MANY = text("""
INSERT INTO balances (player_id, currency, operator_id, updated_at)
SELECT w.player_id, n.currency, w.operator_id, :now
FROM unnest(CAST(:players AS bigint[]), CAST(:currencies AS text[])) AS n(player_id, currency)
JOIN wallets w ON w.player_id = n.player_id
ON CONFLICT DO NOTHING
""")

# What is held, or requested and not paid yet, uses the limits as if it were posted.
_USED = """
SELECT coalesce(sum(amount), 0)::bigint AS week,
       coalesce(sum(amount) FILTER (WHERE at >= :day), 0)::bigint AS day
FROM (
  SELECT abs(real_delta) AS amount, created_at AS at FROM wallet_entries
  WHERE player_id = :p AND currency = :c AND change_type = ANY(:limited) AND created_at >= :week
  UNION ALL
  SELECT abs(real_delta), :now FROM change_requests
  WHERE player_id = :p AND currency = :c AND state = 'held' AND change_type = ANY(:limited)
    AND id IS DISTINCT FROM CAST(:own_request AS bigint)
  UNION ALL
  SELECT amount, requested_at FROM withdrawals
  WHERE player_id = :p AND currency = :c AND state = 'requested' AND requested_at >= :week
    AND id IS DISTINCT FROM CAST(:own_withdrawal AS bigint)
) AS counted
"""

_RECALL = text(f"""
SELECT used.week, used.day,
  ARRAY(SELECT abs(real_delta) FROM wallet_entries
        WHERE player_id = :p AND currency = :c AND change_type = :type
        ORDER BY created_at DESC LIMIT :history) AS earlier,
  (SELECT count(*) FROM wallet_entries
   WHERE player_id = :p AND currency = :c AND sequence > :version - 10
     AND created_at > CAST(:now AS timestamptz) - interval '1 hour') AS last_hour,
  k.currency, k.sequence, k.change_type, k.real_delta, k.bonus_delta, k.real_after, k.bonus_after, k.reason,
  k.risk_score, k.created_at, k.fingerprint,
  ARRAY(SELECT type FROM alerts
        WHERE player_id = :p AND currency = :c AND state <> 'resolved') AS open_alerts,
  q.id AS request_id, q.fingerprint AS request_fingerprint
FROM ({_USED}) AS used
LEFT JOIN wallet_entries k ON k.player_id = :p AND k.idempotency_key = :key
LEFT JOIN change_requests q ON q.player_id = :p AND q.idempotency_key = :key
  AND q.id IS DISTINCT FROM CAST(:own_request AS bigint)
""")

_RESERVE = text("""
UPDATE balances SET pending = pending + :amount WHERE player_id = :p AND currency = :c RETURNING pending
""")


def lock(session: Session, *, player_id: int, currency: str, actor: Actor, now: dt.datetime) -> Located:
    """Lock a balance, and share-lock its wallet, until the transaction ends.

    A balance in a currency that the player has not used yet is made. Raises NotFound.
    """
    located = _locate(session, _LOCK, player_id, currency, actor)
    if located is None:
        # Of two first changes at once, one waits here and then finds the balance of the other.
        ensure(session, player_id=player_id, currency=currency, now=now)
        located = _locate(session, _LOCK, player_id, currency, actor)
    if located is None:
        raise NotFound("There is no such player.")
    return located


def lock_many(
    session: Session, keys: Sequence[tuple[int, str]], *, now: dt.datetime
) -> dict[tuple[int, str], Located]:
    """Lock many balances, by (player, currency), in that order; make those that do not exist yet.

    For the system alone: it does not ask whose operator they are. Raises NotFound for a player
    who has no wallet.
    """
    parameters = {"players": [player_id for player_id, _ in keys], "currencies": [code for _, code in keys]}
    session.execute(_ENSURE_MANY, {**parameters, "now": now})
    located = {
        (row.player_id, row.currency): located_from(row) for row in session.execute(_LOCK_MANY, parameters)
    }
    if len(located) != len(set(keys)):
        raise NotFound("There is no wallet for some of these players.")
    return located


def look(session: Session, *, player_id: int, currency: str, actor: Actor) -> Located:
    """The same without a lock, for pages. Raises NotFound."""
    located = _locate(session, _LOOK, player_id, currency, actor)
    if located is None:
        raise NotFound("This player has no balance in that currency.")
    return located


def ensure(session: Session, *, player_id: int, currency: str, now: dt.datetime) -> None:
    """Make the balance where it does not exist yet."""
    session.execute(_ENSURE, {"p": player_id, "c": currency, "now": now})


def used(session: Session, *, player_id: int, located: Located, now: dt.datetime) -> tuple[int, int]:
    """What is used of the limits today and this week, in minor units."""
    row = session.execute(text(_USED), {**_periods(player_id, located, now), **_OWN_NOTHING}).one()
    return row.day, row.week


def recall(
    session: Session,
    *,
    player_id: int,
    change_type: str,
    idempotency_key: str,
    located: Located,
    now: dt.datetime,
    own_request: int | None = None,
    own_withdrawal: int | None = None,
) -> Past:
    """What the journal says to a new change of that type. One statement; the balance must be locked.

    `own_request` and `own_withdrawal` are what the change itself comes from: not counted again.
    """
    row = session.execute(
        _RECALL,
        {
            **_periods(player_id, located, now),
            "type": change_type,
            "key": idempotency_key,
            "version": located.version,
            "history": risk.HISTORY,
            "own_request": own_request,
            "own_withdrawal": own_withdrawal,
        },
    ).one()
    known = Entry(player_id, *row[4:14]) if row.sequence is not None else None
    waiting = None if row.request_id is None else Waiting(row.request_id, row.request_fingerprint)
    return Past(
        row.day, row.week, row.earlier, row.last_hour, known, row.fingerprint, row.open_alerts, waiting
    )


def reserve(session: Session, player_id: int, located: Located, amount: int) -> Located:
    """Set an amount aside on a locked balance, or free it again where it is negative. Minor units."""
    parameters = {"p": player_id, "c": located.currency, "amount": amount}
    return replace(located, pending=session.execute(_RESERVE, parameters).scalar_one())


_OWN_NOTHING = {"own_request": None, "own_withdrawal": None}


def _periods(player_id: int, located: Located, now: dt.datetime) -> dict[str, object]:
    return {
        "p": player_id,
        "c": located.currency,
        "limited": list(LIMITED),
        "day": clock.day(now, located.timezone).start,
        "week": clock.week(now, located.timezone).start,
        "now": now,
    }


def _locate(
    session: Session, statement: TextClause, player_id: int, currency: str, actor: Actor
) -> Located | None:
    row = session.execute(statement, {"p": player_id, "c": currency}).one_or_none()
    return located_from(row) if row is not None and actor.serves(row.operator_id) else None


def located_from(row: Row[Any]) -> Located:
    """Where a balance stands, from a row of a statement that selected COLUMNS."""
    rule = None
    if row.rule_version is not None:
        rule = vip.Rule(
            level=row.vip_level,
            currency=row.currency,
            min_balance=row.min_balance,
            max_balance=row.max_balance,
            daily_limit=row.daily_limit,
            weekly_limit=row.weekly_limit,
            warning_threshold=row.warning_threshold,
            critical_threshold=row.critical_threshold,
            drop_percent=row.drop_percent,
            approval_threshold=row.approval_threshold,
            version=row.rule_version,
        )
    return Located(
        operator_id=row.operator_id,
        timezone=row.timezone,
        status=row.status,
        agent_id=row.agent_id,
        real=row.real,
        bonus=row.bonus,
        pending=row.pending,
        largest=row.largest,
        undo_seconds=row.undo_seconds,
        active_hours=row.active_hours,
        version=row.version,
        currency=row.currency,
        rule=rule,
    )
