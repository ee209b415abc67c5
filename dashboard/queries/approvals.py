"""The inbox of what waits for a second person, one request in full, and what is under way on a player."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Balance, ChangeRequest, Login, Player, RoundRequest
from dashboard.models.change_request import RequestKind, RequestState
from dashboard.models.points import PointsRequest
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place
from dashboard.services.bonus_terms import Plan

STATES = (RequestState.WAITING, RequestState.APPROVED, RequestState.DECLINED, RequestState.LAPSED)
"""What the inbox shows. What is held for undo never comes there."""
COUNT_MAX = 1_000
ENDED_SHOWN_FOR = dt.timedelta(minutes=2)
"""How long the player's page says what became of a held change."""


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests are wanted; what is empty does not matter."""

    state: str = RequestState.WAITING
    kind: str = ""
    requested_by: int | None = None
    player_id: int | None = None
    only_of: int | None = None
    """Whose requests alone may be seen: of somebody who decides nothing."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """Something that somebody asks for, with the names of who had to do with it. Minor units."""

    player_id: int
    id: int
    player_name: str
    external_id: str
    kind: str
    currency: str | None
    """None for what moves no money."""
    change_type: str | None
    real_delta: int
    bonus_delta: int
    reason: str
    reference: str | None
    reverses: int | None
    to_player_id: int | None
    to_player_name: str | None
    override_json: str | None
    bonus_json: str | None
    real_before: int | None
    """What the requester saw."""
    real_after: int | None
    real_now: int | None
    state: str
    requested_by: int
    requester: str
    requested_at: dt.datetime
    lapses_at: dt.datetime | None
    decider: str | None
    decision_reason: str | None
    ended_at: dt.datetime | None
    sequence: int | None
    """The entry that it became."""

    @property
    def amount(self) -> int:
        """How much it moves, whatever the direction."""
        return abs(self.real_delta) + abs(self.bonus_delta)

    @property
    def override(self) -> dict[str, int | str]:
        """The rules that this one change is to be judged by, and why; empty where the usual ones hold."""
        given: dict[str, int | str | None] = json.loads(self.override_json or "{}")
        return {name: value for name, value in given.items() if value is not None}

    @property
    def bonus(self) -> Plan | None:
        """The grant that is wanted, with its terms; None where it is something else."""
        return Plan.read(self.bonus_json) if self.bonus_json else None


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What is under way on a player, or has just ended: for the player's page. Minor units."""

    id: int
    kind: str
    currency: str | None
    real_delta: int
    bonus_delta: int
    reason: str
    state: str
    requested_by: int
    requester: str
    requested_at: dt.datetime
    post_at: dt.datetime | None
    outcome: str | None
    """Why a held change was refused."""
    sequence: int | None

    @property
    def set_aside(self) -> int:
        """How much of the balance's pending is for it."""
        return max(0, -self.real_delta) if self.state == RequestState.HELD else 0


_KEY = (ChangeRequest.requested_at, ChangeRequest.player_id, ChangeRequest.id)
_Maker, _Decider, _Receiver = aliased(Login), aliased(Login), aliased(Player)


def page_of_requests(
    session: Session, *, operator_id: int, wanted: RequestFilter, after: str = "", through: str = ""
) -> Page[RequestRow]:
    """Requests of one state: what waits the longest first, what has ended the latest first."""
    chosen = _rows().where(*_conditions(operator_id, wanted), ChangeRequest.state == wanted.state)
    key = tuple_(*_KEY)
    is_oldest_first = wanted.state == RequestState.WAITING

    def fetch(after: Place | None, through: Place | None, limit: int) -> Sequence[RequestRow]:
        rows = chosen
        if after is not None:
            place = tuple_(*map(literal, after))
            rows = rows.where(key > place if is_oldest_first else key < place)
        if through is not None:
            place = tuple_(*map(literal, through))
            rows = rows.where(key <= place if is_oldest_first else key >= place)
        order = [column if is_oldest_first else column.desc() for column in _KEY]
        return [RequestRow(*row) for row in session.execute(rows.order_by(*order).limit(limit))]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.requested_at, row.player_id, row.id),
        after=paging.read(after, dt.datetime, int, int),
        through=paging.read(through, dt.datetime, int, int),
    )


def count_by_state(session: Session, *, operator_id: int, wanted: RequestFilter) -> dict[str, int]:
    """How many there are of each state by the other filters; counting stops behind COUNT_MAX."""
    counts = [
        select(func.count())
        .select_from(
            select(ChangeRequest.id)
            .where(*_conditions(operator_id, wanted), ChangeRequest.state == state)
            .limit(COUNT_MAX + 1)
            .subquery()
        )
        .scalar_subquery()
        for state in STATES
    ]
    return dict(zip(map(str, STATES), session.execute(select(*counts)).one(), strict=True))


def count_to_decide(
    session: Session, *, operator_id: int, login_id: int, now: dt.datetime, at_most: int
) -> int:
    """How many wait for the decision of this person, that is of somebody else; at most that many.

    Of changes, of rounds and of points.
    """
    waiting = [
        select(table.id)
        .where(
            table.operator_id == operator_id,
            table.state == RequestState.WAITING,
            table.requested_by != login_id,
            table.lapses_at > now,
        )
        .limit(at_most)
        .subquery()
        for table in (ChangeRequest, RoundRequest, PointsRequest)
    ]
    counts = [select(func.count()).select_from(each).scalar_subquery() for each in waiting]
    return min(sum(session.execute(select(*counts)).one()), at_most)


def get_request(
    session: Session, *, operator_id: int, player_id: int, request_id: int, only_of: int | None = None
) -> RequestRow:
    """One request of the inbox. Raises NotFound, also for what one may not see."""
    wanted = RequestFilter(player_id=player_id, only_of=only_of)
    rows = _rows().where(
        *_conditions(operator_id, wanted), ChangeRequest.id == request_id, ChangeRequest.state.in_(STATES)
    )
    row = session.execute(rows).one_or_none()
    if row is None:
        raise NotFound("There is no such request.")
    return RequestRow(*row)


def list_open_of(
    session: Session, *, operator_id: int, player_id: int, login_id: int, now: dt.datetime
) -> tuple[OpenRequest, ...]:
    """What is held or waits on a player, and which held changes of this person have just ended; latest first.

    What was taken back is left out: whoever took it back knows.
    """
    rows = session.execute(
        _OPEN, {"o": operator_id, "p": player_id, "me": login_id, "since": now - ENDED_SHOWN_FOR}
    )
    return tuple(OpenRequest(*row) for row in rows)


_OPEN = text("""
SELECT r.id, r.kind, r.currency, r.real_delta, r.bonus_delta, r.reason, r.state, r.requested_by, l.name,
       r.requested_at, r.post_at, r.outcome, r.sequence
FROM change_requests r JOIN logins l ON l.id = r.requested_by
WHERE r.player_id = :p AND r.operator_id = :o
  AND (r.state IN ('held', 'waiting')
       OR r.state IN ('posted', 'refused') AND r.requested_by = :me AND r.ended_at > :since)
ORDER BY r.id DESC
""")


def _rows() -> Select[*tuple[Any, ...]]:
    columns = (
        ChangeRequest.player_id,
        ChangeRequest.id,
        Player.name,
        Player.external_id,
        ChangeRequest.kind,
        ChangeRequest.currency,
        ChangeRequest.change_type,
        ChangeRequest.real_delta,
        ChangeRequest.bonus_delta,
        ChangeRequest.reason,
        ChangeRequest.reference,
        ChangeRequest.reverses,
        ChangeRequest.to_player_id,
        _Receiver.name,
        ChangeRequest.override,
        ChangeRequest.bonus,
        ChangeRequest.real_before,
        ChangeRequest.real_after,
        Balance.real,
        ChangeRequest.state,
        ChangeRequest.requested_by,
        _Maker.name,
        ChangeRequest.requested_at,
        ChangeRequest.lapses_at,
        _Decider.name,
        ChangeRequest.decision_reason,
        ChangeRequest.ended_at,
        ChangeRequest.sequence,
    )
    return (
        select(*columns)
        .select_from(ChangeRequest)
        .join(Player, Player.id == ChangeRequest.player_id)
        .join(_Maker, _Maker.id == ChangeRequest.requested_by)
        .outerjoin(_Decider, _Decider.id == ChangeRequest.decided_by)
        .outerjoin(_Receiver, _Receiver.id == ChangeRequest.to_player_id)
        .outerjoin(
            Balance,
            (Balance.player_id == ChangeRequest.player_id) & (Balance.currency == ChangeRequest.currency),
        )
    )


def _conditions(operator_id: int, wanted: RequestFilter) -> list[ColumnElement[bool]]:
    conditions = [ChangeRequest.operator_id == operator_id]
    if wanted.kind:
        conditions.append(ChangeRequest.kind == RequestKind(wanted.kind))
    if wanted.requested_by is not None:
        conditions.append(ChangeRequest.requested_by == wanted.requested_by)
    if wanted.player_id is not None:
        conditions.append(ChangeRequest.player_id == wanted.player_id)
    if wanted.only_of is not None:
        conditions.append(ChangeRequest.requested_by == wanted.only_of)
    return conditions
