"""Bonus offers as pages show them, and the games that their terms speak of."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Bonus, BonusOffer, BonusOfferTerm, Game, Operator, Player, RuleSet, VipRule
from dashboard.models.bonus import OfferState, WageringBase
from dashboard.models.game import GameState
from dashboard.services import bonus_price
from dashboard.services.bonus_price import Price, Table
from dashboard.services.bonus_terms import STEEP_MULTIPLIER


@dataclass(frozen=True, slots=True)
class OfferRow:
    """An offer. Amounts in minor units of its currency."""

    id: int
    name: str
    source: str
    currency: str
    kind: str
    amount: int | None
    percent: int | None
    cap: int | None
    wagering_multiplier: Decimal
    wagering_base: str
    max_bet: int | None
    max_win: int | None
    validity_days: int
    levels: list[str]
    state: str
    changed_at: dt.datetime
    granted: int
    """How many grants were made from it, cancelled ones left out."""

    @property
    def is_active(self) -> bool:
        """Whether it can be granted."""
        return self.state == OfferState.ACTIVE

    @property
    def is_steep(self) -> bool:
        """Whether it asks for more than most players ever clear."""
        return self.wagering_multiplier > STEEP_MULTIPLIER

    @property
    def times(self) -> str:
        """The multiplier as people read it: `35 ×`, `7.5 ×`."""
        return f"{self.wagering_multiplier.normalize():f} ×"

    @property
    def example(self) -> int:
        """What it gives: the amount, or the most of a percentage."""
        return self.amount if self.amount is not None else self.cap or 0

    @property
    def required(self) -> int:
        """What must be wagered for `example`, with the deposit that earns it where that counts too."""
        base = Decimal(self.example)
        if self.wagering_base == WageringBase.DEPOSIT_AND_BONUS and self.percent:
            base += base * 100 / self.percent
        return int((base * self.wagering_multiplier).to_integral_value())


@dataclass(frozen=True, slots=True)
class TermRow:
    """How a game, or a selection of it, counts."""

    game_id: int
    game: str
    selection: str
    contribution_percent: int
    is_restricted: bool


@dataclass(frozen=True, slots=True)
class OfferGrant:
    """A grant that was made from an offer. Amounts in minor units."""

    player_id: int
    player_name: str
    bonus_id: int
    currency: str
    state: str
    amount: int
    wagered: int
    required: int
    granted_at: dt.datetime


@dataclass(frozen=True, slots=True)
class GameRef:
    """A game that terms can name."""

    id: int
    name: str
    currency: str
    definition: str


LATEST = 10

_GRANTED = (
    select(func.count())
    .select_from(Bonus)
    .where(Bonus.offer_id == BonusOffer.id, Bonus.state != "cancelled")
    .scalar_subquery()
)
_COLUMNS = (
    BonusOffer.id,
    BonusOffer.name,
    BonusOffer.source,
    BonusOffer.currency,
    BonusOffer.kind,
    BonusOffer.amount,
    BonusOffer.percent,
    BonusOffer.cap,
    BonusOffer.wagering_multiplier,
    BonusOffer.wagering_base,
    BonusOffer.max_bet,
    BonusOffer.max_win,
    BonusOffer.validity_days,
    BonusOffer.levels,
    BonusOffer.state,
    BonusOffer.changed_at,
    _GRANTED,
)


def list_offers(session: Session, *, operator_id: int, state: OfferState) -> list[OfferRow]:
    """The offers of one state, by name."""
    wanted = select(*_COLUMNS).filter_by(operator_id=operator_id, state=state).order_by(BonusOffer.name)
    return [OfferRow(*row) for row in session.execute(wanted)]


def count_by_state(session: Session, *, operator_id: int) -> dict[str, int]:
    """How many there are of each state."""
    wanted = select(BonusOffer.state, func.count().label("offers")).filter_by(operator_id=operator_id)
    rows = session.execute(wanted.group_by(BonusOffer.state)).all()
    found = {row.state: row.offers for row in rows}
    return {state.value: found.get(state, 0) for state in OfferState}


def get_offer(session: Session, *, operator_id: int, offer_id: int) -> OfferRow:
    """One offer. Raises NotFound, also for another operator's."""
    row = session.execute(select(*_COLUMNS).filter_by(operator_id=operator_id, id=offer_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such offer.")
    return OfferRow(*row)


def list_terms(session: Session, *, offer_id: int) -> list[TermRow]:
    """What an offer says of games, by the game's name; the whole game before its selections."""
    wanted = (
        select(
            BonusOfferTerm.game_id,
            Game.name,
            BonusOfferTerm.selection,
            BonusOfferTerm.contribution_percent,
            BonusOfferTerm.is_restricted,
        )
        .join(Game, Game.id == BonusOfferTerm.game_id)
        .where(BonusOfferTerm.offer_id == offer_id)
        .order_by(Game.name, BonusOfferTerm.selection)
    )
    return [TermRow(*row) for row in session.execute(wanted)]


def list_latest_grants(session: Session, *, operator_id: int, offer_id: int) -> list[OfferGrant]:
    """The last grants that were made from an offer, the latest first."""
    wanted = (
        select(
            Bonus.player_id,
            Player.name,
            Bonus.id,
            Bonus.currency,
            Bonus.state,
            Bonus.amount,
            Bonus.wagered,
            Bonus.required,
            Bonus.granted_at,
        )
        .join(Player, Player.id == Bonus.player_id)
        .where(Bonus.operator_id == operator_id, Bonus.offer_id == offer_id)
        .order_by(Bonus.id.desc())
        .limit(LATEST)
    )
    return [OfferGrant(*row) for row in session.execute(wanted)]


def list_games(session: Session, *, operator_id: int) -> list[GameRef]:
    """The games that are played, by currency and name."""
    wanted = (
        select(Game.id, Game.name, Game.currency, RuleSet.definition)
        .join(RuleSet, RuleSet.id == Game.rule_set_id)
        .where(Game.operator_id == operator_id, Game.state == GameState.ACTIVE)
        .order_by(Game.currency, Game.name)
    )
    return [GameRef(*row) for row in session.execute(wanted)]


def list_currencies(session: Session, *, operator_id: int) -> list[str]:
    """The currencies that there are VIP rules in, the home currency first."""
    home = select(Operator.currency).filter_by(id=operator_id).scalar_subquery()
    codes = select(VipRule.currency).filter_by(operator_id=operator_id).distinct().subquery()
    wanted = select(codes.c.currency).order_by(codes.c.currency != home, codes.c.currency)
    return list(session.scalars(wanted))


def price(
    left: int,
    currency: str,
    games: list[GameRef],
    *,
    contribution: Mapping[tuple[int, str], int],
    restricted: set[int],
) -> Price | None:
    """What it costs on average to wager `left` more at the games of that currency that may be played."""
    tables = [
        Table(game.id, game.name, game.definition)
        for game in games
        if game.currency == currency and game.id not in restricted
    ]
    return bonus_price.cheapest(left, tables, contribution)
