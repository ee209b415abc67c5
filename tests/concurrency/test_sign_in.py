"""Signing in at the same moment: a code, a recovery code and a link each work once; an admin stays."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard import db
from dashboard.errors import Forbidden, NotFound, Rejected
from dashboard.models import Login, OneTimeLink, SignInSession, StaffLog
from dashboard.models.login import Role
from dashboard.services import sessions, sign_in, staff
from dashboard.services.links import LinkOver
from dashboard.services.sessions import SignedIn
from dashboard.services.sign_in import Opened
from tests.authenticator import KEY, Authenticator, set_up
from tests.builders import NOW, actor_of, make_login, make_operator
from tests.concurrency.together import at_once

TRIALS = 10


def person(app: Flask) -> tuple[Login, Authenticator]:
    """Somebody new with a second factor."""
    with app.app_context(), db.writing() as session:
        login = make_login(session)
        return login, set_up(session, login)


def waiting(app: Flask, login: Login) -> SignedIn:
    """A session of theirs that waits for its code."""
    with app.app_context(), db.writing() as session:
        session_id = sessions.start(
            session, login_id=login.id, address=None, user_agent="", awaits_second_factor=True, now=NOW
        )
        found = sessions.resolve(session, session_id, now=NOW)
    assert found is not None
    return found


def enter(found: SignedIn, code: str) -> Opened | None:
    return db.transact(lambda session: sign_in.enter_code(session, found, code=code, key=KEY, now=NOW))


def open_sessions(app: Flask, login: Login) -> int:
    """How many sessions of theirs open pages."""
    mine = select(SignInSession).where(
        SignInSession.login_id == login.id, ~SignInSession.awaits_second_factor
    )
    with app.app_context(), db.reading() as session:
        return len(session.scalars(mine).all())


@pytest.mark.parametrize("kind", ["of the authenticator", "of recovery"])
def test_one_code_sent_fifty_times_at_once_signs_in_once(app: Flask, kind: str) -> None:
    """From fifty browsers that all knew the password."""
    for _trial in range(TRIALS):
        login, authenticator = person(app)
        code = authenticator.code(NOW) if kind == "of the authenticator" else authenticator.recovery_codes[0]
        works = [partial(enter, waiting(app, login), code) for _ in range(50)]

        results = at_once(app, works)

        assert Counter(type(result).__name__ for result in results) == {"Opened": 1, "NoneType": 49}
        assert open_sessions(app, login) == 1


def test_one_form_sent_fifty_times_at_once_signs_in_once_and_fails_never(app: Flask) -> None:
    for _trial in range(TRIALS):
        login, authenticator = person(app)
        found = waiting(app, login)

        results = at_once(app, [partial(enter, found, authenticator.code(NOW))] * 50)

        assert Counter(type(result).__name__ for result in results) == {"Opened": 1, "NotFound": 49}
        assert open_sessions(app, login) == 1
        with app.app_context(), db.reading() as session:
            assert session.scalars(select(Login.failures).where(Login.id == login.id)).one() == 0


def test_guesses_sent_at_once_are_each_counted(app: Flask) -> None:
    login, _authenticator = person(app)
    found = waiting(app, login)

    results = at_once(app, [partial(enter, found, "000000")] * 30)

    assert results == [None] * 30
    with app.app_context(), db.reading() as session:
        kept = session.scalars(select(Login).where(Login.id == login.id)).one()
        theirs = select(StaffLog.action).where(StaffLog.details.contains(f'"login": {login.id},'))
        logged = Counter(session.scalars(theirs))
    assert (kept.failures, kept.locked_until) == (10, NOW + sign_in.LOCK)
    assert logged == {"second_factor.failed": 30, "login.locked": 1}


def test_one_link_sent_twenty_times_at_once_sets_one_password(app: Flask) -> None:
    for _trial in range(TRIALS):
        with app.app_context(), db.writing() as session:
            admin = actor_of(make_login(session, role=Role.ADMIN))
            invited = staff.invite(
                session,
                email=f"{admin.operator_id}@harbour.test",
                name="Cleo Marsh",
                role=Role.AGENT,
                actor=admin,
                now=NOW,
            )

        def accept(number: int, token: str = invited.token) -> object:
            return db.transact(
                lambda session: staff.set_password_by_link(
                    session,
                    token=token,
                    password=f"a quiet harbour at dawn {number}",
                    address=None,
                    request_id=None,
                    now=NOW,
                )
            )

        results = at_once(app, [partial(accept, number) for number in range(20)])

        assert sum(isinstance(result, LinkOver) for result in results) == 19
        with app.app_context(), db.reading() as session:
            used = session.scalars(
                select(OneTimeLink.used_at).where(OneTimeLink.login_id == invited.login_id)
            )
            assert used.all() == [NOW]


@pytest.mark.parametrize("how", ["deactivation", "role"])
def test_admins_who_take_each_other_away_at_once_leave_one(app: Flask, how: str) -> None:
    for _trial in range(TRIALS * 2):
        with app.app_context(), db.writing() as session:
            operator_id = make_operator(session)
            admins = [make_login(session, operator_id=operator_id, role=Role.ADMIN) for _ in range(3)]

        def away(who: Login, by: Login) -> object:
            given = {"login_id": who.id, "actor": actor_of(by), "now": NOW}
            if how == "role":
                return db.transact(partial(staff.change_role, role=Role.AGENT, **given))  # type: ignore[arg-type]
            return db.transact(partial(staff.deactivate, **given))  # type: ignore[arg-type]

        ring: list[Callable[[], object]] = [
            partial(away, admins[place - 1], admins[place]) for place in range(3)
        ]
        results = at_once(app, ring)

        failed = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(error, Rejected | Forbidden | NotFound) for error in failed), failed
        with app.app_context(), db.reading() as session:
            left = session.scalars(
                select(Login.id).where(
                    Login.operator_id == operator_id, Login.role == Role.ADMIN, Login.active
                )
            ).all()
        assert len(left) >= 1
        assert len(left) == len(failed)
