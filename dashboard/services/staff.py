"""The logins of an operator: made and reset on the command line, by an administrator of the machine."""

import datetime as dt

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import Login, Operator
from dashboard.models.login import Role
from dashboard.services import passwords, sign_in, staff_log
from dashboard.services.actors import SYSTEM, Actor


def create(
    session: Session,
    *,
    operator_id: int,
    email: str,
    name: str,
    role: Role,
    password: str,
    now: dt.datetime,
    actor: Actor = SYSTEM,
) -> int:
    """Make a login and return its id.

    Raises Rejected for a bad address, name or password, and Conflict when the address has a login
    already, with any operator.
    """
    email, name = _email(email), _name(name)
    passwords.check(password, email=email, name=name)
    login_id = session.scalars(
        insert(Login)
        .values(
            operator_id=operator_id,
            email=email,
            name=name,
            role=role.value,
            password_hash=passwords.hash_of(password),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Login.email])
        .returning(Login.id)
    ).one_or_none()
    if login_id is None:
        raise Conflict("There is a login with that e-mail address already.", field="email")
    staff_log.record(
        session,
        actor,
        "login.created",
        operator_id=operator_id,
        details={"login": login_id, "role": role.value},
        now=now,
    )
    return login_id


def reset_password(
    session: Session, *, operator_id: int, email: str, password: str, now: dt.datetime, actor: Actor = SYSTEM
) -> int:
    """Give a login a new password, unlock it and end its sessions; says how many sessions ended.

    Raises NotFound for another operator's login, and Rejected for a password that will not do.
    """
    login = session.execute(
        select(Login.id, Login.name)
        .where(Login.operator_id == operator_id, Login.email == email.strip().lower())
        .with_for_update()
    ).one_or_none()
    if login is None:
        raise NotFound("That operator has no login with this e-mail address.")
    passwords.check(password, email=email.strip().lower(), name=login.name)
    session.execute(
        update(Login)
        .where(Login.id == login.id)
        .values(password_hash=passwords.hash_of(password), failures=0, locked_until=None)
    )
    ended = sign_in.end_all_sessions(session, login_id=login.id)
    staff_log.record(
        session,
        actor,
        "login.password_reset",
        operator_id=operator_id,
        details={"login": login.id, "sessions_ended": ended},
        now=now,
    )
    return ended


def list_staff(session: Session, *, operator_id: int) -> list[Login]:
    """Everybody who can sign in for that operator, by name."""
    return list(
        session.scalars(select(Login).where(Login.operator_id == operator_id).order_by(Login.name, Login.id))
    )


def get_operator_id(session: Session, *, slug: str) -> int:
    """The operator of that slug. Raises NotFound."""
    operator_id = session.scalars(select(Operator.id).where(Operator.slug == slug)).one_or_none()
    if operator_id is None:
        raise NotFound(f"There is no operator “{slug}”.")
    return operator_id


def _email(typed: str) -> str:
    email = typed.strip().lower()
    user, at, host = email.rpartition("@")
    if not (user and at and host) or len(email) > 254 or any(char.isspace() for char in email):
        raise Rejected("Enter an e-mail address such as ana@example.com.", field="email")
    return email


def _name(typed: str) -> str:
    name = " ".join(typed.split())
    if not 1 <= len(name) <= 100:
        raise Rejected("Enter a name of at most 100 characters.", field="name")
    return name
