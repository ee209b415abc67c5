"""The demo's bonuses: three offers, and who was granted one of late."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from random import Random

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.bonus import BonusSource, OfferKind, WageringBase
from dashboard.services import bonus_endings, bonus_offers, bonuses
from dashboard.services.actors import Actor
from dashboard.services.bonus_offers import Draft
from dashboard.services.bonus_terms import GameTerm, Gift, Terms

_GRANTED = 18
_GIVEN_UP_EVERY = 6
_SINCE = dt.timedelta(seconds=18)
"""So long before now the first is granted: behind everything else that has happened to a player."""
_APART = dt.timedelta(seconds=0.5)
_GAMES = text(
    "SELECT id FROM games WHERE operator_id = :o AND currency = :c AND state = 'active' ORDER BY id"
)
_PLAYERS = text("""
SELECT w.player_id,
  (SELECT max(e.sequence) FROM wallet_entries e
   WHERE e.player_id = w.player_id AND e.currency = :c AND e.change_type = 'deposit'
     AND NOT EXISTS (SELECT FROM wallet_entries r
                     WHERE r.player_id = e.player_id AND r.currency = e.currency
                       AND r.reverses = e.sequence)) AS deposit
FROM wallets w WHERE w.operator_id = :o AND w.status = 'active' ORDER BY w.player_id
""")


def give(session: Session, *, rng: Random, currency: str, manager: Actor, now: dt.datetime) -> None:
    """Make the offers, and grant some of each; a few are given up again."""
    scope = {"o": manager.operator_id, "c": currency}
    games = list(session.scalars(_GAMES, scope))
    made = [
        bonus_offers.make(session, draft=draft, actor=manager, now=now - dt.timedelta(days=20))
        for draft in _drafts(currency, games)
    ]
    able = [row for row in session.execute(_PLAYERS, scope) if row.deposit is not None]
    for number, player in enumerate(rng.sample(able, min(len(able), _GRANTED))):
        at = now - _SINCE + number * _APART
        granted = bonuses.grant(
            session,
            player_id=player.player_id,
            currency=currency,
            offer_id=made[number % len(made)],
            deposit_sequence=player.deposit,
            reason=rng.choice(("Asked for it by chat", "Promised by phone", "Spring mail")),
            actor=manager,
            idempotency_key=f"demo-gift-{number}",
            now=at,
        )
        if number % _GIVEN_UP_EVERY == _GIVEN_UP_EVERY - 1:
            bonus_endings.surrender(
                session,
                player_id=player.player_id,
                bonus_id=granted.bonus_id,
                reason="Wants to withdraw without it",
                actor=manager,
                now=at + _APART / 2,
            )


def _drafts(currency: str, games: Sequence[int]) -> list[Draft]:
    def minor(units: int) -> int:
        return money.from_whole(units, currency)

    welcome = Terms(
        name="Welcome to the house",
        source=BonusSource.WELCOME,
        wagering_multiplier=Decimal(8),
        max_bet=minor(20),
        max_win=minor(1_000),
        validity_days=14,
        games=tuple(GameTerm(game, "", 50) for game in games[1:2]),
    )
    reload = Terms(
        name="Friday reload",
        source=BonusSource.DEPOSIT,
        wagering_multiplier=Decimal(5),
        wagering_base=WageringBase.DEPOSIT_AND_BONUS,
        max_bet=minor(50),
        validity_days=7,
        games=tuple(GameTerm(game, is_restricted=True) for game in games[2:3]),
    )
    happy = Terms(
        name="Happy hour",
        source=BonusSource.HAPPY_HOUR,
        wagering_multiplier=Decimal(15),
        max_win=minor(100),
        validity_days=2,
    )
    return [
        Draft(currency, Gift(OfferKind.PERCENT, percent=100, cap=minor(200)), welcome),
        Draft(currency, Gift(OfferKind.PERCENT, percent=25, cap=minor(100)), reload),
        Draft(currency, Gift(OfferKind.AMOUNT, amount=minor(10)), happy),
    ]
