"""What tests are made of, with quiet defaults: a test states only what it is about."""

import datetime as dt
from collections.abc import Sequence
from itertools import count

from sqlalchemy.orm import Session

from dashboard.models import Login
from dashboard.models.login import Role
from dashboard.models.operator import MoneyMode
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, operators, passwords, players
from dashboard.services.actors import SYSTEM, Actor

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
"""A Monday, 13:00 in Malta."""
PASSWORD = "three blue whales sing"

_numbers = count(1)


def make_operator(
    session: Session,
    *,
    slug: str | None = None,
    currency: str = "USD",
    currencies: Sequence[str] = (),
    timezone: str = "Europe/Malta",
    defaults: operators.Defaults | None = None,
) -> int:
    """An operator with the VIP table in its own currency and in `currencies`; its id."""
    return operators.create(
        session,
        slug=slug or f"operator-{next(_numbers)}",
        name="Harbour Games",
        currency=currency,
        timezone=timezone,
        money_mode=MoneyMode.PLAY,
        currencies=currencies,
        defaults=defaults or operators.Defaults(),
        now=NOW,
    )


def make_login(
    session: Session,
    *,
    operator_id: int | None = None,
    role: Role = Role.AGENT,
    email: str | None = None,
    name: str = "Ana Reyes",
    active: bool = True,
) -> Login:
    """Somebody who can sign in with PASSWORD, at an operator of their own unless one is given."""
    login = Login(
        operator_id=operator_id or make_operator(session),
        email=email or f"{role}-{next(_numbers)}@harbour.test",
        name=name,
        role=role,
        password_hash=passwords.hash_of(PASSWORD),
        active=active,
        created_at=NOW,
    )
    session.add(login)
    session.flush()
    return login


def actor_of(login: Login) -> Actor:
    """What a service gets when this person does something."""
    return Actor(id=login.id, operator_id=login.operator_id, role=Role(login.role), name=login.name)


def make_actor(session: Session, *, operator_id: int, role: Role = Role.AGENT) -> Actor:
    """A member of staff of that operator, as services get them."""
    return actor_of(make_login(session, operator_id=operator_id, role=role))


def make_player(
    session: Session,
    *,
    operator_id: int,
    balance_minor: int = 0,
    agent_id: int | None = None,
    external_id: str | None = None,
    name: str = "Mira Holm",
) -> int:
    """A player with wallet and balance; `balance_minor` comes by an opening, which uses no limit."""
    new = players.NewPlayer(external_id or f"P-{next(_numbers)}", name, agent_id=agent_id)
    (player_id,) = players.register(session, operator_id=operator_id, players=[new], now=NOW).values()
    if balance_minor:
        change(session, player_id, balance_minor, ChangeType.OPENING)
    return player_id


def change_request(
    player_id: int,
    amount_minor: int,
    change_type: ChangeType = ChangeType.ADJUSTMENT,
    *,
    currency: str = "USD",
    key: str | None = None,
    reason: str = "Goodwill",
    reference: str | None = None,
) -> balances.Request:
    """A request with a key of its own unless one is given."""
    return balances.Request(
        player_id=player_id,
        currency=currency,
        change_type=change_type,
        real_delta=amount_minor,
        reason=reason,
        idempotency_key=key or f"key-{next(_numbers)}",
        reference=reference,
    )


def change(
    session: Session,
    player_id: int,
    amount_minor: int,
    change_type: ChangeType = ChangeType.ADJUSTMENT,
    *,
    currency: str = "USD",
    actor: Actor = SYSTEM,
    now: dt.datetime = NOW,
) -> balances.BalanceChange:
    """One change through the one door, by the system unless an actor is given."""
    request = change_request(player_id, amount_minor, change_type, currency=currency)
    return balances.change(session, request=request, actor=actor, now=now)
