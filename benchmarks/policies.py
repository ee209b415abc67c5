"""How much more the seed's rule pays than the agreed rate: by plain Python, and by the page.

Every player puts the same stake on Andar or Bahar, round after round, with cards and choices from a fixed
seed; the rules say what is paid. The sums below use nothing of what the desk computes with, and the same
rounds are then loaded into a scratch database and compared by `partner_what_if`. Both must agree to the
last digit. Arguments: how many rounds.
"""

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import click
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from benchmarks.scratch import application, make_operator
from dashboard import db
from dashboard.models import Game
from dashboard.models.partner import LossPolicy, PartnerStatus
from dashboard.services import andar_bahar, partner_terms, partner_what_if, partners, rule_sets
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms

ROUNDS = 10_000
PLAYERS = (1, 5, 20, 100)
SEED = 5
STAKE = 10_00
SHARE_BP, RATE_BP = 5_000, 1_000
MONTH = dt.date(2026, 1, 1)
_START = dt.datetime(2026, 1, 1, 6, tzinfo=dt.UTC)
_ROUNDS = text("""
INSERT INTO rounds (operator_id, game_id, number, rule_set_id, dealing, currency, public_salt, state,
  opened_at, opened_by, joker, winner, version, bets, players, staked, paid, ended_at)
SELECT g.operator_id, g.id, t.number, g.rule_set_id, 'manual', g.currency, g.public_salt, 'settled',
       :at, 'system', 0, 'andar', 1, t.players, t.players, t.bets, t.payouts, :at
FROM games g, unnest(CAST(:players AS bigint[]), CAST(:bets AS bigint[]), CAST(:payouts AS bigint[]))
     WITH ORDINALITY AS t(players, bets, payouts, number)
WHERE g.id = :game
""")
_SETTLEMENTS = text("""
INSERT INTO round_settlements (round_id, version, joker, cards, winner, made_by, claimed_at, paid_at, done_at,
  bets, players, staked, paid)
SELECT id, 1, joker, cards, winner, 'system', :at, :at, :at, bets, players, staked, paid
FROM rounds WHERE game_id = :game
""")
_EARNINGS = text("""
INSERT INTO partner_game_earnings (partner_id, contract_id, operator_id, game_id, round_id,
  settlement_version, currency, real_bets, real_payouts, real_profit, share_bp, rate_bp, loss_policy,
  settled_at)
SELECT k.partner_id, k.id, r.operator_id, r.game_id, r.id, 1, r.currency, r.staked, r.paid, r.staked - r.paid,
       k.share_bp, k.rate_bp, k.loss_policy, :at
FROM rounds r, partner_contracts k WHERE r.game_id = :game AND k.partner_id = :partner ORDER BY r.number
""")
_SHOWN = text("""
INSERT INTO partner_shown_earnings (id, partner_id, operator_id, currency, game_id, round_id, round_number,
  settlement_version, day, settled_at, players, bets, payouts, profit, earned, is_open, approve_at)
SELECT e.id, e.partner_id, e.operator_id, e.currency, e.game_id, e.round_id, t.number, 1, :month, :at,
       t.players, t.bets, t.payouts, t.profit, t.earned, t.players >= 5, :at
FROM partner_game_earnings e
JOIN rounds r ON r.id = e.round_id
JOIN unnest(CAST(:players AS bigint[]), CAST(:bets AS bigint[]), CAST(:payouts AS bigint[]),
            CAST(:profit AS bigint[]), CAST(:earned AS bigint[]))
     WITH ORDINALITY AS t(players, bets, payouts, profit, earned, number) ON t.number = r.number
WHERE e.partner_id = :partner
""")


@dataclass(frozen=True, slots=True)
class Played:
    """What a round's players staked and were paid, in minor units."""

    players: int
    bets: int
    payouts: int


@dataclass(frozen=True, slots=True)
class Paid:
    """What the two policies come to over all rounds."""

    per_round: int
    period: int

    @property
    def factor(self) -> Fraction | None:
        """How many times the one pays the other; None where that pays nothing."""
        return Fraction(self.per_round, self.period) if self.period else None


def main() -> None:
    """Print both factors for each number of players; exit 1 where they differ."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    fine = True
    with application() as app, app.app_context():
        with db.writing() as session:
            operator_id = make_operator(session)
        for players in PLAYERS:
            played = play(players=players, rounds=rounds)
            expected = tally(played)
            with db.writing() as session:
                partner_id = load(session, operator_id=operator_id, played=played)
            with db.reading() as session:
                found = partner_what_if.compare(
                    session,
                    partner_id=partner_id,
                    currency="USD",
                    month=MONTH,
                    share_bp=SHARE_BP,
                    rate_bp=RATE_BP,
                )
            agrees = found.factor == expected.factor
            fine &= agrees and found.would[LossPolicy.PER_ROUND] == expected.per_round
            click.echo(
                f"{players:>3} players, {rounds:,} rounds: per round {expected.per_round:>12,},"
                f" period {expected.period:>12,}, factor {expected.factor} = {found.factor_text},"
                f" by the page {'the same' if agrees else found.factor}"
            )
    click.echo(f"equal to the last digit: {'yes' if fine else 'NO'}")
    sys.exit(0 if fine else 1)


def play(*, players: int, rounds: int, seed: int = SEED) -> list[Played]:
    """Rounds under the standard rules, with a deck and choices of sides drawn from the seed."""
    rules = rule_sets.SHIPPED[rule_sets.DEFAULT_NAME]
    rng = Random(f"{seed}:{players}")
    played = []
    for _ in range(rounds):
        deck = rng.sample(range(andar_bahar.CARDS), andar_bahar.CARDS)
        deal = andar_bahar.dealt(deck, first=rules.first_side(deck[0]))
        winner = deal.winner
        assert winner is not None  # a whole deck holds a match
        on_andar = rng.getrandbits(players).bit_count()
        staked = {"andar": on_andar * STAKE, "bahar": (players - on_andar) * STAKE}
        won = next(
            outcome
            for outcome in rules.outcomes(joker=deal.joker, winner=winner, cards_dealt=len(deal.cards))
            if outcome.selection == winner
        )
        stakes = staked[winner]
        paid = stakes + stakes * won.numerator // won.denominator
        played.append(Played(players, players * STAKE, paid))
    return played


def tally(played: Sequence[Played], *, share_bp: int = SHARE_BP, rate_bp: int = RATE_BP) -> Paid:
    """Each round's profit times share and rate, rounded half to even; then by either policy."""
    earned = [round(Fraction((each.bets - each.payouts) * share_bp * rate_bp, 10**8)) for each in played]
    return Paid(sum(amount for amount in earned if amount > 0), max(0, sum(earned)))


def load(session: Session, *, operator_id: int, played: Sequence[Played]) -> int:
    """The rounds as settled ones of a new game, all of a new partner's players; the partner's id."""
    partner_id = partners.create(
        session,
        name="Policies",
        code=f"policies-{played[0].players}",
        contract=partners.Contract(Terms(share_bp=SHARE_BP, rate_bp=RATE_BP), MONTH, {}),
        actor=SYSTEM,
        now=_START,
        operator_id=operator_id,
    )
    partners.set_status(
        session, partner_id=partner_id, status=PartnerStatus.ACTIVE, reason="Agreed", actor=SYSTEM, now=_START
    )
    rule_set_id = session.execute(
        text("SELECT id FROM rule_sets WHERE operator_id = :o AND name = :n ORDER BY version DESC LIMIT 1"),
        {"o": operator_id, "n": rule_sets.DEFAULT_NAME},
    ).scalar_one()
    game_id = session.scalars(
        insert(Game)
        .values(
            operator_id=operator_id,
            name=f"{played[0].players} players",
            currency="USD",
            rule_set_id=rule_set_id,
            dealing="manual",
            public_salt="policies",
            min_bet=STAKE,
            max_bet=STAKE,
            betting_seconds=30,
            pause_seconds=5,
            made_at=_START,
        )
        .returning(Game.id)
    ).one()
    shown = [
        partner_terms.shown(
            each.bets, each.payouts, share_bp=SHARE_BP, rate_bp=RATE_BP, loss_policy=LossPolicy.PERIOD
        )
        for each in played
    ]
    scope = {"game": game_id, "partner": partner_id, "at": _START, "month": MONTH}
    players = [each.players for each in played]
    real = {
        "players": players,
        "bets": [each.bets for each in played],
        "payouts": [each.payouts for each in played],
    }
    session.execute(_ROUNDS, {**scope, **real})
    session.execute(_SETTLEMENTS, scope)
    session.execute(_EARNINGS, scope)
    as_shown = {
        name: [getattr(each, name) for each in shown] for name in ("bets", "payouts", "profit", "earned")
    }
    session.execute(_SHOWN, {**scope, "players": players, **as_shown})
    return partner_id


if __name__ == "__main__":
    main()
