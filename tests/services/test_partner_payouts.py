"""Payouts: what can be asked for, who decides, and what becomes paid by them."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.login import Role
from dashboard.models.partner import LossPolicy, PartnerStatus
from dashboard.services import partner_payouts, partners
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.services.house import open_house
from tests.services.partner_office import ACCOUNT, APRIL, MARCH, MAY, THEN, Office, open_office


@pytest.fixture
def office(session: Session) -> Office:
    """Nothing is owed yet; 50.00 at the least."""
    return open_office(session)


def test_from_request_to_payment(office: Office) -> None:
    office.owe(2_000_00)
    payout_id = office.request(100_00)
    assert office.money() == (100_00, 100_00, 0)
    office.approve(payout_id)
    assert office.money() == (100_00, 100_00, 0)
    office.pay(payout_id)

    assert office.money() == (100_00, 0, 100_00)
    (stated,) = office.statements()
    assert (stated.state, stated.paid_at) == ("paid", THEN)
    assert office.row_states() == ["paid"]
    stored = office.payout(payout_id)
    assert (stored.state, stored.reference, stored.payout_details) == ("paid", "SEPA-1", ACCOUNT)
    assert (stored.requested_by, stored.approved_by, stored.ended_by) == (
        office.partner.id,
        office.anna.id,
        office.ben.id,
    )


@pytest.mark.parametrize("approved", [False, True])
def test_a_rejection_releases(office: Office, approved: bool) -> None:
    office.owe(2_000_00)
    payout_id = office.request(100_00)
    if approved:
        office.approve(payout_id)
    office.reject(payout_id)
    assert office.money() == (100_00, 0, 0)
    assert (office.payout(payout_id).state, office.payout(payout_id).reason) == ("rejected", "Wrong account")
    assert office.statements()[0].state == "payable"
    assert office.request(100_00, "again") != payout_id


def test_no_more_than_is_available(office: Office) -> None:
    office.owe(2_000_00, 4_000_00)
    office.request(200_00)
    for amount in (100_01, 300_00):
        with pytest.raises(Rejected, match=r"At most 100\.00 USD") as refused:
            office.request(amount)
        assert refused.value.field == "amount"
    for amount in (0, -1):
        with pytest.raises(Rejected, match="above zero"):
            office.request(amount)
    office.request(100_00)
    with pytest.raises(Rejected, match="nothing to be paid in USD"):
        office.request(1)
    assert office.money() == (300_00, 300_00, 0)


def test_no_less_than_the_minimum_unless_it_is_everything(office: Office) -> None:
    office.owe(1_800_00)
    with pytest.raises(Rejected, match=r"At least 50\.00 USD"):
        office.request(49_99)
    office.request(50_00)
    with pytest.raises(Rejected, match=r"At least 40\.00 USD"):
        office.request(39_99)
    office.request(40_00)
    assert office.money() == (90_00, 90_00, 0)


def test_what_is_not_approved_is_not_available(office: Office) -> None:
    with pytest.raises(Rejected, match="nothing to be paid"):
        office.request(50_00)
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    statement_id = office.close(MARCH)
    with pytest.raises(Rejected, match="nothing to be paid"):
        office.request(50_00)
    office.decide(statement_id)
    office.request(50_00)


def test_the_same_key_asks_once(office: Office) -> None:
    office.owe(4_000_00)
    first = office.request(100_00, "key")
    assert office.request(100_00, "key") == first
    assert office.money() == (200_00, 100_00, 0)
    with pytest.raises(Conflict, match="another amount"):
        office.request(100_01, "key")
    # Also when there is nothing left, or it has ended.
    office.request(100_00, "rest")
    office.reject(first)
    assert office.request(100_00, "key") == first


def test_only_the_partner_asks(office: Office) -> None:
    office.owe(2_000_00)
    other = Office(office.house)
    stranger = open_office(office.session)
    for actor in (office.anna, other.partner, SYSTEM):
        with pytest.raises(Rejected, match="Only the partner"):
            office.request(100_00, actor=actor)
    with pytest.raises(NotFound):
        office.request(100_00, actor=stranger.partner)


def test_only_an_active_partner_who_said_where_it_goes(office: Office) -> None:
    office.owe(2_000_00)
    details: dict[str, Any] = {"partner_id": office.partner_id, "actor": SYSTEM, "now": THEN}
    partners.write_payout_details(office.session, details="", **details)
    with pytest.raises(Rejected, match="where payouts go") as refused:
        office.request(100_00)
    assert refused.value.field == "payout_details"
    partners.write_payout_details(office.session, details=ACCOUNT, **details)
    partners.set_status(office.session, status=PartnerStatus.SUSPENDED, reason="Checking", **details)
    with pytest.raises(Rejected, match="active partner"):
        office.request(100_00)


def test_two_of_staff_and_each_step_once(office: Office) -> None:
    office.owe(2_000_00)
    payout_id = office.request(100_00)
    with pytest.raises(Conflict, match="is requested"):
        office.pay(payout_id)
    with pytest.raises(Rejected, match="somebody else approves"):
        office.approve(payout_id, actor=office.partner)
    office.approve(payout_id)
    with pytest.raises(Conflict, match="is approved"):
        office.approve(payout_id, actor=office.cleo)
    for actor in (office.anna, office.partner):
        with pytest.raises(Rejected, match="somebody else pays"):
            office.pay(payout_id, actor=actor)
    with pytest.raises(Rejected, match="people"):
        office.pay(payout_id, actor=SYSTEM)
    for reference in (" ", "x" * 101):
        with pytest.raises(Rejected, match="reference"):
            office.pay(payout_id, reference=reference)
    with pytest.raises(Rejected, match="Say why"):
        office.reject(payout_id, reason=" ")
    office.pay(payout_id)
    with pytest.raises(Conflict, match="is paid"):
        office.pay(payout_id, actor=office.cleo)
    with pytest.raises(Conflict, match="is paid"):
        office.reject(payout_id)
    assert office.money() == (100_00, 0, 100_00)


def test_another_operator_sees_nothing(office: Office) -> None:
    office.owe(2_000_00)
    payout_id = office.request(100_00)
    stranger = builders.make_actor(
        office.session, operator_id=open_house(office.session).operator_id, role=Role.MANAGER
    )
    one: dict[str, Any] = {"payout_id": payout_id, "actor": stranger, "now": THEN}
    with pytest.raises(NotFound):
        partner_payouts.approve(office.session, **one)
    with pytest.raises(NotFound):
        partner_payouts.pay(office.session, reference="x", **one)
    with pytest.raises(NotFound):
        partner_payouts.reject(office.session, reason="x", **one)


def pay(office: Office, amount: int) -> None:
    """From request to payment."""
    payout_id = office.request(amount)
    office.approve(payout_id)
    office.pay(payout_id)


def states(office: Office) -> list[str]:
    """Of the statements."""
    return [each.state for each in office.statements()]


def test_the_oldest_statement_is_paid_first_and_as_a_whole(office: Office) -> None:
    office.owe(2_000_00, 1_200_00, 3_000_00)
    pay(office, 99_99)
    assert states(office) == ["payable", "payable", "payable"]
    pay(office, 60_01)
    assert states(office) == ["paid", "paid", "payable"]
    assert office.row_states() == ["paid", "paid", "approved"]
    pay(office, 150_00)
    assert states(office) == ["paid", "paid", "paid"]
    assert office.row_states() == ["paid", "paid", "paid"]


def test_what_was_rolled_over_is_paid_with_what_it_was_rolled_into(session: Session) -> None:
    carry = Terms(share_bp=5_000, rate_bp=1_000, loss_policy=LossPolicy.CARRY)
    office = open_office(session, terms=carry)
    office.owe(2_000_00, -400_00, 1_600_00, 200_00)
    assert states(office) == ["payable", "rolled_over", "payable", "rolled_over"]
    pay(office, 100_00)
    assert office.row_states() == ["paid", "approved", "approved", "approved"]
    pay(office, 60_00)
    assert states(office) == ["paid", "rolled_over", "paid", "rolled_over"]
    assert office.row_states() == ["paid", "paid", "paid", "approved"]


def test_a_declined_statement_is_never_paid(office: Office) -> None:
    office.owe(2_000_00)
    office.earn(APRIL, 2_000_00)
    office.approve_due()
    office.decide(office.close(APRIL), decline=True)
    pay(office, 100_00)
    assert states(office) == ["paid", "declined"]
    assert office.row_states() == ["paid", "approved"]
    assert office.close(APRIL) is not None
    assert office.close(MAY) is None


_STEPS = {
    "approved": "state = 'approved', approved_by = :who, approved_at = now()",
    "paid": "state = 'paid', ended_by = :who, ended_at = now(), reference = 'x'",
}


def write(office: Office, step: str, who: int) -> None:
    """What a forged statement would do, as the application's role."""
    with office.session.begin_nested():
        office.session.execute(text(f"UPDATE partner_payouts SET {_STEPS[step]}"), {"who": who})


def test_the_database_asks_for_second_and_third_persons(office: Office) -> None:
    office.owe(2_000_00)
    office.request(100_00)
    with pytest.raises(IntegrityError, match="second_person"):
        write(office, "approved", office.partner.id)
    with pytest.raises(IntegrityError, match="approved"):
        write(office, "paid", office.ben.id)
    write(office, "approved", office.anna.id)
    for who in (office.anna.id, office.partner.id):
        with pytest.raises(IntegrityError, match="payer"):
            write(office, "paid", who)
    write(office, "paid", office.ben.id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE partner_payouts SET amount = amount + 1",
        "UPDATE partner_payouts SET requested_by = requested_by + 1",
        "UPDATE partner_payouts SET payout_details = 'Mine'",
        "DELETE FROM partner_payouts",
        "INSERT INTO partner_payouts (partner_id, operator_id, currency, amount, payout_details,"
        " idempotency_key, requested_by, requested_at, state, approved_by, approved_at) SELECT partner_id,"
        " operator_id, currency, amount, payout_details, 'new', requested_by, requested_at, 'approved',"
        " requested_by + 1, requested_at FROM partner_payouts",
    ],
)
def test_the_application_cannot_rewrite_what_was_asked_for(office: Office, statement: str) -> None:
    office.owe(2_000_00)
    office.request(100_00)
    with pytest.raises(ProgrammingError, match="permission denied"):
        office.session.execute(text(statement))


@pytest.mark.parametrize("change", ["reserved = approved + 1", "paid = approved + 1", "reserved = -1"])
def test_the_database_never_promises_more_than_was_approved(office: Office, change: str) -> None:
    office.owe(2_000_00)
    with pytest.raises(IntegrityError, match="ck_partner_accounts_amounts"):
        office.session.execute(text(f"UPDATE partner_accounts SET {change}"))
