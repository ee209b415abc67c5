"""What hangs on an entry: what a person should know before undoing it."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.queries.journal import EntryDetail
from dashboard.services import reversals
from dashboard.services.change_types import LIMITED


@dataclass(frozen=True, slots=True)
class HangingAlert:
    """An alert whose last hit was the entry."""

    type: str
    severity: str
    state: str


@dataclass(frozen=True, slots=True)
class OtherLeg:
    """The other side of a transfer."""

    player_id: int
    player: str
    sequence: int
    real_delta: int
    reversed_by: int | None


@dataclass(frozen=True, slots=True)
class OpenWithdrawal:
    """A withdrawal that is requested and not paid. Minor units."""

    id: int
    amount: int
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A change request that would undo the entry too."""

    id: int
    by: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Hanging:
    """All that hangs on one entry, and the balance as it stands. Minor units."""

    version: int
    real: int
    pending: int
    min_balance: int | None
    """The lowest real balance that the level allows; None without a rule."""
    entries_since: int
    alerts: Sequence[HangingAlert]
    other_leg: OtherLeg | None
    withdrawals: Sequence[OpenWithdrawal]
    """The oldest first: in this order they are covered."""
    requests: Sequence[OpenRequest]
    undone: int
    """What was undone of it in parts, or is about to be."""
    uses_limit: str
    """`today`, or `this week`, where the entry counts to limits that still run; empty otherwise."""

    @property
    def withdrawable(self) -> int:
        """What may be taken without taking what is locked."""
        return max(0, self.real - self.pending)

    def left_of(self, entry: EntryDetail) -> int:
        """What of a credit is not undone yet."""
        return max(0, entry.real_delta - self.undone)

    def is_partly_spent(self, entry: EntryDetail) -> bool:
        """Whether a credit is not there any more in whole, so that undoing all of it leaves a debt."""
        return entry.real_delta > 0 and self.withdrawable < self.left_of(entry)

    def uncovered(self, real_after: int) -> list[OpenWithdrawal]:
        """The withdrawals that so much real money would not cover, taken in their order."""
        found, needed = [], 0
        for withdrawal in self.withdrawals:
            needed += withdrawal.amount
            if needed > real_after:
                found.append(withdrawal)
        return found


_STATE = text("""
SELECT b.version, b.real, b.pending, r.min_balance,
  ARRAY(SELECT jsonb_build_array(a.type, a.severity, a.state)::text FROM alerts a
        WHERE a.player_id = b.player_id AND a.currency = b.currency AND a.sequence = :s
        ORDER BY a.severity, a.id) AS alerts
FROM balances b
JOIN wallets w ON w.player_id = b.player_id
LEFT JOIN vip_rules r ON r.operator_id = b.operator_id AND r.level = w.vip_level AND r.currency = b.currency
WHERE b.player_id = :p AND b.currency = :c
""")
_OTHER_LEG = text("""
SELECT e.player_id, p.name, e.sequence, e.real_delta, r.sequence AS reversed_by
FROM wallet_entries m
JOIN wallet_entries e ON e.player_id = (m.metadata::jsonb ->> 'other_player')::bigint
  AND e.currency = m.currency AND e.sequence = (m.metadata::jsonb ->> 'other_sequence')::bigint
JOIN players p ON p.id = e.player_id
LEFT JOIN wallet_entries r
  ON r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence
WHERE m.player_id = :p AND m.currency = :c AND m.sequence = :s
""")
_WITHDRAWALS = text("""
SELECT id, amount, requested_at FROM withdrawals
WHERE player_id = :p AND currency = :c AND state = 'requested' ORDER BY requested_at, id
""")
_REQUESTS = text("""
SELECT q.id, l.name, q.requested_at FROM change_requests q JOIN logins l ON l.id = q.requested_by
WHERE q.player_id = :p AND q.currency = :c AND q.state IN ('held', 'waiting')
  AND (q.reverses = :s OR q.reference = :reference)
ORDER BY q.requested_at, q.id
""")


def hanging(session: Session, *, entry: EntryDetail, timezone: str, now: dt.datetime) -> Hanging:
    """What hangs on an entry that was read before, for whoever may read it. At most five statements."""
    scope = {"p": entry.player_id, "c": entry.currency, "s": entry.sequence}
    state = session.execute(_STATE, scope).one()
    leg = session.execute(_OTHER_LEG, scope).one_or_none() if entry.change_type == "transfer" else None
    requests = session.execute(_REQUESTS, {**scope, "reference": reversals.reference_of(entry.sequence)})
    withdrawals = session.execute(_WITHDRAWALS, scope)
    return Hanging(
        version=state.version,
        real=state.real,
        pending=state.pending,
        min_balance=state.min_balance,
        entries_since=state.version - entry.sequence,
        alerts=[HangingAlert(*json.loads(alert)) for alert in state.alerts],
        other_leg=None if leg is None else OtherLeg(*leg),
        withdrawals=[OpenWithdrawal(*row) for row in withdrawals],
        requests=[OpenRequest(*row) for row in requests],
        undone=reversals.undone_of(
            session, player_id=entry.player_id, currency=entry.currency, sequence=entry.sequence
        ),
        uses_limit=_uses_limit(entry, timezone, now),
    )


def _uses_limit(entry: EntryDetail, timezone: str, now: dt.datetime) -> str:
    if entry.change_type not in LIMITED:
        return ""
    if entry.created_at >= clock.day(now, timezone).start:
        return "today"
    return "this week" if entry.created_at >= clock.week(now, timezone).start else ""
