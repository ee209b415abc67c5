"""Settled rounds that somebody wants voided or corrected: what waits, what waits on one, one in full."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Game, Login, Round, RoundRequest

WAITING_SHOWN = 50


@dataclass(frozen=True, slots=True)
class RoundRequestRow:
    """A request about a round, with the names of who had to do with it."""

    id: int
    round_id: int
    game_name: str
    number: int
    kind: str
    joker: int | None
    cards: list[int] | None
    """What lay on the table, as a correction says."""
    reason: str
    state: str
    requested_by: int
    requester: str
    requested_at: dt.datetime
    lapses_at: dt.datetime
    decider: str | None
    decision_reason: str | None
    ended_at: dt.datetime | None

    @property
    def is_void(self) -> bool:
        """Whether every stake is to be given back."""
        return self.kind == "void"


def list_waiting(session: Session, *, operator_id: int, only_of: int | None = None) -> list[RoundRequestRow]:
    """What waits, the longest first, at most WAITING_SHOWN; of one person alone where that is asked."""
    chosen = _rows(operator_id).where(RoundRequest.state == "waiting")
    if only_of is not None:
        chosen = chosen.where(RoundRequest.requested_by == only_of)
    ordered = chosen.order_by(RoundRequest.requested_at, RoundRequest.id).limit(WAITING_SHOWN)
    return [RoundRequestRow(*row) for row in session.execute(ordered)]


def find_waiting(session: Session, *, operator_id: int, round_id: int) -> RoundRequestRow | None:
    """What waits on a round, if anything does."""
    chosen = _rows(operator_id).where(RoundRequest.round_id == round_id, RoundRequest.state == "waiting")
    row = session.execute(chosen).one_or_none()
    return RoundRequestRow(*row) if row else None


def get_request(session: Session, *, operator_id: int, round_id: int, request_id: int) -> RoundRequestRow:
    """One request. Raises NotFound."""
    chosen = _rows(operator_id).where(RoundRequest.round_id == round_id, RoundRequest.id == request_id)
    row = session.execute(chosen).one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    return RoundRequestRow(*row)


_Maker, _Decider = aliased(Login), aliased(Login)


def _rows(operator_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            RoundRequest.id,
            RoundRequest.round_id,
            Game.name,
            Round.number,
            RoundRequest.kind,
            RoundRequest.joker,
            RoundRequest.cards,
            RoundRequest.reason,
            RoundRequest.state,
            RoundRequest.requested_by,
            _Maker.name,
            RoundRequest.requested_at,
            RoundRequest.lapses_at,
            _Decider.name,
            RoundRequest.decision_reason,
            RoundRequest.ended_at,
        )
        .join(Round, Round.id == RoundRequest.round_id)
        .join(Game, Game.id == Round.game_id)
        .join(_Maker, _Maker.id == RoundRequest.requested_by)
        .outerjoin(_Decider, _Decider.id == RoundRequest.decided_by)
        .where(RoundRequest.operator_id == operator_id)
    )
