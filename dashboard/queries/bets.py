"""Bets as pages show them: of a round, and of a player."""

import datetime as dt
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import Select, and_, literal, select, tuple_
from sqlalchemy.orm import Session

from dashboard.models import Bet, Game, Player, Round
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place


@dataclass(frozen=True, slots=True)
class BetRow:
    """A bet with its player and its round. Amounts in minor units."""

    player_id: int
    id: int
    player_name: str
    external_id: str
    currency: str
    round_id: int
    round_number: int
    game_id: int
    game_name: str
    selection: str
    stage: int
    amount: int
    real_part: int
    bonus_part: int
    state: str
    pays_numerator: int | None
    pays_denominator: int | None
    payout: int
    payout_bonus: int
    wager_sequence: int
    settlement_sequence: int | None
    version: int
    placed_by: str
    placed_at: dt.datetime

    @property
    def pays(self) -> str:
        """What it paid to one, `0.9` or `1`; empty while it is pending or void."""
        if self.pays_numerator is None or self.pays_denominator is None:
            return ""
        ratio = Fraction(self.pays_numerator, self.pays_denominator)
        return f"{float(ratio):g}"

    @property
    def change(self) -> int:
        """What it brought the player: payout less stake."""
        return self.payout - self.amount


def page_of_round(session: Session, *, round_id: int, after: str = "") -> Page[BetRow]:
    """The bets of a round that the caller may see, by player, each one's first bet first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[BetRow]:
        wanted = _bets().where(Bet.round_id == round_id).order_by(Bet.player_id, Bet.id).limit(limit)
        if after is not None:
            wanted = wanted.where(tuple_(Bet.player_id, Bet.id) > tuple_(*map(literal, after)))
        return [BetRow(*row) for row in session.execute(wanted)]

    return paging.gather(
        fetch, lambda row: paging.write(row.player_id, row.id), after=paging.read(after, int, int)
    )


def list_latest(session: Session, *, round_id: int, limit: int) -> list[BetRow]:
    """The last bets of a round that the caller may see, the latest first."""
    wanted = _bets().where(Bet.round_id == round_id).order_by(Bet.id.desc()).limit(limit)
    return [BetRow(*row) for row in session.execute(wanted)]


def page_of_player(session: Session, *, player_id: int, currency: str, after: str = "") -> Page[BetRow]:
    """The bets of a player that the caller may see in one currency, the latest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[BetRow]:
        wanted = _bets().where(Bet.player_id == player_id, Bet.currency == currency)
        if after is not None:
            wanted = wanted.where(Bet.id < after[0])
        return [BetRow(*row) for row in session.execute(wanted.order_by(Bet.id.desc()).limit(limit))]

    return paging.gather(fetch, lambda row: paging.write(row.id), after=paging.read(after, int))


def _bets() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Bet.player_id,
            Bet.id,
            Player.name,
            Player.external_id,
            Bet.currency,
            Bet.round_id,
            Round.number,
            Round.game_id,
            Game.name,
            Bet.selection,
            Bet.stage,
            Bet.amount,
            Bet.real_part,
            Bet.bonus_part,
            Bet.state,
            Bet.pays_numerator,
            Bet.pays_denominator,
            Bet.payout,
            Bet.payout_bonus,
            Bet.wager_sequence,
            Bet.settlement_sequence,
            Bet.version,
            Bet.placed_by,
            Bet.placed_at,
        )
        .join(Player, and_(Player.id == Bet.player_id, Player.operator_id == Bet.operator_id))
        .join(Round, Round.id == Bet.round_id)
        .join(Game, Game.id == Round.game_id)
    )
