"""Earnings on their way to a statement: approved after the hold, or by hand, or rejected."""

import datetime as dt

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import PartnerShownPeriod
from dashboard.models.login import Role
from dashboard.services import partner_approvals
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.services.house import lost, open_house, void
from tests.services.partner_office import APRIL, MARCH, THEN, Office, on, open_office


@pytest.fixture
def office(session: Session) -> Office:
    """Seven days of hold."""
    return open_office(session)


def ids(office: Office) -> list[int]:
    """Of all earnings."""
    return [row.id for row in office.house.rows(office.partner_id)]


def approve(office: Office, earning_ids: list[int] | None) -> int:
    """By Anna."""
    return partner_approvals.approve(
        office.session, partner_id=office.partner_id, earning_ids=earning_ids, actor=office.anna, now=THEN
    )


def reject(office: Office, earning_ids: list[int], reason: str = "A self-referral") -> int:
    """By Anna."""
    return partner_approvals.reject(
        office.session,
        partner_id=office.partner_id,
        earning_ids=earning_ids,
        reason=reason,
        actor=office.anna,
        now=THEN,
    )


def sums(office: Office) -> tuple[int, int]:
    """Total and pending."""
    account = office.house.account(office.partner_id)
    return account.total, account.pending


def test_the_hold_counts_from_the_settlement_to_the_instant(office: Office) -> None:
    office.earn(MARCH, 100_00, 200_00)
    office.earn(MARCH, 400_00, day=11)
    end = on(MARCH) + dt.timedelta(days=7)
    assert office.approve_due(end - dt.timedelta(microseconds=1)) == 0
    assert office.approve_due(end) == 2
    assert office.row_states() == ["approved", "approved", "pending"]
    assert sums(office) == (35_00, 20_00)
    assert office.approve_due(end) == 0
    first = office.house.rows(office.partner_id)[0]
    assert (first.decided_by, first.decided_at) == ("system", end)


def test_each_row_has_the_hold_of_its_contract(session: Session) -> None:
    office = open_office(session, terms=Terms(share_bp=5_000, rate_bp=1_000, hold_days=0))
    patient = Office(office.house, terms=Terms(share_bp=5_000, rate_bp=1_000, hold_days=90))
    office.earn(MARCH, 100_00)
    patient.earn(MARCH, 100_00)
    assert office.approve_due(on(MARCH)) == 1
    assert patient.approve_due(on(MARCH) + dt.timedelta(days=89)) == 0
    assert patient.approve_due(on(MARCH) + dt.timedelta(days=90)) == 1


def test_in_batches_the_longest_kept_first(office: Office) -> None:
    office.earn(APRIL, 100_00)
    office.earn(MARCH, 200_00, 300_00)
    done = [partner_approvals.approve_due(office.session, now=THEN, limit=2) for _ in range(3)]
    assert done == [2, 1, 0]
    assert sums(office) == (30_00, 0)


def test_by_hand_before_the_hold_is_over(office: Office) -> None:
    office.earn(MARCH, 100_00, 200_00, 400_00)
    first, second, third = ids(office)
    assert approve(office, [first, third]) == 2
    assert sums(office) == (35_00, 10_00)
    assert approve(office, [first, second]) == 1
    with pytest.raises(Conflict, match="pending any more"):
        approve(office, [first, second, third])
    assert office.house.rows(office.partner_id)[0].decided_by == office.anna.reference


def test_all_that_a_partner_has(office: Office) -> None:
    other = Office(office.house)
    office.earn(MARCH, 100_00, 200_00)
    other.earn(MARCH, 100_00)
    assert approve(office, None) == 2
    assert other.row_states() == ["pending"]
    with pytest.raises(Conflict):
        approve(office, None)


def test_a_rejected_earning_leaves_total_and_periods_but_its_round_was_played(office: Office) -> None:
    office.earn(MARCH, 100_00, 200_00)
    first, _ = ids(office)
    assert reject(office, [first]) == 1
    assert sums(office) == (10_00, 10_00)
    found = select(PartnerShownPeriod).filter_by(partner_id=office.partner_id)
    periods = office.session.scalars(found.execution_options(populate_existing=True)).all()
    assert {period.kind for period in periods} == {"day", "month", "game"}
    for period in periods:
        assert (period.rounds, period.players) == (2, 1)
        assert (period.bets, period.payouts, period.profit, period.earned) == (100_00, 0, 100_00, 10_00)
        assert period.is_named is False
    row = office.house.rows(office.partner_id)[0]
    assert (row.state, row.reason, row.decided_by) == (
        "rejected",
        "A self-referral",
        office.anna.reference,
    )
    assert office.approve_due() == 1


def test_what_was_decided_is_not_decided_again(office: Office) -> None:
    office.earn(MARCH, 100_00)
    office.approve_due()
    with pytest.raises(Conflict):
        reject(office, ids(office))
    office.earn(MARCH, 100_00)
    reject(office, ids(office)[1:])
    with pytest.raises(Conflict):
        approve(office, ids(office))
    assert office.row_states() == ["approved", "rejected"]
    assert sums(office) == (5_00, 0)


def test_a_rejection_says_why(office: Office) -> None:
    office.earn(MARCH, 100_00)
    for reason in ("  ", "x" * 501):
        with pytest.raises(Rejected, match="Say why"):
            reject(office, ids(office), reason)


def test_a_correction_is_rejected_with_what_it_corrects(office: Office) -> None:
    (round_id,) = office.earn(MARCH, 100_00)
    office.house.settle_again(round_id, void(office.player_id, 100_00), at=on(MARCH, 11))
    first, second = ids(office)
    with pytest.raises(Rejected, match="corrected since"), office.session.begin_nested():
        reject(office, [first])
    assert sums(office) == (0, 0)
    # The correction alone may not be right; then what it corrected stands.
    with office.session.begin_nested() as attempt:
        reject(office, [second])
        assert sums(office) == (5_00, 5_00)
        attempt.rollback()
    assert reject(office, [first, second]) == 2
    assert sums(office) == (0, 0)


def test_only_the_partners_own(office: Office) -> None:
    other = Office(office.house)
    other.earn(MARCH, 100_00)
    with pytest.raises(Conflict):
        approve(office, ids(other))
    with pytest.raises(Conflict):
        reject(office, ids(other))
    stranger = builders.make_actor(
        office.session, operator_id=open_house(office.session).operator_id, role=Role.MANAGER
    )
    with pytest.raises(NotFound):
        partner_approvals.approve(
            office.session, partner_id=other.partner_id, earning_ids=None, actor=stranger, now=THEN
        )
    with pytest.raises(NotFound):
        partner_approvals.reject(
            office.session,
            partner_id=other.partner_id,
            earning_ids=ids(other),
            reason="x",
            actor=stranger,
            now=THEN,
        )


def test_a_void_has_a_hold_of_its_own(office: Office) -> None:
    (round_id,) = office.earn(MARCH, 100_00)
    office.approve_due(on(MARCH, 20))
    office.house.settle_again(round_id, void(office.player_id, 100_00), at=on(MARCH, 20))
    assert office.row_states() == ["approved", "pending"]
    assert sums(office) == (0, -5_00)
    assert office.approve_due(on(MARCH, 27)) == 1
    assert sums(office) == (0, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE partner_shown_earnings SET earned = earned + 1",
        "UPDATE partner_shown_earnings SET bets = bets + 1, payouts = payouts + 1",
        "UPDATE partner_shown_earnings SET approve_at = approve_at - interval '1 day'",
        "UPDATE partner_game_earnings SET real_bets = real_bets + 1",
        "DELETE FROM partner_shown_earnings",
        "DELETE FROM partner_game_earnings",
        "UPDATE partner_contracts SET rate_bp = rate_bp + 1",
        "UPDATE referrals SET since = since - interval '1 day'",
    ],
)
def test_the_application_cannot_rewrite_what_was_earned(office: Office, statement: str) -> None:
    office.house.settle(lost(office.player_id, 100_00))
    with pytest.raises(ProgrammingError, match="permission denied"):
        office.session.execute(text(statement))


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'rejected', decided_by = 'staff:1', decided_at = now()", "reason"),
        ("state = 'approved'", "decision"),
        ("state = 'paid', decided_by = 'staff:1', decided_at = now()", "statement_id"),
        ("decided_by = 'staff:1', decided_at = now()", "decision"),
    ],
)
def test_the_database_knows_the_states(office: Office, change: str, constraint: str) -> None:
    office.house.settle(lost(office.player_id, 100_00))
    with pytest.raises(IntegrityError, match=f"ck_partner_shown_earnings_{constraint}"):
        office.session.execute(text(f"UPDATE partner_shown_earnings SET {change}"))
