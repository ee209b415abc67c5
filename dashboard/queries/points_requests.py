"""Large adjustments of points that wait for a second person, or have ended."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Login, Player
from dashboard.models.loyalty import LoyaltyWallet
from dashboard.models.points import PointsRequest

WAITING_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PointsRequestRow:
    """An adjustment that somebody asks for, with the names of who had to do with it. Points."""

    player_id: int
    id: int
    player_name: str
    external_id: str
    points: int
    """With their sign."""
    balance: int
    """What the member has now."""
    reason: str
    state: str
    requested_by: int
    requester: str
    requested_at: dt.datetime
    lapses_at: dt.datetime
    decider: str | None
    decision_reason: str | None
    ended_at: dt.datetime | None
    sequence: int | None
    """Of the entry that it became."""


def list_waiting(session: Session, *, operator_id: int, only_of: int | None = None) -> list[PointsRequestRow]:
    """What waits, the longest first, at most WAITING_SHOWN; of one person alone where that is asked."""
    chosen = _rows(operator_id).where(PointsRequest.state == "waiting")
    if only_of is not None:
        chosen = chosen.where(PointsRequest.requested_by == only_of)
    ordered = chosen.order_by(PointsRequest.requested_at, PointsRequest.player_id, PointsRequest.id)
    return [PointsRequestRow(*row) for row in session.execute(ordered.limit(WAITING_SHOWN))]


def get_request(
    session: Session, *, operator_id: int, player_id: int, request_id: int, only_of: int | None = None
) -> PointsRequestRow:
    """One request. Raises NotFound, also for what one may not see."""
    chosen = _rows(operator_id).where(PointsRequest.player_id == player_id, PointsRequest.id == request_id)
    if only_of is not None:
        chosen = chosen.where(PointsRequest.requested_by == only_of)
    row = session.execute(chosen).one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    return PointsRequestRow(*row)


_Maker, _Decider = aliased(Login), aliased(Login)


def _rows(operator_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            PointsRequest.player_id,
            PointsRequest.id,
            Player.name,
            Player.external_id,
            PointsRequest.points,
            LoyaltyWallet.balance,
            PointsRequest.reason,
            PointsRequest.state,
            PointsRequest.requested_by,
            _Maker.name,
            PointsRequest.requested_at,
            PointsRequest.lapses_at,
            _Decider.name,
            PointsRequest.decision_reason,
            PointsRequest.ended_at,
            PointsRequest.sequence,
        )
        .join(
            Player,
            and_(Player.id == PointsRequest.player_id, Player.operator_id == PointsRequest.operator_id),
        )
        .join(LoyaltyWallet, LoyaltyWallet.player_id == PointsRequest.player_id)
        .join(_Maker, _Maker.id == PointsRequest.requested_by)
        .outerjoin(_Decider, _Decider.id == PointsRequest.decided_by)
        .where(PointsRequest.operator_id == operator_id)
    )
