"""A player as they were at a moment: status, level, the rule in force, balances, what was used of limits.

Nothing is kept for it: it is read from what is append-only. Names and handles are those of now.
"""

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import NotFound
from dashboard.models.wallet import WalletStatus
from dashboard.queries import journal, players
from dashboard.queries.journal import EntriesPage
from dashboard.queries.players import Header
from dashboard.services import vip
from dashboard.services.change_types import LIMITED


@dataclass(frozen=True, slots=True)
class Moment:
    """As of when: every change up to `at`, and of the shown journal at most the entry `through`."""

    at: dt.datetime
    through: int | None = None


@dataclass(frozen=True, slots=True)
class PastBalance:
    """What a balance was. Minor units."""

    currency: str
    real: int
    bonus: int
    pending: int
    sequence: int
    """Of the last entry by then; 0 before the first."""
    next_at: dt.datetime | None
    """When the entry after it was made; None where there is none yet."""

    @property
    def withdrawable(self) -> int:
        """Real money that was not locked."""
        return vip.withdrawable(self.real, self.pending)


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert that was not resolved then."""

    type: str
    severity: str
    raised_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PastPage:
    """One player and one of their balances as of a moment."""

    player: Header
    """As they are called now, with the status and the level that they had."""
    moment: Moment
    balances: tuple[PastBalance, ...]
    balance: PastBalance
    rule: vip.Rule | None
    """In force then, for the level that the player had."""
    limits: tuple[vip.LimitUse, ...]
    alerts: tuple[PastAlert, ...]

    @property
    def is_before_the_player(self) -> bool:
        """Whether the player was not known yet."""
        return self.moment.at < self.player.created_at


_WALLET = text("""
SELECT s.action, s.details, s.logged_at,
       coalesce(l.name, CASE s.performed_by WHEN 'system' THEN 'System' END, s.performed_by) AS by,
       coalesce(before.to_level, after.from_level, w.vip_level) AS level
FROM wallets w
LEFT JOIN LATERAL (
  SELECT action, details, logged_at, performed_by FROM staff_log
  WHERE player_id = w.player_id AND action IN ('wallet.frozen', 'wallet.unfrozen', 'wallet.closed')
    AND logged_at <= :at
  ORDER BY logged_at DESC, id DESC LIMIT 1) s ON true
LEFT JOIN LATERAL (
  SELECT to_level FROM vip_level_changes WHERE player_id = w.player_id AND changed_at <= :at
  ORDER BY changed_at DESC, id DESC LIMIT 1) before ON true
LEFT JOIN LATERAL (
  SELECT from_level FROM vip_level_changes WHERE player_id = w.player_id AND changed_at > :at
  ORDER BY changed_at, id LIMIT 1) after ON true
LEFT JOIN logins l ON s.performed_by = 'staff:' || l.id
WHERE w.player_id = :p
""")

_RULE = text("""
SELECT level, currency, min_balance, max_balance, daily_limit, weekly_limit, warning_threshold,
       critical_threshold, drop_percent, approval_threshold, version
FROM vip_rule_versions
WHERE operator_id = :operator AND level = :level AND currency = :c AND changed_at <= :at
ORDER BY version DESC LIMIT 1
""")

# What was set aside then: requested or held by then, and not ended. What an entry ended that is not part
# of the journal as shown had not ended either.
_PENDING = text("""
SELECT n.currency,
       (SELECT coalesce(sum(amount), 0)::bigint FROM withdrawals
        WHERE player_id = :p AND currency = n.currency AND requested_at <= :at
          AND (ended_at IS NULL OR ended_at > :at OR sequence > n.through))
       + (SELECT coalesce(sum(-real_delta), 0)::bigint FROM change_requests
          WHERE player_id = :p AND currency = n.currency AND requested_at <= :at AND post_at IS NOT NULL
            AND real_delta < 0 AND (ended_at IS NULL OR ended_at > :at OR sequence > n.through)) AS pending
FROM unnest(CAST(:currencies AS text[]), CAST(:sequences AS bigint[])) AS n(currency, through)
""")

_USED = text("""
SELECT coalesce(sum(amount), 0)::bigint AS week,
       coalesce(sum(amount) FILTER (WHERE at >= :day), 0)::bigint AS day
FROM (
  SELECT abs(real_delta) AS amount, created_at AS at FROM wallet_entries
  WHERE player_id = :p AND currency = :c AND change_type = ANY(:limited)
    AND created_at >= :week AND created_at <= :at AND sequence <= :through
  UNION ALL
  SELECT abs(real_delta), :at FROM change_requests
  WHERE player_id = :p AND currency = :c AND change_type = ANY(:limited) AND post_at IS NOT NULL
    AND requested_at <= :at AND (ended_at IS NULL OR ended_at > :at OR sequence > :through)
  UNION ALL
  SELECT amount, requested_at FROM withdrawals
  WHERE player_id = :p AND currency = :c AND requested_at >= :week AND requested_at <= :at
    AND (ended_at IS NULL OR ended_at > :at OR sequence > :through)
) AS counted
""")

_ALERTS = text("""
SELECT type, severity, raised_at FROM alerts
WHERE player_id = :p AND currency = :c AND raised_at <= :at AND (resolved_at IS NULL OR resolved_at > :at)
ORDER BY severity, raised_at DESC, id
""")


def get_page(
    session: Session,
    *,
    player_id: int,
    currency: str | None,
    moment: Moment,
    operator_id: int,
    timezone: str,
) -> PastPage:
    """The player as of a moment, with the balance in `currency` or in the operator's own.

    Raises NotFound, also for a currency in which nothing has moved to this day.
    """
    player = players.get_header(session, player_id=player_id, operator_id=operator_id)
    scope = {"p": player_id, "at": moment.at, "operator": operator_id}
    player = _as_it_was(session, player, scope)
    wanted = currency or player.home_currency
    balances = _balances(session, player_id, wanted, moment)
    balance = next((row for row in balances if row.currency == wanted), None)
    if balance is None:
        raise NotFound("This player has no balance in that currency.")
    scope |= {"c": wanted, "through": balance.sequence}
    rule = _rule(session, player.vip_level, scope)
    return PastPage(
        player=player,
        moment=moment,
        balances=balances,
        balance=balance,
        rule=rule,
        limits=_limits(session, rule, balance, scope, timezone) if rule else (),
        alerts=tuple(PastAlert(*row) for row in session.execute(_ALERTS, scope)),
    )


def page_of_entries(
    session: Session, *, player_id: int, balance: PastBalance, before: int | None = None
) -> EntriesPage:
    """A page of the journal up to the moment of that balance, latest first, as it was read then."""
    page = journal.page_of_entries(
        session,
        player_id=player_id,
        currency=balance.currency,
        where=journal.Filter(),
        before=min(balance.sequence + 1, before or balance.sequence + 1),
    )
    # What was undone later had not been undone.
    rows = [
        replace(row, reversed_by=None) if (row.reversed_by or 0) > balance.sequence else row
        for row in page.rows
    ]
    return EntriesPage(rows, page.next_before)


def _as_it_was(session: Session, player: Header, scope: dict[str, Any]) -> Header:
    row = session.execute(_WALLET, scope).one()
    moved = row.action is not None and row.action != "wallet.unfrozen"
    status = row.action.removeprefix("wallet.") if moved else WalletStatus.ACTIVE
    return replace(
        player,
        status=status,
        status_reason=json.loads(row.details).get("reason") if moved else None,
        status_by=row.by if moved else None,
        status_at=row.logged_at if moved else None,
        vip_level=row.level,
    )


def _balances(session: Session, player_id: int, currency: str, moment: Moment) -> tuple[PastBalance, ...]:
    was = journal.balances_as_of(
        session, player_id=player_id, at=moment.at, currency=currency, through=moment.through
    )
    found = session.execute(
        _PENDING,
        {
            "p": player_id,
            "at": moment.at,
            "currencies": [of.currency for of in was],
            "sequences": [of.sequence for of in was],
        },
    )
    pending = {row.currency: row.pending for row in found}
    return tuple(
        PastBalance(of.currency, of.real, of.bonus, pending[of.currency], of.sequence, of.next_at)
        for of in was
    )


def _rule(session: Session, level: str, scope: dict[str, Any]) -> vip.Rule | None:
    row = session.execute(_RULE, {**scope, "level": level}).mappings().one_or_none()
    return vip.Rule(**row) if row is not None else None


def _limits(
    session: Session, rule: vip.Rule, balance: PastBalance, scope: dict[str, Any], timezone: str
) -> tuple[vip.LimitUse, ...]:
    day, week = clock.day(scope["at"], timezone), clock.week(scope["at"], timezone)
    used = session.execute(
        _USED, {**scope, "limited": list(LIMITED), "day": day.start, "week": week.start}
    ).one()
    standing = vip.Standing(
        status=WalletStatus.ACTIVE,  # limits are used alike whatever the status
        currency=balance.currency,
        real=balance.real,
        bonus=balance.bonus,
        pending=balance.pending,
        used_today=used.day,
        used_this_week=used.week,
        day_ends_at=day.end,
        week_ends_at=week.end,
    )
    return tuple(vip.limit_uses(standing, rule, 0))
