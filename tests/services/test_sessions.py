"""Sessions: ending others, and what the nightly purge takes away."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.models import Login, SignInAddress, SignInSession, StaffLog
from dashboard.services import addresses, sessions
from dashboard.services.sessions import SignedIn
from tests.authenticator import set_up
from tests.builders import NOW, make_login

MINUTE = dt.timedelta(minutes=1)


def start(session: Session, login: Login, *, now: dt.datetime = NOW, waits: bool = False) -> SignedIn:
    session_id = sessions.start(
        session,
        login_id=login.id,
        address=None,
        user_agent="Firefox/1",
        awaits_second_factor=waits,
        now=now,
    )
    found = sessions.resolve(session, session_id, now=now)
    assert found is not None
    return found


def test_ending_the_others_leaves_this_one_and_other_people(session: Session) -> None:
    ana, ben = make_login(session), make_login(session)
    mine, _second, _third, his = (start(session, login) for login in (ana, ana, ana, ben))
    assert sessions.end_others(session, mine, now=NOW) == 2
    kept = {row.hex() for row in session.scalars(select(SignInSession.id_hash))}
    assert kept == {mine.session_key, his.session_key}
    assert sessions.end_others(session, mine, now=NOW) == 0
    assert session.scalars(select(StaffLog.action)).all() == ["session.others_ended"]


def test_the_purge_takes_what_is_over_and_nothing_else(session: Session) -> None:
    login = make_login(session)
    set_up(session, login)
    start(session, login, now=NOW - sessions.IDLE)
    start(session, login, now=NOW - sessions.CODE_WAIT, waits=True)
    kept = {
        start(session, login, now=NOW - sessions.IDLE + MINUTE).session_key,
        start(session, login, now=NOW - sessions.CODE_WAIT + MINUTE, waits=True).session_key,
    }
    session.add(
        SignInSession(
            id_hash=b"o" * 32,
            login_id=login.id,
            started_at=NOW - sessions.ABSOLUTE,
            seen_at=NOW,
            user_agent="",
        )
    )
    session.flush()
    assert sessions.forget(session, now=NOW) == 3
    assert {row.hex() for row in session.scalars(select(SignInSession.id_hash))} == kept


def test_the_purge_takes_addresses_that_have_long_been_quiet(session: Session) -> None:
    addresses.count(session, "203.0.113.7", now=NOW - addresses.STALE - MINUTE)
    addresses.count(session, "203.0.113.8", now=NOW - addresses.STALE)
    assert addresses.forget_stale(session, now=NOW) == 1
    assert [str(left) for left in session.scalars(select(SignInAddress.address))] == ["203.0.113.8"]


def test_when_somebody_was_last_seen_outlives_the_session(session: Session) -> None:
    login = make_login(session)
    session_id = sessions.start(
        session, login_id=login.id, address=None, user_agent="", awaits_second_factor=False, now=NOW
    )
    sessions.resolve(session, session_id, now=NOW + 5 * MINUTE)
    sessions.end_all(session, login_id=login.id)
    session.refresh(login)
    assert login.last_seen_at == NOW + 5 * MINUTE
