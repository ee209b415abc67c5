"""What a settlement earns partners: one row per partner and contract version, in its third transaction.

Whose a player is, whether the partner earned and which terms held is asked as of the first settlement of
the round, so that a correction finds the same; it writes what is different from the versions before.
The accounts are locked in the order of their partners.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.partner import Disclosure
from dashboard.models.partner_money import PeriodKind
from dashboard.services import partner_terms
from dashboard.services.partner_terms import NOTHING, PLAYERS_MIN, Shown

# Bets that count, by partner and the contract version that holds for the player. Void bets never count.
_PLAYED = """
WITH played AS (
  SELECT b.player_id, sum(b.amount) AS whole_bets, sum(b.payout) AS whole_payouts,
         sum(b.real_part) AS real_bets, sum(b.payout_real) AS real_payouts
  FROM bets b WHERE b.round_id = :r AND b.state IN ('won', 'lost', 'push')
  GROUP BY b.player_id
), referred AS (
  SELECT p.*, f.partner_id, f.since
  FROM played p
  CROSS JOIN LATERAL (
    SELECT r.partner_id, r.since FROM referrals r
    WHERE r.player_id = p.player_id AND r.since <= :first_at ORDER BY r.since DESC LIMIT 1
  ) AS f
  WHERE (
    SELECT s.status FROM partner_status_changes s
    WHERE s.partner_id = f.partner_id AND s.since <= :first_at ORDER BY s.since DESC, s.id DESC LIMIT 1
  ) IN ('active', 'suspended')
), agreed AS (
  SELECT p.*, c.id AS contract_id, c.counts
  FROM referred p
  CROSS JOIN LATERAL (
    SELECT k.id, k.counts FROM partner_contracts k
    WHERE k.partner_id = p.partner_id AND k.valid_from <= :opened_on AND k.made_at <= :first_at
      AND (k.version = 1 OR k.accepted_at <= :first_at
           OR k.valid_from <= (p.since AT TIME ZONE :zone)::date)
    ORDER BY k.version DESC LIMIT 1
  ) AS c
)
"""
_SUMS = text(
    _PLAYED
    + """
SELECT partner_id, contract_id, count(*) AS players,
       sum(CASE counts WHEN 'real' THEN real_bets ELSE whole_bets END)::bigint AS bets,
       sum(CASE counts WHEN 'real' THEN real_payouts ELSE whole_payouts END)::bigint AS payouts
FROM agreed GROUP BY partner_id, contract_id ORDER BY partner_id, contract_id
"""
)
# What the versions before have written, the rejected rows aside: these are as if they had never been.
_BEFORE = text("""
SELECT g.partner_id, g.contract_id, sum(s.players)::bigint AS players, bool_or(s.is_open) AS is_open,
       sum(g.real_bets)::bigint AS bets, sum(g.real_payouts)::bigint AS payouts,
       sum(s.bets)::bigint AS shown_bets, sum(s.payouts)::bigint AS shown_payouts,
       sum(s.profit)::bigint AS shown_profit, sum(s.earned)::bigint AS earned
FROM partner_game_earnings g JOIN partner_shown_earnings s ON s.id = g.id
WHERE g.round_id = :r AND g.settlement_version < :v AND s.state <> 'rejected'
GROUP BY g.partner_id, g.contract_id
""")
_CONTRACTS = text("""
SELECT id, share_bp, rate_bp, loss_policy, disclosure, hold_days FROM partner_contracts WHERE id = ANY(:ids)
""")
_OPEN_ACCOUNTS = text("""
INSERT INTO partner_accounts (partner_id, currency, operator_id)
SELECT p, :c, :operator FROM unnest(CAST(:partners AS bigint[])) AS p ORDER BY p
ON CONFLICT DO NOTHING
""")
_LOCK_ACCOUNTS = text("""
SELECT partner_id, closed_through FROM partner_accounts
WHERE partner_id = ANY(:partners) AND currency = :c ORDER BY partner_id FOR NO KEY UPDATE
""")
_WRITE = text("""
WITH earning AS (
  SELECT * FROM unnest(
    CAST(:partner_id AS bigint[]), CAST(:contract_id AS bigint[]), CAST(:players AS bigint[]),
    CAST(:real_bets AS bigint[]), CAST(:real_payouts AS bigint[]), CAST(:bets AS bigint[]),
    CAST(:payouts AS bigint[]), CAST(:profit AS bigint[]), CAST(:earned AS bigint[]), CAST(:day AS date[]),
    CAST(:is_open AS boolean[]), CAST(:approve_at AS timestamptz[])
  ) AS t(partner_id, contract_id, players, real_bets, real_payouts, bets, payouts, profit, earned, day,
         is_open, approve_at)
), written AS (
  INSERT INTO partner_game_earnings (partner_id, contract_id, operator_id, game_id, round_id,
    settlement_version, currency, real_bets, real_payouts, real_profit, share_bp, rate_bp, loss_policy,
    settled_at)
  SELECT t.partner_id, t.contract_id, :operator, :game, :r, :v, :c, t.real_bets, t.real_payouts,
         t.real_bets - t.real_payouts, k.share_bp, k.rate_bp, k.loss_policy, :settled_at
  FROM earning t JOIN partner_contracts k ON k.id = t.contract_id
  ORDER BY t.partner_id, t.contract_id
  RETURNING id, partner_id, contract_id
)
INSERT INTO partner_shown_earnings (id, partner_id, operator_id, currency, game_id, round_id, round_number,
  settlement_version, day, settled_at, players, bets, payouts, profit, earned, is_open, approve_at)
SELECT w.id, t.partner_id, :operator, :c, :game, :r, :number, :v, t.day, :settled_at, t.players, t.bets,
       t.payouts, t.profit, t.earned, t.is_open, t.approve_at
FROM written w JOIN earning t ON t.partner_id = w.partner_id AND t.contract_id = w.contract_id
""")
_CREDIT = text("""
UPDATE partner_accounts a SET total = a.total + d.earned, pending = a.pending + d.earned
FROM (
  SELECT partner_id, sum(earned) AS earned
  FROM unnest(CAST(:partner_id AS bigint[]), CAST(:earned AS bigint[])) AS t(partner_id, earned)
  GROUP BY partner_id
) AS d
WHERE a.partner_id = d.partner_id AND a.currency = :c
""")
_SEE_PLAYERS = text(
    _PLAYED
    + """, seen AS (
  SELECT DISTINCT p.player_id, p.partner_id, s.kind, s.starts, s.game_id
  FROM agreed p
  JOIN unnest(CAST(:partner_id AS bigint[]), CAST(:kind AS text[]), CAST(:starts AS date[]),
              CAST(:game_id AS bigint[])) AS s(partner_id, kind, starts, game_id)
    ON s.partner_id = p.partner_id
), fresh AS (
  INSERT INTO partner_period_players (player_id, partner_id, currency, kind, starts, game_id)
  SELECT player_id, partner_id, :c, kind, starts, game_id FROM seen
  ON CONFLICT DO NOTHING
  RETURNING partner_id, kind, starts, game_id
)
SELECT partner_id, kind, starts, game_id, count(*) AS players FROM fresh
GROUP BY partner_id, kind, starts, game_id
"""
)
_ADD_TO_PERIODS = text("""
INSERT INTO partner_shown_periods AS s (partner_id, currency, kind, starts, game_id, rounds, players, bets,
                                        payouts, profit, earned, is_named)
SELECT partner_id, :c, kind, starts, game_id, rounds, players, bets, payouts, profit, earned, is_named
FROM unnest(
  CAST(:partner_id AS bigint[]), CAST(:kind AS text[]), CAST(:starts AS date[]), CAST(:game_id AS bigint[]),
  CAST(:rounds AS bigint[]), CAST(:players AS bigint[]), CAST(:bets AS bigint[]),
  CAST(:payouts AS bigint[]), CAST(:profit AS bigint[]), CAST(:earned AS bigint[]),
  CAST(:is_named AS boolean[])
) AS t(partner_id, kind, starts, game_id, rounds, players, bets, payouts, profit, earned, is_named)
ORDER BY partner_id, kind, starts, game_id
ON CONFLICT (partner_id, currency, kind, starts, game_id) DO UPDATE SET
  rounds = s.rounds + excluded.rounds, players = s.players + excluded.players, bets = s.bets + excluded.bets,
  payouts = s.payouts + excluded.payouts, profit = s.profit + excluded.profit,
  earned = s.earned + excluded.earned, is_named = s.is_named AND excluded.is_named
""")


@dataclass(frozen=True, slots=True)
class Settled:
    """A version of a round's settlement whose money has moved."""

    round_id: int
    version: int
    operator_id: int
    game_id: int
    number: int
    currency: str
    timezone: str
    opened_at: dt.datetime
    first_at: dt.datetime
    """When its first version was claimed."""
    settled_at: dt.datetime
    """When this version was claimed."""

    def scope(self) -> dict[str, Any]:
        """What the statements ask by."""
        return {
            "r": self.round_id,
            "v": self.version,
            "operator": self.operator_id,
            "game": self.game_id,
            "number": self.number,
            "c": self.currency,
            "zone": self.timezone,
            "opened_on": clock.local(self.opened_at, self.timezone).date(),
            "first_at": self.first_at,
            "settled_at": self.settled_at,
        }


@dataclass(frozen=True, slots=True)
class Earning:
    """A row that is to be written: the differences to the versions before."""

    partner_id: int
    contract_id: int
    players: int
    real_bets: int
    real_payouts: int
    shown: Shown
    day: dt.date
    is_open: bool
    is_named: bool
    approve_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Period:
    """What shown figures are summed over: a day, a month, or a month of one game."""

    kind: PeriodKind
    starts: dt.date
    game_id: int

    @classmethod
    def of(cls, day: dt.date, game_id: int) -> tuple["Period", ...]:
        """The three periods that a day's earning of a game is part of."""
        month = day.replace(day=1)
        return (
            cls(PeriodKind.DAY, day, 0),
            cls(PeriodKind.MONTH, month, 0),
            cls(PeriodKind.GAME, month, game_id),
        )


def write(session: Session, settled: Settled) -> None:
    """Write what a version earned every partner of its players, or takes from them."""
    scope = settled.scope()
    sums = {(row.partner_id, row.contract_id): row for row in session.execute(_SUMS, scope)}
    concerned = sorted(sums.keys() | _written_before(session, settled).keys())
    if not concerned:
        return
    partners = sorted({partner_id for partner_id, _ in concerned})
    session.execute(_OPEN_ACCOUNTS, {**scope, "partners": partners})
    closed = {
        row.partner_id: row.closed_through
        for row in session.execute(_LOCK_ACCOUNTS, {**scope, "partners": partners})
    }
    # Again, under the locks: somebody may just have rejected a row of it.
    before = _written_before(session, settled)
    contracts = {
        row.id: row for row in session.execute(_CONTRACTS, {"ids": sorted({key[1] for key in concerned})})
    }
    today = clock.local(settled.settled_at, settled.timezone).date()
    earnings = [
        earning
        for partner_id, contract_id in concerned
        if (
            earning := _earning(
                contracts[contract_id],
                sums.get((partner_id, contract_id)),
                before.get((partner_id, contract_id)),
                partner_id=partner_id,
                day=open_day(today, closed[partner_id]),
                settled_at=settled.settled_at,
            )
        )
    ]
    if earnings:
        session.execute(_WRITE, {**scope, **_columns(earnings)})
        session.execute(_CREDIT, {**scope, **_columns(earnings)})
        _add_to_periods(session, settled, scope, earnings)


def _written_before(session: Session, settled: Settled) -> dict[tuple[int, int], Row[Any]]:
    """What the versions before have written, by partner and contract."""
    if settled.version == 1:
        return {}
    rows = session.execute(_BEFORE, settled.scope())
    return {(row.partner_id, row.contract_id): row for row in rows}


def open_day(day: dt.date, closed_through: dt.date | None) -> dt.date:
    """That day, or the first day of the first month that no statement has closed."""
    if closed_through is None:
        return day
    return max(day, (closed_through + dt.timedelta(days=32)).replace(day=1))


def _earning(
    contract: Row[Any],
    now: Row[Any] | None,
    before: Row[Any] | None,
    *,
    partner_id: int,
    day: dt.date,
    settled_at: dt.datetime,
) -> Earning | None:
    """The row of one contract; None where the version before said the same."""
    bets, payouts, players = (now.bets, now.payouts, now.players) if now else (0, 0, 0)
    figures = partner_terms.shown(
        bets,
        payouts,
        share_bp=contract.share_bp,
        rate_bp=contract.rate_bp,
        loss_policy=contract.loss_policy,
    )
    is_named = contract.disclosure == Disclosure.TERMS
    is_open = is_named or players >= PLAYERS_MIN
    if before is not None:
        shown_before = Shown(before.shown_bets, before.shown_payouts, before.shown_profit, before.earned)
        if (before.bets, before.payouts, before.players, shown_before) == (bets, payouts, players, figures):
            return None
        bets, payouts = bets - before.bets, payouts - before.payouts
        players -= before.players
        figures = figures.minus(shown_before)
        is_open = is_open or before.is_open
    elif now is None:
        return None
    return Earning(
        partner_id=partner_id,
        contract_id=contract.id,
        players=players,
        real_bets=bets,
        real_payouts=payouts,
        shown=figures,
        day=day,
        is_open=is_open,
        is_named=is_named,
        approve_at=settled_at + dt.timedelta(days=contract.hold_days),
    )


def _columns(earnings: Sequence[Earning]) -> dict[str, list[Any]]:
    """The earnings as the arrays that a statement unnests."""
    return {
        "partner_id": [each.partner_id for each in earnings],
        "contract_id": [each.contract_id for each in earnings],
        "players": [each.players for each in earnings],
        "real_bets": [each.real_bets for each in earnings],
        "real_payouts": [each.real_payouts for each in earnings],
        "bets": [each.shown.bets for each in earnings],
        "payouts": [each.shown.payouts for each in earnings],
        "profit": [each.shown.profit for each in earnings],
        "earned": [each.shown.earned for each in earnings],
        "day": [each.day for each in earnings],
        "is_open": [each.is_open for each in earnings],
        "approve_at": [each.approve_at for each in earnings],
    }


def _add_to_periods(
    session: Session, settled: Settled, scope: Mapping[str, Any], earnings: Sequence[Earning]
) -> None:
    added: dict[tuple[int, Period], Sums] = {}
    for each in earnings:
        for period in Period.of(each.day, settled.game_id):
            key = (each.partner_id, period)
            # However many contracts a partner earns by, it is one round; a correction is none.
            rounds = 1 if settled.version == 1 else 0
            added[key] = added.get(key, Sums(rounds)).plus(each.shown, is_named=each.is_named)
    seen = session.execute(_SEE_PLAYERS, {**scope, **_keys(added)})
    for row in seen:
        key = (row.partner_id, Period(PeriodKind(row.kind), row.starts, row.game_id))
        added[key] = replace(added[key], players=row.players)
    add_to_periods(session, currency=settled.currency, added=added)


@dataclass(frozen=True, slots=True)
class Sums:
    """What is added to one period."""

    rounds: int = 0
    players: int = 0
    shown: Shown = NOTHING
    is_named: bool = True

    def plus(self, shown: Shown, *, is_named: bool) -> "Sums":
        """With another earning."""
        return replace(
            self,
            shown=shown.minus(NOTHING.minus(self.shown)),
            is_named=self.is_named and is_named,
        )


def add_to_periods(session: Session, *, currency: str, added: Mapping[tuple[int, Period], Sums]) -> None:
    """Add to the shown figures of periods, by partner. Their accounts must be locked."""
    sums = added.values()
    session.execute(
        _ADD_TO_PERIODS,
        {
            "c": currency,
            **_keys(added),
            "rounds": [each.rounds for each in sums],
            "players": [each.players for each in sums],
            "bets": [each.shown.bets for each in sums],
            "payouts": [each.shown.payouts for each in sums],
            "profit": [each.shown.profit for each in sums],
            "earned": [each.shown.earned for each in sums],
            "is_named": [each.is_named for each in sums],
        },
    )


def _keys(added: Iterable[tuple[int, Period]]) -> dict[str, list[Any]]:
    keys = list(added)
    return {
        "partner_id": [partner_id for partner_id, _ in keys],
        "kind": [period.kind.value for _, period in keys],
        "starts": [period.starts for _, period in keys],
        "game_id": [period.game_id for _, period in keys],
    }
