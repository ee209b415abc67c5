"""Signing in: each rule, both sides of each boundary."""

import datetime as dt

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import Login, SignInAddress, SignInSession, StaffLog
from dashboard.models.login import Role
from dashboard.queries import account
from dashboard.services import addresses, passwords, sessions, sign_in, staff
from dashboard.services.addresses import TooManyAttempts
from dashboard.services.sign_in import Opened
from tests.builders import NOW, PASSWORD, actor_of, make_login, make_operator

SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)


def attempt(
    session: Session,
    login: Login | None,
    password: str = PASSWORD,
    *,
    now: dt.datetime = NOW,
    address: str | None = None,
    email: str = "nobody@harbour.test",
) -> Opened | None:
    """One whole attempt; without an address none is counted on it."""
    begun = sign_in.begin(
        session, email=login.email if login else email, address=address, request_id="r1", now=now
    )
    return sign_in.finish(session, begun, fits=begun.fits(password), user_agent="Firefox/1", now=now)


def fail(session: Session, login: Login | None, times: int, *, now: dt.datetime = NOW) -> None:
    for _ in range(times):
        assert attempt(session, login, "wrong", now=now) is None


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(StaffLog.action).order_by(StaffLog.id)))


def test_opens_a_session_of_which_only_a_hash_is_kept(session: Session) -> None:
    login = make_login(session, name="Ana Reyes")
    opened = attempt(session, login)
    assert opened is not None
    kept = session.scalars(select(SignInSession)).one()
    assert opened.session_id.encode() not in kept.id_hash
    assert len(kept.id_hash) == 32
    found = sessions.resolve(session, opened.session_id, address="10.0.0.1", request_id="r2", now=NOW)
    assert found is not None
    assert (found.actor.id, found.actor.role, found.actor.name) == (login.id, Role.AGENT, "Ana Reyes")
    assert (found.actor.address, found.actor.request_id) == ("10.0.0.1", "r2")
    assert (found.operator.id, found.operator.currency) == (login.operator_id, "USD")
    assert found.operator.timezone == "Europe/Malta"
    assert actions(session) == ["session.started"]


def test_each_session_has_an_id_of_its_own(session: Session) -> None:
    login = make_login(session)
    first, second = attempt(session, login), attempt(session, login)
    assert first is not None
    assert second is not None
    assert first.session_id != second.session_id


def test_email_is_taken_whatever_its_case(session: Session) -> None:
    make_login(session, email="ana@harbour.test")
    assert attempt(session, None, email=" Ana@Harbour.test ") is not None


def test_a_wrong_password_opens_nothing_and_is_logged(session: Session) -> None:
    login = make_login(session)
    fail(session, login, 1)
    assert session.scalars(select(SignInSession)).all() == []
    logged = session.scalars(select(StaffLog)).one()
    assert (logged.action, logged.performed_by) == ("sign_in.failed", "anonymous")
    assert (logged.operator_id, logged.request_id) == (login.operator_id, "r1")


def test_unknown_and_inactive_logins_fail_alike(session: Session) -> None:
    gone = make_login(session, active=False)
    assert attempt(session, gone) is None
    assert attempt(session, None) is None
    unknown = session.scalars(select(StaffLog).order_by(StaffLog.id.desc())).first()
    assert unknown is not None
    assert unknown.operator_id is None


def test_an_unknown_account_costs_one_hash_too(session: Session) -> None:
    begun = sign_in.begin(session, email="nobody@harbour.test", address=None, request_id=None, now=NOW)
    assert begun.password_hash == passwords.decoy()
    assert not begun.fits("nobody has this password")


def test_the_tenth_failure_locks_for_half_an_hour(session: Session) -> None:
    login = make_login(session)
    fail(session, login, 9)
    assert attempt(session, login) is not None  # nine are forgiven, and forgotten
    fail(session, login, 10)
    assert attempt(session, login) is None
    assert attempt(session, login, now=NOW + sign_in.LOCK - SECOND) is None
    assert attempt(session, login, now=NOW + sign_in.LOCK) is not None
    assert actions(session).count("login.locked") == 1


def test_the_tenth_attempt_may_still_be_right(session: Session) -> None:
    login = make_login(session)
    fail(session, login, 9)
    assert attempt(session, login) is not None
    session.refresh(login)
    assert (login.failures, login.locked_until) == (0, None)


def test_after_a_lock_one_begins_at_one(session: Session) -> None:
    login = make_login(session)
    fail(session, login, 10)
    later = NOW + sign_in.LOCK
    fail(session, login, 1, now=later)
    session.refresh(login)
    assert (login.failures, login.locked_until) == (1, None)


def test_guesses_sent_at_once_are_all_counted(session: Session) -> None:
    login = make_login(session)
    begun = [
        sign_in.begin(session, email=login.email, address=None, request_id=None, now=NOW) for _ in range(12)
    ]
    assert [one.admitted for one in begun] == [True] * 10 + [False] * 2


def test_an_address_is_slowed_after_twenty_failures(session: Session) -> None:
    def guess(now: dt.datetime) -> None:
        attempt(session, None, now=now, address="203.0.113.7")

    for _ in range(20):
        guess(NOW)
    with pytest.raises(TooManyAttempts) as refused:
        guess(NOW + 15 * SECOND)
    assert refused.value.retry_after_seconds == 30
    assert attempt(session, make_login(session), now=NOW, address="203.0.113.8") is not None
    guess(NOW + 45 * SECOND)
    with pytest.raises(TooManyAttempts):
        guess(NOW + 46 * SECOND)
    guess(NOW + 90 * SECOND)
    guess(NOW + 15 * MINUTE + 90 * SECOND)
    assert session.scalars(select(SignInAddress.failures)).all() == [1]


def test_success_takes_its_own_count_back_and_no_other(session: Session) -> None:
    login = make_login(session)
    attempt(session, login, "wrong", address="203.0.113.7")
    attempt(session, login, "wrong", address="203.0.113.7")
    attempt(session, login, address="203.0.113.7")
    assert session.scalars(select(SignInAddress.failures)).all() == [2]


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:/run/socket", None),
        (None, None),
    ],
)
def test_address_is_kept_as(remote: str | None, kept: str | None) -> None:
    assert addresses.kept(remote) == kept


@pytest.mark.parametrize(
    ("seen_after", "asked_after", "alive"),
    [
        ([], 30 * MINUTE - SECOND, True),
        ([], 30 * MINUTE, False),
        ([20 * MINUTE], 49 * MINUTE, True),
        ([20 * MINUTE * step for step in range(1, 36)], 12 * 60 * MINUTE - SECOND, True),
        ([20 * MINUTE * step for step in range(1, 36)], 12 * 60 * MINUTE, False),
    ],
)
def test_sessions_end_when_idle_or_old(
    session: Session, seen_after: list[dt.timedelta], asked_after: dt.timedelta, alive: bool
) -> None:
    opened = attempt(session, make_login(session))
    assert opened is not None
    for after in seen_after:
        assert sessions.resolve(session, opened.session_id, now=NOW + after) is not None
    assert (sessions.resolve(session, opened.session_id, now=NOW + asked_after) is not None) == alive


def test_last_seen_is_written_once_a_minute(session: Session) -> None:
    opened = attempt(session, make_login(session))
    assert opened is not None
    for after, seen in [(59 * SECOND, NOW), (MINUTE, NOW + MINUTE), (119 * SECOND, NOW + MINUTE)]:
        sessions.resolve(session, opened.session_id, now=NOW + after)
        assert session.scalars(select(SignInSession.seen_at)).one() == seen


def test_a_session_of_somebody_who_left_is_over(session: Session) -> None:
    login = make_login(session)
    opened = attempt(session, login)
    assert opened is not None
    login.active = False
    session.flush()
    assert sessions.resolve(session, opened.session_id, now=NOW) is None


def test_only_ones_own_sessions_can_be_ended(session: Session) -> None:
    ana, ben = make_login(session), make_login(session)
    opened = attempt(session, ana)
    assert opened is not None
    (row,) = account.list_sessions(session, login_id=ana.id, now=NOW)
    assert row.device == "Firefox"
    for bad in (row.key, "no hex"):
        with pytest.raises(NotFound):
            sessions.end(session, session_key=bad, actor=actor_of(ben), now=NOW)
    sessions.end(session, session_key=row.key, actor=actor_of(ana), now=NOW)
    assert account.list_sessions(session, login_id=ana.id, now=NOW) == []
    assert sessions.resolve(session, opened.session_id, now=NOW) is None
    assert actions(session)[-1] == "session.ended"


def test_a_new_password_ends_sessions_and_unlocks(session: Session) -> None:
    login = make_login(session)
    opened = attempt(session, login)
    fail(session, login, 10)
    fresh = "a quiet harbour at dawn"
    ended = staff.reset_password(
        session, operator_id=login.operator_id, email=login.email, password=fresh, now=NOW
    )
    assert ended == 1
    assert opened is not None
    assert sessions.resolve(session, opened.session_id, now=NOW) is None
    assert attempt(session, login) is None
    assert attempt(session, login, fresh) is not None


def test_another_operators_login_is_not_found(session: Session) -> None:
    login, other = make_login(session), make_operator(session)
    with pytest.raises(NotFound):
        staff.reset_password(session, operator_id=other, email=login.email, password=PASSWORD, now=NOW)


def test_an_email_signs_in_once_over_all_operators(session: Session) -> None:
    def create(email: str) -> int:
        return staff.create(
            session,
            operator_id=make_operator(session),
            email=email,
            name="Ben Okoro",
            role=Role.MANAGER,
            password=PASSWORD,
            now=NOW,
        )

    create("Ben@harbour.test")
    with pytest.raises(Conflict):
        create("ben@Harbour.test")
    with pytest.raises(Rejected, match="e-mail address such as"):
        create("ben at harbour")
    assert actions(session) == ["login.created"]


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("fourteen chars", "at least 15"),
        ("x" * 7 + "y" * 8, None),
        ("fifteen chars !", None),
        ("ab" * 64, "easily guessed"),
        ("c3po and r2d2 " * 9 + "ok", None),
        ("c3po and r2d2 " * 9 + "oka", "at most 128"),
        ("Password12345678", "easily guessed"),
        ("aaaaaaaaaaaaaaaa", "easily guessed"),
        (passwords.DEMO_PASSWORD, "easily guessed"),
        ("my name is ana reyes", "your name"),
        ("okoro@harbour.test", "your name"),
    ],
)
def test_passwords_that_will_do(password: str, message: str | None) -> None:
    if message is None:
        passwords.check(password, email="okoro@harbour.test", name="Ana Reyes")
        return
    with pytest.raises(passwords.PasswordRefused, match=message) as refused:
        passwords.check(password, email="okoro@harbour.test", name="Ana Reyes")
    assert refused.value.field == "password"


def test_the_demo_password_is_for_demo_logins() -> None:
    passwords.check(passwords.DEMO_PASSWORD, email="agent@example.com", name="Agent")
