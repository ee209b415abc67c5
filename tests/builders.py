"""What tests are made of, with quiet defaults: a test states only what it is about."""

import datetime as dt
from itertools import count

from sqlalchemy.orm import Session

from dashboard.models import Login, Operator
from dashboard.models.login import Role
from dashboard.services import passwords
from dashboard.services.actors import Actor

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
PASSWORD = "three blue whales sing"

_numbers = count(1)


def make_operator(session: Session, *, slug: str | None = None, currency: str = "USD") -> Operator:
    """A bare operator, without rules: `operators.create` makes a whole one."""
    operator = Operator(
        slug=slug or f"operator-{next(_numbers)}",
        name="Harbour Games",
        currency=currency,
        timezone="Europe/Malta",
        money="play",
        created_at=NOW,
    )
    session.add(operator)
    session.flush()
    return operator


def make_login(
    session: Session,
    *,
    operator: Operator | None = None,
    role: Role = Role.AGENT,
    email: str | None = None,
    name: str = "Ana Reyes",
    active: bool = True,
) -> Login:
    """Somebody who can sign in with PASSWORD, at an operator of their own unless one is given."""
    login = Login(
        operator_id=(operator or make_operator(session)).id,
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
