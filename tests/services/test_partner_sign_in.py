"""Whether a partner's status lets its people sign in, and what an open session then still opens."""

import pytest
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.partner import PartnerStatus
from dashboard.services import partners, sessions, sign_in
from dashboard.services.actors import SYSTEM
from dashboard.services.sign_in import Opened
from tests import builders
from tests.builders import NOW, PASSWORD

CLOSED = [status for status in PartnerStatus if status != PartnerStatus.ACTIVE]


def try_to_sign_in(session: Session, email: str, password: str = PASSWORD) -> Opened | None:
    """What becomes of it."""
    attempt = sign_in.begin(session, email=email, address=None, request_id=None, now=NOW)
    return sign_in.finish(session, attempt, fits=attempt.fits(password), user_agent="", now=NOW)


def test_an_active_partner_signs_in_for_its_own_figures(session: Session) -> None:
    operator = builders.make_operator(session)
    partner = builders.make_partner(session, operator_id=operator)
    login = builders.make_login(session, operator_id=operator, role=Role.PARTNER, partner_id=partner)
    opened = try_to_sign_in(session, login.email)
    assert opened is not None
    assert opened.actor.partner_id == partner
    found = sessions.resolve(session, opened.session_id, now=NOW)
    assert found is not None
    assert found.actor.partner_id == partner


def test_staff_see_no_partner_s_figures_as_theirs(session: Session) -> None:
    login = builders.make_login(session)
    opened = try_to_sign_in(session, login.email)
    assert opened is not None
    assert opened.actor.partner_id is None


@pytest.mark.parametrize("status", CLOSED)
def test_nobody_else_s_people_sign_in(session: Session, status: PartnerStatus) -> None:
    operator = builders.make_operator(session)
    partner = builders.make_partner(session, operator_id=operator, status=status)
    login = builders.make_login(session, operator_id=operator, role=Role.PARTNER, partner_id=partner)
    assert try_to_sign_in(session, login.email) is None
    # Not counted either, as for a login that is closed: nothing tells the password right from wrong.
    session.refresh(login)
    assert login.failures == 0


@pytest.mark.parametrize("status", [PartnerStatus.SUSPENDED, PartnerStatus.BLOCKED])
def test_an_open_session_ends(session: Session, status: PartnerStatus) -> None:
    operator = builders.make_operator(session)
    partner = builders.make_partner(session, operator_id=operator)
    login = builders.make_login(session, operator_id=operator, role=Role.PARTNER, partner_id=partner)
    opened = try_to_sign_in(session, login.email)
    assert opened is not None
    partners.set_status(session, partner_id=partner, status=status, reason="Audit", actor=SYSTEM, now=NOW)
    assert sessions.resolve(session, opened.session_id, now=NOW) is None


def test_a_session_opens_nothing_while_its_partner_is_not_active(session: Session) -> None:
    operator = builders.make_operator(session)
    partner = builders.make_partner(session, operator_id=operator, status=PartnerStatus.SUSPENDED)
    login = builders.make_login(session, operator_id=operator, role=Role.PARTNER, partner_id=partner)
    # As if it had been opened at the very moment of the suspension.
    session_id = sessions.start(
        session, login_id=login.id, address=None, user_agent="", awaits_second_factor=False, now=NOW
    )
    assert sessions.resolve(session, session_id, now=NOW) is None


def test_a_password_that_fitted_is_of_no_use_once_the_partner_is_suspended(session: Session) -> None:
    operator = builders.make_operator(session)
    partner = builders.make_partner(session, operator_id=operator)
    login = builders.make_login(session, operator_id=operator, role=Role.PARTNER, partner_id=partner)
    attempt = sign_in.begin(session, email=login.email, address=None, request_id=None, now=NOW)
    fits = attempt.fits(PASSWORD)
    partners.set_status(
        session,
        partner_id=partner,
        status=PartnerStatus.SUSPENDED,
        reason="Audit",
        actor=SYSTEM,
        now=NOW,
    )
    assert fits
    assert sign_in.finish(session, attempt, fits=fits, user_agent="", now=NOW) is None
