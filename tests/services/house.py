"""A house in which a test says what was staked and paid, and when: rounds whose money has moved already."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.orm import Session

from dashboard.models import Bet, Operator, PartnerAccount, Round, RoundSettlement
from dashboard.models.game import BetState, RoundState
from dashboard.models.wallet import ChangeType
from dashboard.services import partner_earnings
from tests import builders

_ROWS = text("""
SELECT s.*, g.real_bets, g.real_payouts, g.real_profit, k.version AS contract
FROM partner_shown_earnings s JOIN partner_game_earnings g USING (id)
JOIN partner_contracts k ON k.id = g.contract_id
WHERE s.partner_id = :p ORDER BY s.id
""")


@dataclass(frozen=True)
class Stake:
    """A bet that has been decided, in minor units."""

    player_id: int
    real: int = 0
    bonus: int = 0
    state: BetState = BetState.LOST
    paid_real: int = 0
    paid_bonus: int = 0


def lost(player_id: int, real: int = 0, *, bonus: int = 0) -> Stake:
    """The house keeps it."""
    return Stake(player_id, real, bonus)


def won(player_id: int, real: int = 0, paid: int = 0, *, bonus: int = 0, paid_bonus: int = 0) -> Stake:
    """The house pays that."""
    return Stake(player_id, real, bonus, BetState.WON, paid, paid_bonus)


def push(player_id: int, real: int = 0, *, bonus: int = 0) -> Stake:
    """The stake goes back: it was played."""
    return Stake(player_id, real, bonus, BetState.PUSH, real, bonus)


def void(player_id: int, real: int = 0, *, bonus: int = 0) -> Stake:
    """The stake goes back: it was never played."""
    return Stake(player_id, real, bonus, BetState.VOID, real, bonus)


@dataclass
class House:
    """An operator with one game."""

    session: Session
    operator_id: int
    game_id: int
    currency: str
    zone: str

    def player(self) -> int:
        """Somebody who plays in the game's currency."""
        player_id = builders.make_player(self.session, operator_id=self.operator_id)
        builders.change(self.session, player_id, 1, ChangeType.OPENING, currency=self.currency)
        return player_id

    def partner(self, **given: Any) -> tuple[int, int]:
        """A partner and one of their players."""
        partner_id = builders.make_partner(self.session, operator_id=self.operator_id, **given)
        player_id = self.player()
        builders.refer(self.session, partner_id, player_id)
        return partner_id, player_id

    def settle(
        self, *stakes: Stake, at: dt.datetime = builders.NOW, opened_at: dt.datetime | None = None
    ) -> int:
        """A round that is settled with these bets; its id."""
        round_id = builders.make_round(
            self.session,
            game_id=self.game_id,
            state=RoundState.SETTLED,
            opened_at=opened_at or at - dt.timedelta(minutes=1),
            ended_at=at,
        )
        self._write_bets(round_id, stakes)
        self._write_version(round_id, 1, at)
        self._earn(round_id, 1, first_at=at, at=at)
        return round_id

    def settle_again(self, round_id: int, *stakes: Stake, at: dt.datetime) -> None:
        """The next version of its settlement, which decides the same bets like this."""
        found = select(RoundSettlement.claimed_at).filter_by(round_id=round_id)
        claims = self.session.scalars(found.order_by(RoundSettlement.version)).all()
        for number, stake in enumerate(stakes):
            decided = update(Bet).filter_by(player_id=stake.player_id, idempotency_key=f"{round_id}:{number}")
            self.session.execute(decided.values(**_decision(stake)))
        version = len(claims) + 1
        self._write_version(round_id, version, at)
        self.session.execute(update(Round).filter_by(id=round_id).values(version=version))
        self._earn(round_id, version, first_at=claims[0], at=at)

    def take(self, player_id: int, profit: int, *, at: dt.datetime = builders.NOW) -> int:
        """A round that brought the house that much of a player, below zero cost it that much; its id."""
        return self.settle(brings(player_id, profit), at=at)

    def rows(self, partner_id: int) -> Sequence[Row[Any]]:
        """All earnings of a partner, in order, shown beside real figures."""
        return self.session.execute(_ROWS, {"p": partner_id}).all()

    def account(self, partner_id: int) -> PartnerAccount:
        """The partner's account in the game's currency as it stands."""
        found = select(PartnerAccount).filter_by(partner_id=partner_id, currency=self.currency)
        return self.session.scalars(found.execution_options(populate_existing=True)).one()

    def _write_bets(self, round_id: int, stakes: Sequence[Stake]) -> None:
        for number, stake in enumerate(stakes):
            placed = insert(Bet).values(
                player_id=stake.player_id,
                operator_id=self.operator_id,
                currency=self.currency,
                round_id=round_id,
                selection="andar",
                stage=1,
                amount=stake.real + stake.bonus,
                real_part=stake.real,
                bonus_part=stake.bonus,
                wager_sequence=1,
                version=1,
                idempotency_key=f"{round_id}:{number}",
                placed_by="system",
                placed_at=builders.NOW,
                **_decision(stake),
            )
            self.session.execute(placed)

    def _write_version(self, round_id: int, version: int, at: dt.datetime) -> None:
        played = self.session.get_one(Round, round_id)
        self.session.execute(
            insert(RoundSettlement).values(
                round_id=round_id,
                version=version,
                joker=played.joker,
                cards=played.cards,
                winner=played.winner,
                reason=None if version == 1 else "Wrong result",
                made_by="system",
                claimed_at=at,
                paid_at=at,
                done_at=at,
            )
        )

    def _earn(self, round_id: int, version: int, *, first_at: dt.datetime, at: dt.datetime) -> None:
        played = self.session.get_one(Round, round_id)
        partner_earnings.write(
            self.session,
            partner_earnings.Settled(
                round_id=round_id,
                version=version,
                operator_id=self.operator_id,
                game_id=self.game_id,
                number=played.number,
                currency=self.currency,
                timezone=self.zone,
                opened_at=played.opened_at,
                first_at=first_at,
                settled_at=at,
            ),
        )


def _decision(stake: Stake) -> dict[str, Any]:
    payout = stake.paid_real + stake.paid_bonus
    pays = None if stake.state == BetState.VOID else 1
    return {
        "state": stake.state,
        "pays_numerator": pays,
        "pays_denominator": pays,
        "payout": payout,
        "payout_real": stake.paid_real,
        "payout_bonus": stake.paid_bonus,
        "settlement_sequence": 1 if payout else None,
    }


def brings(player_id: int, profit: int) -> Stake:
    """A bet that brought the house that much, below zero cost it that much."""
    return lost(player_id, profit) if profit > 0 else won(player_id, 100, 100 - profit)


def open_house(session: Session, *, currency: str = "USD", zone: str = "Europe/Malta") -> House:
    """A house with one game in that currency."""
    operator_id = builders.make_operator(session, currency=currency, timezone=zone)
    assert session.get_one(Operator, operator_id).currency == currency
    game_id = builders.make_game(session, operator_id=operator_id, currency=currency)
    return House(session, operator_id, game_id, currency, zone)
