"""The money of a settlement: one transaction over what belongs to the players of a round, all in sets.

The balances are locked in the order of their players; then the bets are decided, each player gets one
entry, and grants, experience and statistics follow. Every statement finds its rows by the version that
the bets were stamped with.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.models.alert import AlertType
from dashboard.models.game import BetState, Side
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    alerts,
    balances,
    judging,
    rule_sets,
    settlement_bonuses,
    settlement_undo,
    standings,
    vip_rules,
)
from dashboard.services.actors import SYSTEM
from dashboard.services.rule_sets import Outcome, Rules


@dataclass(frozen=True, slots=True)
class Settling:
    """A settlement that is being paid."""

    round_id: int
    version: int
    game_id: int
    operator_id: int
    currency: str
    timezone: str
    title: str
    """How its entries name the round."""
    is_void: bool
    month: dt.date
    now: dt.datetime

    @property
    def key(self) -> str:
        """The idempotency key of each player's entry."""
        return f"settle:{self.round_id}:{self.version}"

    def parameters(self, change_type: ChangeType, reason: str, key: str | None = None) -> dict[str, Any]:
        """What the postings of one kind have in common."""
        return {
            "r": self.round_id,
            "v": self.version,
            "c": self.currency,
            "type": change_type,
            "reason": reason,
            "key": key or self.key,
            "fingerprint": balances.fingerprint_of(key or self.key),
            "who": SYSTEM.reference,
            "now": self.now,
            "hour": clock.local(self.now, self.timezone).hour,
        }


_SETTLEMENT = text("""
SELECT m.paid_at, m.joker, m.cards, m.winner, m.reason, f.claimed_at AS first_at, r.game_id, r.operator_id,
       r.currency, r.number, g.name, s.definition, o.timezone, o.currency AS home, o.xp_per_unit
FROM round_settlements m
JOIN round_settlements f ON f.round_id = m.round_id AND f.version = 1
JOIN rounds r ON r.id = m.round_id
JOIN games g ON g.id = r.game_id
JOIN rule_sets s ON s.id = r.rule_set_id
JOIN operators o ON o.id = r.operator_id
WHERE m.round_id = :r AND m.version = :v
FOR UPDATE OF m
""")
_LOCK_BALANCES = text("""
SELECT count(*) FROM (
  SELECT 1 FROM balances b
  WHERE b.currency = :c AND b.player_id IN (SELECT player_id FROM bets WHERE round_id = :r)
  ORDER BY b.player_id FOR UPDATE OF b
) AS locked
""")
# The stake and what it pays, half to even; of mixed stakes the grants' part is rounded down.
_DECIDE = text("""
WITH outcome AS (
  SELECT * FROM unnest(CAST(:selections AS text[]), CAST(:stages AS smallint[]), CAST(:states AS text[]),
                       CAST(:numerators AS bigint[]), CAST(:denominators AS bigint[]))
    AS o(selection, stage, state, numerator, denominator)
), due AS (
  SELECT b.player_id, b.id, o.state, o.numerator, o.denominator, a.version + 1 AS sequence, w.payout,
         CASE WHEN b.bonus_part = 0 THEN 0
              ELSE div(w.payout::numeric * b.bonus_part, b.amount)::bigint END AS payout_bonus
  FROM bets b
  JOIN outcome o ON o.selection = b.selection AND o.stage = b.stage
  JOIN balances a ON a.player_id = b.player_id AND a.currency = :c
  CROSS JOIN LATERAL (
    SELECT b.amount::numeric * o.numerator AS product,
           div(b.amount::numeric * o.numerator, o.denominator) AS whole
  ) AS t
  CROSS JOIN LATERAL (
    SELECT CASE o.state
      WHEN 'lost' THEN 0
      WHEN 'won' THEN b.amount + (t.whole + CASE
        WHEN 2 * (t.product - t.whole * o.denominator) > o.denominator
          OR 2 * (t.product - t.whole * o.denominator) = o.denominator AND mod(t.whole, 2) = 1
        THEN 1 ELSE 0 END)::bigint
      ELSE b.amount END AS payout
  ) AS w
  WHERE b.round_id = :r AND b.state = 'pending'
)
UPDATE bets b
SET state = d.state, version = :v,
    pays_numerator = d.numerator, pays_denominator = d.denominator,
    payout = d.payout, payout_bonus = d.payout_bonus, payout_real = d.payout - d.payout_bonus,
    settlement_sequence = CASE WHEN d.payout > 0 THEN d.sequence END
FROM due d WHERE b.player_id = d.player_id AND b.id = d.id
""")
_COUNT = text("""
SELECT count(*) AS bets, count(DISTINCT player_id) AS players, coalesce(sum(amount), 0)::bigint AS staked,
       coalesce(sum(payout), 0)::bigint AS paid, count(*) FILTER (WHERE state = 'pending') AS pending,
       count(*) FILTER (WHERE bonus_part > 0) AS with_bonus
FROM bets WHERE round_id = :r
""")
_PAID = text("""
UPDATE round_settlements SET paid_at = :now, bets = :bets, players = :players, staked = :staked, paid = :paid
WHERE round_id = :r AND version = :v
""")
# What a grant that is completed was due goes to real money, as far as it may win.
_POSTINGS = f"""
WITH due AS (
  SELECT player_id, sum(payout_real) AS real, sum(payout_bonus) AS bonus, count(*) AS bets
  FROM bets WHERE round_id = :r AND version = :v GROUP BY player_id HAVING sum(payout) > 0
), {settlement_bonuses.LATE}
SELECT d.player_id, :c AS currency, :type AS change_type, 'gaming' AS contra_account,
       d.real + coalesce(l.to_real, 0) AS real_delta, d.bonus - coalesce(l.to_real, 0) AS bonus_delta,
       :reason AS reason, :who AS performed_by, p.agent_id, NULL AS reference, :key AS idempotency_key,
       :fingerprint AS fingerprint, NULL AS reverses,
       format('{{"bets":%s,"round":%s,"version":%s}}', d.bets, CAST(:r AS bigint), CAST(:v AS bigint))
         AS metadata,
       NULL AS risk_score, :now AS created_at, :type AS counts_as, :hour AS hour
FROM due d
JOIN players p ON p.id = d.player_id
LEFT JOIN (
  SELECT player_id, sum(to_real) AS to_real FROM late GROUP BY player_id
) AS l ON l.player_id = d.player_id
"""
_STATISTICS = text("""
WITH played AS (
  SELECT player_id, operator_id, count(*) AS bets, sum(amount) AS wagered, sum(real_part) AS real,
         sum(payout) AS paid
  FROM bets WHERE round_id = :r AND version = :v AND state <> 'void' GROUP BY player_id, operator_id
), kept AS (
  INSERT INTO player_game_statistics AS s (player_id, game_id, month, operator_id, rounds, bets, wagered,
                                           real_wagered, paid)
  SELECT player_id, :game, :month, operator_id, 1, bets, wagered, real, paid FROM played
  ON CONFLICT (player_id, game_id, month) DO UPDATE SET
    rounds = s.rounds + 1, bets = s.bets + excluded.bets, wagered = s.wagered + excluded.wagered,
    real_wagered = s.real_wagered + excluded.real_wagered, paid = s.paid + excluded.paid
  RETURNING s.player_id, s.real_wagered
)
SELECT k.player_id, (k.real_wagered / :unit - (k.real_wagered - p.real) / :unit)::bigint AS units
FROM kept k JOIN played p ON p.player_id = k.player_id
WHERE k.real_wagered / :unit > (k.real_wagered - p.real) / :unit
""")
_WITH_ALERTS = text("""
SELECT DISTINCT e.player_id, e.real_delta, e.sequence
FROM alerts a
JOIN wallet_entries e ON e.player_id = a.player_id AND e.idempotency_key = :key
WHERE a.operator_id = :operator AND a.currency = :c AND a.state <> 'resolved' AND a.type = ANY(:types)
""")
_CLOSED_BY_CREDIT = [AlertType.WARNING, AlertType.CRITICAL, AlertType.NEGATIVE]


def pay(session: Session, *, round_id: int, version: int, now: dt.datetime) -> None:
    """Move the money of one settlement; nothing where that is done. One transaction.

    The first version gives experience too; later ones leave it as it is.
    """
    row = session.execute(_SETTLEMENT, {"r": round_id, "v": version}).one()
    if row.paid_at is not None:
        return
    settling = _settling(row, round_id, version, now)
    scope = {"r": round_id, "c": settling.currency}
    session.execute(_LOCK_BALANCES, scope)
    if version > 1:
        settlement_undo.unwind(session, settling)
    rules = rule_sets.read(row.definition)
    outcomes = _outcomes(rules, row)
    session.execute(_DECIDE, {**scope, "v": version, **_columns(outcomes)})
    counted = session.execute(_COUNT, scope).one()
    if counted.pending:
        raise RuntimeError(f"{counted.pending} bets of round {round_id} have no outcome")
    with_bonus = counted.with_bonus > 0
    if with_bonus:
        settlement_bonuses.share(session, settling)
    _post(session, settling)
    if with_bonus:
        settlement_bonuses.keep(session, settling)
    gains = _keep_statistics(session, settling, row)
    if version == 1 and gains:
        vip_rules.add_xp_many(session, gains, actor=SYSTEM)
    _close_alerts(session, settling)
    totals = {
        "bets": counted.bets,
        "players": counted.players,
        "staked": counted.staked,
        "paid": counted.paid,
    }
    session.execute(_PAID, {"r": round_id, "v": version, "now": now, **totals})


def _settling(row: Row[Any], round_id: int, version: int, now: dt.datetime) -> Settling:
    return Settling(
        round_id=round_id,
        version=version,
        game_id=row.game_id,
        operator_id=row.operator_id,
        currency=row.currency,
        timezone=row.timezone,
        title=f"{row.name} round {row.number}",
        is_void=row.winner is None,
        month=clock.local(row.first_at, row.timezone).date().replace(day=1),
        now=now,
    )


def _outcomes(rules: Rules, row: Row[Any]) -> list[Outcome]:
    """What each bet type came to; void are those of stages that the deal never reached, or all of a void."""
    decided: list[Outcome] = []
    if row.winner is not None:
        decided += rules.outcomes(joker=row.joker, winner=Side(row.winner), cards_dealt=len(row.cards))
    known = {(outcome.selection, outcome.stage) for outcome in decided}
    void = [
        Outcome(selection, stage, BetState.VOID, 0, 1)
        for stage in range(1, len(rules.stages) + 1)
        for selection in rules.selections(stage)
        if (selection, stage) not in known
    ]
    return [*decided, *void]


def _columns(outcomes: list[Outcome]) -> Mapping[str, list[Any]]:
    is_void = [outcome.state == BetState.VOID for outcome in outcomes]
    return {
        "selections": [outcome.selection for outcome in outcomes],
        "stages": [outcome.stage for outcome in outcomes],
        "states": [outcome.state for outcome in outcomes],
        "numerators": [None if void else o.numerator for o, void in zip(outcomes, is_void, strict=True)],
        "denominators": [None if void else o.denominator for o, void in zip(outcomes, is_void, strict=True)],
    }


def _post(session: Session, settling: Settling) -> None:
    change_type = ChangeType.REFUND if settling.is_void else ChangeType.SETTLEMENT
    reason = f"{settling.title}{', void' if settling.is_void else ''}"
    balances.post_selected(
        session, _POSTINGS, settling.parameters(change_type, reason), change_type=change_type
    )


def _keep_statistics(session: Session, settling: Settling, row: Row[Any]) -> list[vip_rules.Gain]:
    """Add to the players' months; returns what experience they gained by real stakes in the home currency."""
    reached = session.execute(
        _STATISTICS,
        {
            "r": settling.round_id,
            "v": settling.version,
            "game": settling.game_id,
            "month": settling.month,
            "unit": money.from_whole(1, settling.currency),
        },
    ).all()
    if settling.currency != row.home or not row.xp_per_unit:
        return []
    return [
        vip_rules.Gain(each.player_id, each.units * row.xp_per_unit, settling.title, settling.now)
        for each in reached
    ]


def _close_alerts(session: Session, settling: Settling) -> None:
    """Credits lift balances above their lines: those alerts close as with any other change."""
    found = session.execute(
        _WITH_ALERTS,
        {
            "key": settling.key,
            "operator": settling.operator_id,
            "c": settling.currency,
            "types": _CLOSED_BY_CREDIT,
        },
    ).all()
    if not found:
        return
    keys = [(row.player_id, settling.currency) for row in found]
    located = standings.lock_many(session, keys, now=settling.now)
    placed = []
    for row in found:
        place = located[row.player_id, settling.currency]
        before = replace(place, real=place.real - row.real_delta)
        outcome = judging.outcome_of(before, row.real_delta, None)
        placed.append(
            alerts.Placed(
                row.player_id, settling.currency, settling.operator_id, row.sequence, outcome, settling.now
            )
        )
    alerts.apply(session, placed)
