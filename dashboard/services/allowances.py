"""How much each member of staff may move by hand: per change and per day, by currency.

No role moves money by default: without an allowance it is nothing. The system has no allowance and
needs none.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.errors import NotFound, Rejected
from dashboard.services import staff_log
from dashboard.services.actors import Actor
from dashboard.services.vip import Problem

UNUSUAL_FACTOR = 10
"""More than so many times the largest amount there ever was must be typed a second time."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What somebody may move in one currency, and what they have moved today. Minor units, absolute."""

    currency: str
    per_change: int
    per_day: int
    used: int
    """Of the calendar day, with what is held and not posted yet."""
    used_on_player: int
    """The same on one player alone: what the approval threshold is compared with."""
    largest: int
    """The largest change this person ever made."""

    @property
    def left(self) -> int:
        """What may still be moved today; never below zero."""
        return max(0, self.per_day - self.used)

    def problems(self, amount: int) -> list[Problem]:
        """What it says against moving that much."""
        found = []
        if amount > self.per_change:
            found.append(
                Problem(
                    "allowance_change",
                    "More than your allowance per change:"
                    f" {self._show(amount)} of {self._show(self.per_change)}.",
                )
            )
        if self.used + amount > self.per_day:
            message = (
                f"Over your allowance today: would reach {self._show(self.used + amount)}"
                f" of {self._show(self.per_day)}."
            )
            found.append(Problem("allowance_day", message))
        return found

    def _show(self, minor: int) -> str:
        return money.show(minor, self.currency)


_LOCK = text("SELECT FROM allowances WHERE login_id = :login AND currency = :currency FOR UPDATE")

# What is held counts like what is posted; of what waits for a second person, nothing has moved.
_LOOK = text("""
SELECT coalesce(max(a.per_change), 0)::bigint AS per_change, coalesce(max(a.per_day), 0)::bigint AS per_day,
       coalesce(max(a.largest), 0)::bigint AS largest,
       coalesce(max(m.used), 0)::bigint AS used, coalesce(max(m.on_player), 0)::bigint AS on_player
FROM (
  SELECT coalesce(sum(amount), 0) AS used,
         coalesce(sum(amount) FILTER (WHERE player_id = :player), 0) AS on_player
  FROM (
    SELECT player_id, abs(real_delta) + abs(bonus_delta) AS amount FROM wallet_entries
    WHERE performed_by = :reference AND created_at >= :day AND currency = :currency
      AND NOT (change_type = 'transfer' AND real_delta > 0)  -- counted where it went out
      AND change_type <> 'bonus_grant'
    UNION ALL
    -- Granted is granted, though it may queue and have no entry yet.
    SELECT player_id, amount FROM bonuses
    WHERE granted_by = :reference AND granted_at >= :day AND currency = :currency
    UNION ALL
    SELECT player_id, abs(real_delta) + abs(bonus_delta) FROM change_requests
    WHERE requested_by = :login AND state = 'held' AND currency = :currency
      AND requested_at >= CAST(:day AS timestamptz) - interval '1 hour'
  ) AS moved
) AS m
LEFT JOIN allowances a ON a.login_id = :login AND a.currency = :currency
""")

_NOTE_LARGEST = text("""
UPDATE allowances SET largest = :amount
WHERE login_id = :login AND currency = :currency AND largest < :amount
""")

_GRANT = text("""
INSERT INTO allowances AS a (login_id, currency, operator_id, per_change, per_day, changed_at)
SELECT l.id, :currency, l.operator_id, :per_change, :per_day, :now FROM logins l
WHERE l.id = :login AND l.operator_id = :operator
ON CONFLICT (login_id, currency) DO UPDATE SET
  per_change = excluded.per_change, per_day = excluded.per_day, changed_at = excluded.changed_at
RETURNING a.login_id
""")


def look(
    session: Session,
    *,
    actor: Actor,
    currency: str,
    timezone: str,
    now: dt.datetime,
    player_id: int | None = None,
    lock: bool = False,
) -> Allowance:
    """What `actor` may move, and has moved today.

    `lock` keeps it until the transaction ends, so that two changes of one person on two players are
    judged one after the other; it comes after the balances in the order of locks.
    """
    if lock:
        session.execute(_LOCK, {"login": actor.id, "currency": currency})
    row = session.execute(
        _LOOK,
        {
            "login": actor.id,
            "reference": actor.reference,
            "currency": currency,
            "player": player_id,
            "day": clock.day(now, timezone).start,
        },
    ).one()
    return Allowance(currency, row.per_change, row.per_day, row.used, row.on_player, row.largest)


def note_largest(session: Session, *, actor: Actor, currency: str, amount: int) -> None:
    """Remember the amount where it is the largest this person ever moved."""
    session.execute(_NOTE_LARGEST, {"login": actor.id, "currency": currency, "amount": amount})


def grant(
    session: Session,
    *,
    login_id: int,
    operator_id: int,
    currency: str,
    per_change: int,
    per_day: int,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Set what somebody may move. Raises Rejected at the figure that is out of range, and NotFound."""
    if not 0 <= per_change <= money.MAX_MINOR:
        raise Rejected("An allowance is zero or more.", field="per_change")
    if not per_change <= per_day <= money.MAX_MINOR:
        raise Rejected("The allowance of a day must not be below that of one change.", field="per_day")
    parameters: dict[str, Any] = {
        "login": login_id,
        "operator": operator_id,
        "currency": currency,
        "per_change": per_change,
        "per_day": per_day,
        "now": now,
    }
    if session.execute(_GRANT, parameters).one_or_none() is None:
        raise NotFound("There is no such member of staff.")
    staff_log.record(
        session,
        actor,
        "allowance.granted",
        operator_id=operator_id,
        details={"login": login_id, "currency": currency, "per_change": per_change, "per_day": per_day},
        now=now,
    )
