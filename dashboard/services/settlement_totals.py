"""The end of a settlement: what the players of a game share. One transaction, after the money."""

import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.models.game import Dealing
from dashboard.services import fairness, partner_earnings, rule_sets

_SETTLEMENT = text("""
SELECT m.done_at, m.joker, m.cards, m.winner, m.bets, m.players, m.staked, m.paid, m.version,
       f.claimed_at AS first_at, m.claimed_at, r.id AS round_id, r.operator_id, r.game_id, r.number,
       r.currency, r.opened_at, r.state, r.dealing, r.seed_sealed, s.definition, o.timezone
FROM round_settlements m
JOIN round_settlements f ON f.round_id = m.round_id AND f.version = 1
JOIN rounds r ON r.id = m.round_id
JOIN rule_sets s ON s.id = r.rule_set_id
JOIN operators o ON o.id = r.operator_id
WHERE m.round_id = :r AND m.version = :v
FOR UPDATE OF m, r
""")
_BEFORE = text("""
SELECT joker, cards, winner, bets, players, staked, paid FROM round_settlements
WHERE round_id = :r AND version = :v
""")
_STAKES = text("""
SELECT selection, stage, CAST(sum(amount) AS bigint) AS amount FROM bets
WHERE round_id = :r GROUP BY selection, stage
""")
_ROUND = text("""
UPDATE rounds SET
  state = CASE state WHEN 'voided' THEN 'voided' ELSE 'settled' END,
  version = :v, ended_at = coalesce(ended_at, :now), seed = :seed,
  bets = :bets, players = :players, staked = :staked, paid = :paid,
  joker = coalesce(CAST(:joker AS smallint), joker), cards = CAST(:cards AS smallint[]),
  winner = CASE state WHEN 'voided' THEN NULL ELSE coalesce(:winner, winner) END
WHERE id = :r
""")
_GAME = text("""
INSERT INTO game_statistics AS s (game_id, month, rounds, voided, bets, wagered, paid, expected)
VALUES (:game, :month, :rounds, :voided, :bets, :wagered, :paid, :expected)
ON CONFLICT (game_id, month) DO UPDATE SET
  rounds = s.rounds + excluded.rounds, voided = s.voided + excluded.voided, bets = s.bets + excluded.bets,
  wagered = s.wagered + excluded.wagered, paid = s.paid + excluded.paid,
  expected = s.expected + excluded.expected
""")
_DEAL = text("""
INSERT INTO deal_statistics AS s (game_id, month, cards_dealt, rounds)
VALUES (:game, :month, :cards, greatest(:one, 0))
ON CONFLICT (game_id, month, cards_dealt) DO UPDATE SET rounds = s.rounds + :one
""")
_DONE = text("UPDATE round_settlements SET done_at = :now WHERE round_id = :r AND version = :v")


def finish(session: Session, *, round_id: int, version: int, now: dt.datetime) -> None:
    """End the round: totals, the seed for all to see, the game's month, what partners earn by it.

    Nothing where that is done.
    """
    scope = {"r": round_id, "v": version}
    row = session.execute(_SETTLEMENT, scope).one()
    if row.done_at is not None:
        return
    session.execute(
        _ROUND,
        {
            **scope,
            "now": now,
            "seed": _seed(row),
            "bets": row.bets,
            "players": row.players,
            "staked": row.staked,
            "paid": row.paid,
            "joker": row.joker,
            "cards": row.cards,
            "winner": row.winner,
        },
    )
    month = clock.local(row.first_at, row.timezone).date().replace(day=1)
    rules, stakes = rule_sets.read(row.definition), session.execute(_STAKES, scope).all()
    of_month = {"game": row.game_id, "month": month}
    _count(session, row, of_month, _expected(row, rules, stakes), 1)
    if version > 1:
        # What the version before had counted is taken out again.
        before = session.execute(_BEFORE, {"r": round_id, "v": version - 1}).one()
        _count(session, before, of_month, _expected(before, rules, stakes), -1)
    partner_earnings.write(session, _settled(row))
    session.execute(_DONE, {**scope, "now": now})


def _settled(row: Row[Any]) -> partner_earnings.Settled:
    return partner_earnings.Settled(
        round_id=row.round_id,
        version=row.version,
        operator_id=row.operator_id,
        game_id=row.game_id,
        number=row.number,
        currency=row.currency,
        timezone=row.timezone,
        opened_at=row.opened_at,
        first_at=row.first_at,
        settled_at=row.claimed_at,
    )


def _seed(row: Row[Any]) -> bytes | None:
    if row.dealing != Dealing.AUTOMATIC:
        return None
    return fairness.unseal(bytes(row.seed_sealed), game_id=row.game_id, number=row.number)


def _expected(settled: Row[Any], rules: rule_sets.Rules, stakes: Sequence[Row[Any]]) -> int:
    """What the exact edges say would be paid on the stages that this version's deal reached, in minor units.

    Not by the states of the bets, which are those of the last version.
    """
    if settled.winner is None:
        return 0
    reached = {stage for stage, after in enumerate(rules.stages, 1) if after < len(settled.cards)}
    return money.rounded(
        sum(
            (
                stake.amount * (1 - rules.edge(stake.selection, stake.stage))
                for stake in stakes
                if stake.stage in reached
            ),
            Fraction(0),
        )
    )


def _count(session: Session, settled: Row[Any], of_month: Mapping[str, Any], expected: int, one: int) -> None:
    """Add a settlement to its game's month, or take it out where `one` is −1. A void has no stakes."""
    played = settled.winner is not None
    session.execute(
        _GAME,
        {
            **of_month,
            "rounds": one if played else 0,
            "voided": 0 if played else one,
            "bets": one * settled.bets if played else 0,
            "wagered": one * settled.staked if played else 0,
            "paid": one * settled.paid if played else 0,
            "expected": one * expected,
        },
    )
    if played:
        session.execute(_DEAL, {**of_month, "cards": len(settled.cards), "one": one})
