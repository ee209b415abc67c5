"""Bonus offers: templates that grants are made from. Editing one never touches what was granted."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Row, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import BonusOffer, BonusOfferTerm, Game
from dashboard.models.bonus import BonusSource, OfferKind, OfferState, WageringBase
from dashboard.models.vip import Level
from dashboard.services import staff_log
from dashboard.services.actors import Actor
from dashboard.services.bonus_terms import GameTerm, Gift, Terms


@dataclass(frozen=True, slots=True)
class Draft:
    """What an offer is to say."""

    currency: str
    gift: Gift
    terms: Terms
    levels: tuple[str, ...] = ()
    """VIP levels that may get it; none named: all."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as it stands."""

    id: int
    currency: str
    gift: Gift
    terms: Terms
    levels: tuple[str, ...]
    state: OfferState

    @property
    def asks_for_deposit(self) -> bool:
        """Whether a deposit must be named to get it."""
        return (
            self.gift.kind == OfferKind.PERCENT or self.terms.wagering_base == WageringBase.DEPOSIT_AND_BONUS
        )

    def refuse(self, *, currency: str, level: str) -> None:
        """Raise Rejected unless a player of that level may get it in that currency."""
        if self.state != OfferState.ACTIVE:
            raise Rejected("This offer is retired.", field="offer_id")
        if currency != self.currency:
            raise Rejected(f"This offer is in {self.currency}.", field="offer_id")
        if self.levels and level not in self.levels:
            raise Rejected(f"This offer is for {', '.join(self.levels)} alone.", field="offer_id")


def make(session: Session, *, draft: Draft, actor: Actor, now: dt.datetime) -> int:
    """Make an offer of the actor's operator; returns its id.

    Raises Rejected at the first figure that is out of range, Conflict where the name is taken.
    """
    _check(draft)
    values = {"operator_id": actor.operator_id, "made_by": actor.reference, "made_at": now, "changed_at": now}
    try:
        offer_id = session.execute(
            insert(BonusOffer).values(**values, **_columns(draft)).returning(BonusOffer.id)
        ).scalar_one()
    except IntegrityError as error:
        raise _name_taken(error) from error
    _put_terms(session, offer_id, draft.terms.games, actor.operator_id)
    staff_log.record(session, actor, "bonus_offer.made", details=_named(offer_id, draft.terms.name), now=now)
    return offer_id


def edit(session: Session, *, offer_id: int, draft: Draft, actor: Actor, now: dt.datetime) -> None:
    """Let an offer say something else from now on. What was granted keeps the terms it was made with.

    Raises NotFound, Conflict where it is retired or the name is taken, Rejected.
    """
    _check(draft)
    offer = _lock(session, offer_id, actor)
    if offer.currency != draft.currency:
        raise Rejected("An offer keeps its currency: make another one.", field="currency")
    values = {"changed_at": now, **_columns(draft)}
    try:
        session.execute(_UPDATE.values(**values), {"offer": offer_id})
    except IntegrityError as error:
        raise _name_taken(error) from error
    session.execute(delete(BonusOfferTerm).filter_by(offer_id=offer_id))
    _put_terms(session, offer_id, draft.terms.games, actor.operator_id)
    staff_log.record(
        session, actor, "bonus_offer.edited", details=_named(offer_id, draft.terms.name), now=now
    )


def retire(session: Session, *, offer_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let nobody get it any more. Raises NotFound, Conflict where it is retired already."""
    offer = _lock(session, offer_id, actor)
    session.execute(_UPDATE.values(state=OfferState.RETIRED, changed_at=now), {"offer": offer_id})
    staff_log.record(session, actor, "bonus_offer.retired", details=_named(offer_id, offer.name), now=now)


def read(session: Session, *, offer_id: int, operator_id: int) -> Offer:
    """An offer with its terms. Raises NotFound, also for another operator's."""
    row = session.scalars(select(BonusOffer).filter_by(id=offer_id, operator_id=operator_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such offer.")
    games = session.scalars(
        select(BonusOfferTerm)
        .filter_by(offer_id=offer_id)
        .order_by(BonusOfferTerm.game_id, BonusOfferTerm.selection)
    )
    terms = Terms(
        name=row.name,
        source=BonusSource(row.source),
        wagering_multiplier=row.wagering_multiplier,
        wagering_base=WageringBase(row.wagering_base),
        max_bet=row.max_bet,
        max_win=row.max_win,
        validity_days=row.validity_days,
        games=tuple(
            GameTerm(game.game_id, game.selection, game.contribution_percent, game.is_restricted)
            for game in games
        ),
    )
    gift = Gift(OfferKind(row.kind), row.amount, row.percent, row.cap)
    return Offer(row.id, row.currency, gift, terms, tuple(row.levels), OfferState(row.state))


_UPDATE = update(BonusOffer).where(BonusOffer.id == bindparam("offer"))
_LOCK = text(
    "SELECT id, name, currency, state FROM bonus_offers WHERE id = :id AND operator_id = :o FOR UPDATE"
)


def _lock(session: Session, offer_id: int, actor: Actor) -> Row[tuple[int, str, str, str]]:
    row = session.execute(_LOCK, {"id": offer_id, "o": actor.operator_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such offer.")
    if row.state == OfferState.RETIRED:
        raise Conflict("This offer is retired.")
    return row


def _check(draft: Draft) -> None:
    draft.terms.check()
    draft.gift.check()
    if not money.is_currency(draft.currency):
        raise Rejected(f"{draft.currency} is no currency code.", field="currency")
    if not set(draft.levels) <= set(Level):
        raise Rejected("There is no such level.", field="levels")


def _columns(draft: Draft) -> dict[str, object]:
    terms, gift = draft.terms, draft.gift
    return {
        "name": terms.name.strip(),
        "source": terms.source,
        "currency": draft.currency,
        "kind": gift.kind,
        "amount": gift.amount if gift.kind == OfferKind.AMOUNT else None,
        "percent": gift.percent if gift.kind == OfferKind.PERCENT else None,
        "cap": gift.cap if gift.kind == OfferKind.PERCENT else None,
        "wagering_multiplier": terms.wagering_multiplier,
        "wagering_base": terms.wagering_base,
        "max_bet": terms.max_bet,
        "max_win": terms.max_win,
        "validity_days": terms.validity_days,
        "levels": [level for level in Level if level in draft.levels],
    }


def _put_terms(session: Session, offer_id: int, games: Sequence[GameTerm], operator_id: int) -> None:
    if not games:
        return
    wanted = {game.game_id for game in games}
    own = set(session.scalars(select(Game.id).where(Game.id.in_(wanted), Game.operator_id == operator_id)))
    if own != wanted:
        raise Rejected("There is no such game.", field="games")
    rows = [
        {
            "offer_id": offer_id,
            "game_id": game.game_id,
            "selection": game.selection,
            "contribution_percent": game.contribution_percent,
            "is_restricted": game.is_restricted,
        }
        for game in games
    ]
    session.execute(insert(BonusOfferTerm), rows)


def _name_taken(error: IntegrityError) -> Exception:
    if "uq_bonus_offers_operator_id_name" in str(error.orig):
        return Conflict("There is already an offer of this name.", field="name")
    return error


def _named(offer_id: int, name: str) -> dict[str, str | int | bool | None]:
    return {"offer": offer_id, "name": name.strip()}
