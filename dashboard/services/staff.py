"""The people who sign in for an operator: invited, helped and let go by its admins, or on the command line.

Nobody changes their own role or shuts themselves out, and the last active admin stays. Every change of a
login locks it; those that could take an admin away lock all active admins of the operator first.
"""

import datetime as dt
import secrets
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Forbidden, NotFound, Rejected
from dashboard.models import Login, Operator
from dashboard.models.login import LinkPurpose, Role
from dashboard.services import links, passwords, second_factor, sessions, staff_log
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.links import Link

STAFF_ROLES = (Role.AGENT, Role.MANAGER, Role.ADMIN, Role.AUDITOR)
"""Partner users are no members of staff: they are made on the command line."""


@dataclass(frozen=True)
class Invited:
    """Somebody new, and the token of the link by which they set their password."""

    login_id: int
    token: str


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
    partner_id: int | None = None,
) -> int:
    """Make a login and return its id; `partner_id` for a partner user, and for nobody else.

    Raises Rejected for a bad address, name or password, and Conflict when the address has a login
    already, with any operator.
    """
    email, name = _email(email), _name(name)
    passwords.check(password, email=email, name=name)
    login_id = _insert(
        session,
        operator_id=operator_id,
        email=email,
        name=name,
        role=role,
        partner_id=partner_id,
        password=password,
        now=now,
    )
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
    login = _find_by_email(session, operator_id, email)
    ended = _set_password(session, login.id, login.email, login.name, password)
    staff_log.record(
        session,
        actor,
        "login.password_reset",
        operator_id=operator_id,
        details={"login": login.id, "sessions_ended": ended},
        now=now,
    )
    return ended


def invite(session: Session, *, email: str, name: str, role: Role, actor: Actor, now: dt.datetime) -> Invited:
    """Make a login whose owner sets the password by a link of seven days.

    Raises Rejected for a bad address, name or role, and Conflict when the address has a login already.
    """
    _require_staff_role(role)
    login_id = _insert(
        session,
        operator_id=actor.operator_id,
        email=_email(email),
        name=_name(name),
        role=role,
        partner_id=None,
        password=secrets.token_urlsafe(32),  # nobody learns it: the link sets another one
        now=now,
    )
    token = links.make(session, login_id=login_id, purpose=LinkPurpose.INVITATION, actor=actor, now=now)
    _record(session, actor, "login.invited", login_id, now, role=role.value)
    return Invited(login_id, token)


def make_link(session: Session, *, login_id: int, actor: Actor, now: dt.datetime) -> tuple[LinkPurpose, str]:
    """A new link for a member of staff, and what it is for: still the invitation, or another password.

    The links before open nothing any more. Raises NotFound, and Rejected for a login that is not active.
    """
    login = _lock(session, login_id, actor)
    return _make_link(session, login, actor, now)


def make_link_by_email(
    session: Session, *, operator_id: int, email: str, now: dt.datetime, actor: Actor = SYSTEM
) -> tuple[LinkPurpose, str]:
    """The same for the command line, which knows people by their address."""
    return _make_link(session, _find_by_email(session, operator_id, email), actor, now)


def set_password_by_link(
    session: Session,
    *,
    token: str,
    password: str,
    address: str | None,
    request_id: str | None,
    now: dt.datetime,
) -> Link:
    """Set the password that the holder of a link has chosen, unlock the login and end its sessions.

    Raises LinkOver, and PasswordRefused, which leaves the link as it was.
    """
    link = links.use(session, token=token, now=now)
    ended = _set_password(session, link.login_id, link.email, link.name, password)
    role = session.scalars(select(Login.role).where(Login.id == link.login_id)).one()
    holder = Actor(
        id=link.login_id,
        operator_id=link.operator_id,
        role=Role(role),
        name=link.name,
        address=address,
        request_id=request_id,
    )
    details: staff_log.Details = {"by": f"{link.purpose} link", "sessions_ended": ended}
    staff_log.record(session, holder, "login.password_set", details=details, now=now)
    return link


def deactivate(session: Session, *, login_id: int, actor: Actor, now: dt.datetime) -> int:
    """Let somebody in no more: sessions and links end; says how many sessions there were.

    Raises NotFound, Conflict when it is done already, and Rejected for oneself and the last active admin.
    """
    _refuse_oneself(login_id, actor, "Nobody deactivates themselves: ask another admin.")
    admins = _lock_admins(session, actor)
    login = _lock(session, login_id, actor)
    if not login.active:
        raise Conflict(f"{login.name} is not active already.")
    _keep_one_admin(login, admins)
    login.active = False
    ended = sessions.end_all(session, login_id=login.id)
    links.end_all(session, login_id=login.id, now=now)
    _record(session, actor, "login.deactivated", login.id, now, sessions_ended=ended)
    return ended


def activate(session: Session, *, login_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let somebody in again, with the password and second factor they had. Raises NotFound and Conflict."""
    login = _lock(session, login_id, actor)
    if login.active:
        raise Conflict(f"{login.name} is active already.")
    login.active, login.failures, login.locked_until = True, 0, None
    _record(session, actor, "login.activated", login.id, now)


def end_sessions(session: Session, *, login_id: int, actor: Actor, now: dt.datetime) -> int:
    """Sign somebody out everywhere; says how many sessions there were. Raises NotFound."""
    login = _lock(session, login_id, actor)
    ended = sessions.end_all(session, login_id=login.id)
    _record(session, actor, "login.sessions_ended", login.id, now, sessions_ended=ended)
    return ended


def remove_second_factor(session: Session, *, login_id: int, actor: Actor, now: dt.datetime) -> int:
    """Remove somebody's second factor and sign them out; says how many sessions ended.

    Raises NotFound, and Rejected for one's own, for which the account page asks the password.
    """
    _refuse_oneself(login_id, actor, "Remove your own second factor on the page of your account.")
    login = _lock(session, login_id, actor)
    second_factor.erase(session, login_id=login.id)
    ended = sessions.end_all(session, login_id=login.id)
    _record(session, actor, "second_factor.removed", login.id, now, sessions_ended=ended)
    return ended


def change_role(session: Session, *, login_id: int, role: Role, actor: Actor, now: dt.datetime) -> None:
    """Give somebody another role, from their next click on.

    Raises NotFound, Conflict when they have it already, and Rejected for one's own role, for the last
    active admin and for a role that is none of staff.
    """
    check_role(session, login_id=login_id, role=role, actor=actor)
    login = _lock(session, login_id, actor)
    before, login.role = login.role, role.value
    _record(session, actor, "login.role_changed", login.id, now, role=role.value, role_before=before)


def check_role(session: Session, *, login_id: int, role: Role, actor: Actor) -> None:
    """Raise what `change_role` would, and change nothing. Locks the login and all active admins."""
    _require_staff_role(role)
    _refuse_oneself(login_id, actor, "Nobody changes their own role: ask another admin.")
    admins = _lock_admins(session, actor)
    login = _lock(session, login_id, actor)
    if login.role == role:
        raise Conflict(f"{login.name} is {role} already.")
    _keep_one_admin(login, admins)


def has_other_admin(session: Session, *, actor: Actor) -> bool:
    """Whether somebody else could decide what this admin asks for."""
    others = select(Login.id).where(
        Login.operator_id == actor.operator_id,
        Login.role == Role.ADMIN,
        Login.active,
        Login.id != actor.id,
    )
    return session.scalar(others.limit(1)) is not None


def get_operator_id(session: Session, *, slug: str) -> int:
    """The operator of that slug. Raises NotFound."""
    operator_id = session.scalars(select(Operator.id).where(Operator.slug == slug)).one_or_none()
    if operator_id is None:
        raise NotFound(f"There is no operator “{slug}”.")
    return operator_id


def _insert(
    session: Session,
    *,
    operator_id: int,
    email: str,
    name: str,
    role: Role,
    partner_id: int | None,
    password: str,
    now: dt.datetime,
) -> int:
    login_id = session.scalars(
        insert(Login)
        .values(
            operator_id=operator_id,
            email=email,
            name=name,
            role=role.value,
            partner_id=partner_id,
            password_hash=passwords.hash_of(password),
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Login.email])
        .returning(Login.id)
    ).one_or_none()
    if login_id is None:
        raise Conflict("There is a login with that e-mail address already.", field="email")
    return login_id


def _make_link(session: Session, login: Login, actor: Actor, now: dt.datetime) -> tuple[LinkPurpose, str]:
    if not login.active:
        raise Rejected(f"{login.name} is not active: activate the login first.")
    purpose = links.purpose_for(session, login_id=login.id)
    token = links.make(session, login_id=login.id, purpose=purpose, actor=actor, now=now)
    staff_log.record(
        session,
        actor,
        "login.link_made",
        operator_id=login.operator_id,
        details={"login": login.id, "purpose": purpose.value},
        now=now,
    )
    return purpose, token


def _set_password(session: Session, login_id: int, email: str, name: str, password: str) -> int:
    passwords.check(password, email=email, name=name)
    session.execute(
        update(Login)
        .where(Login.id == login_id)
        .values(password_hash=passwords.hash_of(password), failures=0, locked_until=None)
    )
    return sessions.end_all(session, login_id=login_id)


def _lock(session: Session, login_id: int, actor: Actor) -> Login:
    login = session.scalars(
        select(Login)
        .where(Login.id == login_id, Login.operator_id == actor.operator_id, Login.role.in_(STAFF_ROLES))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if login is None:
        raise NotFound("There is no such member of staff.")
    return login


def _lock_admins(session: Session, actor: Actor) -> list[int]:
    """Lock the active admins, so that of two who take each other's place away one comes too late."""
    admins = list(
        session.scalars(
            select(Login.id)
            .where(Login.operator_id == actor.operator_id, Login.role == Role.ADMIN, Login.active)
            .order_by(Login.id)
            .with_for_update()
        )
    )
    if actor.role is not None and actor.id not in admins:
        raise Forbidden("You are no admin any more.")
    return admins


def _keep_one_admin(login: Login, admins: list[int]) -> None:
    if admins == [login.id]:
        raise Rejected(f"{login.name} is the last active admin: make somebody else admin first.")


def _refuse_oneself(login_id: int, actor: Actor, message: str) -> None:
    if login_id == actor.id:
        raise Rejected(message)


def _require_staff_role(role: Role) -> None:
    if role not in STAFF_ROLES:
        raise Rejected("Choose a role of staff.", field="role")


def _record(
    session: Session, actor: Actor, action: str, login_id: int, now: dt.datetime, **more: str | int
) -> None:
    staff_log.record(session, actor, action, details={"login": login_id, **more}, now=now)


def _find_by_email(session: Session, operator_id: int, email: str) -> Login:
    login = session.scalars(
        select(Login)
        .where(Login.operator_id == operator_id, Login.email == email.strip().lower())
        .with_for_update()
    ).one_or_none()
    if login is None:
        raise NotFound("That operator has no login with this e-mail address.")
    return login


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
