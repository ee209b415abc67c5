"""The second factor: which codes fit, each once; recovery codes; what a sign-in with it counts and opens."""

import datetime as dt

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.models import Login, Operator, RecoveryCode, SecondFactor, SignInSession, StaffLog
from dashboard.models.login import Role
from dashboard.services import addresses, second_factor, sessions, sign_in
from dashboard.services.sessions import SignedIn, Step
from dashboard.services.sign_in import Opened
from tests.authenticator import KEY, set_up
from tests.builders import NOW, PASSWORD, actor_of, make_login

STEP = dt.timedelta(seconds=30)


def use(session: Session, login: Login, code: str, now: dt.datetime = NOW) -> second_factor.Used | None:
    return second_factor.use(session, login_id=login.id, code=code, key=KEY, now=now)


def password(session: Session, login: Login, typed: str = PASSWORD, now: dt.datetime = NOW) -> Opened | None:
    begun = sign_in.begin(session, email=login.email, address=None, request_id="r1", now=now)
    return sign_in.finish(session, begun, fits=begun.fits(typed), user_agent="Firefox/1", now=now)


def waiting(session: Session, login: Login, now: dt.datetime = NOW) -> SignedIn:
    """The session of somebody whose password was right."""
    opened = password(session, login, now=now)
    assert opened is not None
    found = sessions.resolve(session, opened.session_id, now=now)
    assert found is not None
    return found


def enter(session: Session, found: SignedIn, code: str, now: dt.datetime = NOW) -> Opened | None:
    return sign_in.enter_code(session, found, code=code, key=KEY, now=now)


def actions(session: Session) -> list[str]:
    return list(session.scalars(select(StaffLog.action).order_by(StaffLog.id)))


@pytest.mark.parametrize(("steps", "fits"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_of_the_step_before_or_after_fits_too(session: Session, steps: int, fits: bool) -> None:
    login = make_login(session)
    app = set_up(session, login)
    assert (use(session, login, app.code(NOW + steps * STEP)) is not None) == fits


def test_each_step_is_used_once_and_none_before_it_after(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    assert use(session, login, app.code(NOW)) is not None
    assert use(session, login, app.code(NOW)) is None
    assert use(session, login, app.code(NOW - STEP)) is None
    assert use(session, login, app.code(NOW + STEP)) is not None
    assert use(session, login, app.code(NOW), now=NOW + STEP) is None


def test_the_code_that_confirmed_signs_nobody_in(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login, now=NOW)
    assert use(session, login, app.code(NOW)) is None


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "0000000", "１２３４５６", "-" * 40])
def test_what_is_no_code_does_not_fit(session: Session, typed: str) -> None:
    login = make_login(session)
    set_up(session, login)
    assert use(session, login, typed) is None


def test_blanks_within_a_code_do_not_matter(session: Session) -> None:
    login = make_login(session)
    code = set_up(session, login).code(NOW)
    assert use(session, login, f" {code[:3]} {code[3:]} ") is not None


def test_a_recovery_code_fits_once_however_it_is_written(session: Session) -> None:
    login, other = make_login(session), make_login(session)
    first, second, *_rest = set_up(session, login).recovery_codes
    set_up(session, other)
    assert use(session, other, first) is None
    assert use(session, login, first.upper().replace("-", " ").replace("0", "O")) == second_factor.Used(9)
    assert use(session, login, first) is None
    assert use(session, login, second.replace("-", "").replace("1", "l")) == second_factor.Used(8)
    assert second_factor.status(session, login_id=login.id).recovery_codes_left == 8


def test_what_is_kept_opens_nothing(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    kept = session.scalars(select(SecondFactor)).one()
    hashes = session.scalars(select(RecoveryCode.code_hash)).all()
    assert app.secret.encode() not in bytes(kept.secret)
    assert len(set(app.recovery_codes)) == len(hashes) == 10
    with pytest.raises(second_factor.SecretUnreadable, match="not the one"):
        second_factor.use(session, login_id=login.id, code=app.code(NOW), key="another key", now=NOW)


def test_a_secret_put_in_anothers_place_is_refused(session: Session) -> None:
    login, victim = make_login(session), make_login(session)
    app = set_up(session, login)
    set_up(session, victim)
    mine = session.scalars(select(SecondFactor.secret).where(SecondFactor.login_id == login.id)).one()
    session.execute(update(SecondFactor).where(SecondFactor.login_id == victim.id).values(secret=mine))
    with pytest.raises(second_factor.SecretUnreadable, match="belongs to another"):
        use(session, victim, app.code(NOW))


def test_one_that_waits_for_its_first_code_asks_nobody(session: Session) -> None:
    login = make_login(session)
    actor = actor_of(login)
    second_factor.begin(session, actor=actor, key=KEY, now=NOW)
    secret = second_factor.find_unconfirmed(session, actor=actor, key=KEY)
    second_factor.begin(session, actor=actor, key=KEY, now=NOW)
    assert second_factor.find_unconfirmed(session, actor=actor, key=KEY) == secret
    assert second_factor.find_unconfirmed(session, actor=actor, key="another key") is None
    assert secret is not None
    assert f"Purser:{login.email.replace('@', '%40')}?secret={secret.text}" in secret.uri
    opened = password(session, login)
    assert opened is not None
    assert opened.step is None
    with pytest.raises(second_factor.FirstCodeRefused):
        second_factor.confirm(session, actor=actor, code="000000", key=KEY, now=NOW)
    assert second_factor.status(session, login_id=login.id).confirmed_at is None


def test_one_kept_with_a_lost_key_is_made_anew(session: Session) -> None:
    actor = actor_of(make_login(session))
    second_factor.begin(session, actor=actor, key="a lost key", now=NOW)
    second_factor.begin(session, actor=actor, key=KEY, now=NOW)
    assert second_factor.find_unconfirmed(session, actor=actor, key=KEY) is not None


def test_there_is_one_at_a_time(session: Session) -> None:
    login = make_login(session)
    set_up(session, login)
    with pytest.raises(Conflict):
        second_factor.begin(session, actor=actor_of(login), key=KEY, now=NOW)
    with pytest.raises(NotFound):
        second_factor.confirm(session, actor=actor_of(login), code="000000", key=KEY, now=NOW)


def test_the_password_alone_opens_a_session_that_waits(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    found = waiting(session, login)
    assert found.step is Step.CODE
    assert "session.started" not in actions(session)
    opened = enter(session, found, app.code(NOW))
    assert opened is not None
    assert bytes.fromhex(found.session_key) not in session.scalars(select(SignInSession.id_hash)).all()
    after = sessions.resolve(session, opened.session_id, now=NOW)
    assert after is not None
    assert after.step is None
    assert actions(session)[-1] == "session.started"


def test_a_session_waits_ten_minutes_at_most(session: Session) -> None:
    login = make_login(session)
    set_up(session, login)
    opened = password(session, login)
    assert opened is not None
    almost = NOW + sessions.CODE_WAIT - dt.timedelta(seconds=1)
    assert sessions.resolve(session, opened.session_id, now=almost) is not None
    assert sessions.resolve(session, opened.session_id, now=NOW + sessions.CODE_WAIT) is None


def test_a_session_that_waits_no_more_takes_no_code_and_counts_nothing(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    found = waiting(session, login)
    assert enter(session, found, app.code(NOW)) is not None
    with pytest.raises(NotFound):
        enter(session, found, app.code(NOW + STEP))


def test_wrong_codes_lock_like_wrong_passwords(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    found = waiting(session, login)
    for _ in range(10):
        assert enter(session, found, "000000") is None
    assert enter(session, found, app.code(NOW)) is None
    assert enter(session, found, app.recovery_codes[0]) is None
    assert password(session, login) is None
    assert actions(session).count("login.locked") == 1
    assert actions(session).count("second_factor.failed") == 12
    later = NOW + sign_in.LOCK
    assert enter(session, waiting(session, login, later), app.code(later), later) is not None


def test_the_password_does_not_forgive_wrong_codes(session: Session) -> None:
    """Or whoever knows it could guess codes nine at a time."""
    login = make_login(session)
    app = set_up(session, login)
    for _ in range(9):
        assert enter(session, waiting(session, login), "000000") is None
    session.refresh(login)
    assert (login.failures, login.locked_until) == (9, None)
    found = waiting(session, login)
    assert enter(session, found, app.code(NOW)) is not None
    session.refresh(login)
    assert (login.failures, login.locked_until, login.last_seen_at) == (0, None, NOW)


def test_the_tenth_wrong_code_locks(session: Session) -> None:
    login = make_login(session)
    set_up(session, login)
    found = waiting(session, login)
    for _ in range(9):
        enter(session, found, "000000")
    assert password(session, login) is not None
    enter(session, found, "000000")
    assert password(session, login) is None


def test_codes_from_one_address_are_slowed(session: Session) -> None:
    login = make_login(session)
    set_up(session, login)
    begun = sign_in.begin(session, email=login.email, address="203.0.113.7", request_id=None, now=NOW)
    opened = sign_in.finish(session, begun, fits=begun.fits(PASSWORD), user_agent="", now=NOW)
    assert opened is not None
    found = sessions.resolve(session, opened.session_id, address="203.0.113.7", now=NOW)
    assert found is not None
    for _ in range(20):
        enter(session, found, "000000")
    with pytest.raises(addresses.TooManyAttempts):
        enter(session, found, "000000")


def test_a_recovery_code_signs_in_and_says_how_many_are_left(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    opened = enter(session, waiting(session, login), app.recovery_codes[4])
    assert opened is not None
    assert opened.recovery_codes_left == 9
    assert actions(session)[-2:] == ["second_factor.recovery_code_used", "session.started"]


def test_new_recovery_codes_end_the_ones_before(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    fresh = second_factor.renew_recovery_codes(session, actor=actor_of(login), now=NOW)
    assert not set(fresh) & set(app.recovery_codes)
    assert use(session, login, app.recovery_codes[0]) is None
    assert use(session, login, fresh[0]) is not None


def test_removing_it_ends_what_waits_for_a_code(session: Session) -> None:
    login = make_login(session)
    set_up(session, login)
    found = waiting(session, login)
    second_factor.remove(session, actor=actor_of(login), now=NOW)
    with pytest.raises(NotFound):
        enter(session, found, "000000")
    assert session.scalars(select(RecoveryCode)).all() == []
    with pytest.raises(NotFound):
        second_factor.remove(session, actor=actor_of(login), now=NOW)
    with pytest.raises(NotFound):
        second_factor.renew_recovery_codes(session, actor=actor_of(login), now=NOW)
    opened = password(session, login)
    assert opened is not None
    assert opened.step is None


@pytest.mark.parametrize("role", list(Role))
def test_required_it_is_asked_of_staff_who_have_none(session: Session, role: Role) -> None:
    login = make_login(session, role=role)
    opened = password(session, login)
    assert opened is not None
    session.execute(
        update(Operator).where(Operator.id == login.operator_id).values(second_factor_required=True)
    )
    found = sessions.resolve(session, opened.session_id, now=NOW)
    assert found is not None
    assert found.step == (None if role is Role.PARTNER else Step.ENROLMENT)
    set_up(session, login)
    found = sessions.resolve(session, opened.session_id, now=NOW)
    assert found is not None
    assert found.step is None


def test_renewing_a_session_ends_the_id_before(session: Session) -> None:
    opened = password(session, make_login(session))
    assert opened is not None
    found = sessions.resolve(session, opened.session_id, now=NOW)
    assert found is not None
    fresh = sessions.renew(session, found)
    assert sessions.resolve(session, opened.session_id, now=NOW) is None
    assert sessions.resolve(session, fresh, now=NOW) is not None
    with pytest.raises(NotFound):
        sessions.renew(session, found)


def test_no_secret_and_no_code_is_logged(session: Session) -> None:
    login = make_login(session)
    app = set_up(session, login)
    code = app.code(NOW)
    enter(session, waiting(session, login), code)
    enter(session, waiting(session, login), app.recovery_codes[0])
    logged = "".join(session.scalars(select(StaffLog.details)))
    assert "second_factor.set_up" in actions(session)
    for secret in (app.secret, code, *app.recovery_codes):
        assert secret not in logged
