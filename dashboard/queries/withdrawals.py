"""Withdrawals as pages show them."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Select, and_, literal, select, tuple_
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import ChangeRequest, Player, PlayerHandle, Withdrawal
from dashboard.models.change_request import RequestState, WithdrawalState
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place


@dataclass(frozen=True, slots=True)
class WithdrawalRow:
    """One withdrawal. The amount is in minor units."""

    player_id: int
    id: int
    player_name: str
    external_id: str
    currency: str
    amount: int
    reason: str
    reference: str | None
    state: str
    requested_by: str
    requested_at: dt.datetime
    ended_by: str | None
    ended_at: dt.datetime | None
    end_reason: str | None
    sequence: int | None
    waiting_id: int | None
    """The change request by which its payment waits for a second person."""


_WAITING = (
    select(ChangeRequest.id)
    .where(
        ChangeRequest.player_id == Withdrawal.player_id,
        ChangeRequest.withdrawal_id == Withdrawal.id,
        ChangeRequest.state == RequestState.WAITING,
    )
    .limit(1)
    .scalar_subquery()
)
_COLUMNS: tuple[Any, ...] = (
    Withdrawal.player_id,
    Withdrawal.id,
    Player.name,
    Player.external_id,
    Withdrawal.currency,
    Withdrawal.amount,
    Withdrawal.reason,
    Withdrawal.reference,
    Withdrawal.state,
    Withdrawal.requested_by,
    Withdrawal.requested_at,
    Withdrawal.ended_by,
    Withdrawal.ended_at,
    Withdrawal.end_reason,
    Withdrawal.sequence,
    _WAITING,
)
_KEY = (Withdrawal.requested_at, Withdrawal.player_id, Withdrawal.id)


def _wanted(operator_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(*_COLUMNS)
        .join(Player, and_(Player.id == Withdrawal.player_id, Player.operator_id == Withdrawal.operator_id))
        .where(Withdrawal.operator_id == operator_id)
    )


def page_of_withdrawals(
    session: Session, *, operator_id: int, state: WithdrawalState | None, after: str = "", through: str = ""
) -> Page[WithdrawalRow]:
    """Those in one state, or all of them; who waits longest first while requested, else latest first."""
    waits = state is WithdrawalState.REQUESTED
    wanted = _wanted(operator_id)
    if state is not None:
        wanted = wanted.where(Withdrawal.state == state)
    wanted = wanted.order_by(*(column.asc() if waits else column.desc() for column in _KEY))
    kinds = (dt.datetime, int, int)
    return paging.gather(
        partial(_fetch, session, wanted, waits=waits),
        lambda row: paging.write(row.requested_at, row.player_id, row.id),
        after=paging.read(after, *kinds),
        through=paging.read(through, *kinds),
    )


def _fetch(
    session: Session,
    wanted: Select[*tuple[Any, ...]],
    after: Place | None,
    through: Place | None,
    limit: int,
    *,
    waits: bool,
) -> list[WithdrawalRow]:
    key = tuple_(*_KEY)
    if after is not None:
        place = tuple_(*map(literal, after))
        wanted = wanted.where(key > place if waits else key < place)
    if through is not None:
        place = tuple_(*map(literal, through))
        wanted = wanted.where(key <= place if waits else key >= place)
    return [WithdrawalRow(*row) for row in session.execute(wanted.limit(limit))]


def list_requested(session: Session, *, player_id: int, operator_id: int) -> list[WithdrawalRow]:
    """What one player waits for, the oldest first."""
    wanted = (
        _wanted(operator_id)
        .where(Withdrawal.player_id == player_id, Withdrawal.state == WithdrawalState.REQUESTED)
        .order_by(*_KEY)
    )
    return [WithdrawalRow(*row) for row in session.execute(wanted)]


def get_withdrawal(
    session: Session, *, player_id: int, withdrawal_id: int, operator_id: int
) -> WithdrawalRow:
    """One withdrawal. Raises NotFound."""
    wanted = _wanted(operator_id).where(Withdrawal.player_id == player_id, Withdrawal.id == withdrawal_id)
    row = session.execute(wanted).one_or_none()
    if row is None:
        raise NotFound("There is no such withdrawal.")
    return WithdrawalRow(*row)


def find_player(session: Session, *, operator_id: int, typed: str) -> int | None:
    """The player of that external id or e-mail, as somebody typed it; None for nobody."""
    return session.scalars(
        select(PlayerHandle.player_id)
        .where(PlayerHandle.operator_id == operator_id, PlayerHandle.handle == typed.strip().lower())
        .order_by(PlayerHandle.kind.desc())
        .limit(1)
    ).one_or_none()
