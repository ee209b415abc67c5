"""Payouts: what can be asked for, who decides, and what becomes paid by them."""

import datetime as dt

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import PartnerPayout, PartnerStatement
from dashboard.models.login import Role
from dashboard.services import partner_approvals, partner_payouts, partner_statements, partners
from dashboard.services.actors import SYSTEM, Actor
from tests import builders
from tests.services.house import House, open_house

MARCH = dt.date(2026, 3, 1)
APRIL = dt.date(2026, 4, 1)
MAY = dt.date(2026, 5, 1)
THEN = dt.datetime(2026, 6, 3, 12, tzinfo=dt.UTC)
"""March to May are over, and every hold."""


class Office:
    """A house with a partner, who can sign in, and three who decide."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.session = house.session
        self.partner_id, self.player_id = house.partner()
        login = builders.make_login(
            house.session,
            operator_id=house.operator_id,
            role=Role.PARTNER,
            partner_id=self.partner_id,
        )
        self.partner = builders.actor_of(login)
        self.anna, self.ben, self.cleo = (
            builders.make_actor(house.session, operator_id=house.operator_id, role=Role.MANAGER)
            for _ in range(3)
        )
        partners.write_payout_details(
            house.session,
            partner_id=self.partner_id,
            details="MT84MALT011000012345MTLCAST001S",
            actor=SYSTEM,
            now=THEN,
        )

    def owe(self, *profits: int) -> None:
        """Close and approve a month for each profit, from March on; a twentieth of it is earned."""
        for number, profit in enumerate(profits):
            month = MARCH.replace(month=3 + number)
            at = dt.datetime(2026, month.month, 10, tzinfo=dt.UTC)
            self.house.take(self.player_id, profit, at=at)
            while partner_approvals.approve_due(self.session, now=at + dt.timedelta(days=8)):
                pass
            statement_id = partner_statements.close(
                self.session,
                partner_id=self.partner_id,
                currency="USD",
                month=month,
                actor=self.anna,
                now=THEN,
            )
            assert statement_id is not None
            partner_statements.approve(
                self.session, statement_id=statement_id, reason="Looked at", actor=self.ben, now=THEN
            )

    def request(self, amount: int, key: str | None = None, actor: Actor | None = None) -> int:
        """Ask for that much."""
        return partner_payouts.request(
            self.session,
            partner_id=self.partner_id,
            currency="USD",
            amount=amount,
            idempotency_key=key or f"payout-{amount}",
            actor=actor or self.partner,
            now=THEN,
        )

    def approve(self, payout_id: int, actor: Actor | None = None) -> None:
        """Let it be paid."""
        partner_payouts.approve(self.session, payout_id=payout_id, actor=actor or self.anna, now=THEN)

    def pay(self, payout_id: int, actor: Actor | None = None, reference: str = "SEPA-1") -> None:
        """Pay it."""
        partner_payouts.pay(
            self.session, payout_id=payout_id, reference=reference, actor=actor or self.ben, now=THEN
        )

    def reject(self, payout_id: int, reason: str = "Wrong account") -> None:
        """Do not pay it."""
        partner_payouts.reject(self.session, payout_id=payout_id, reason=reason, actor=self.cleo, now=THEN)

    def account(self) -> tuple[int, int, int]:
        """Approved, reserved, paid."""
        stored = self.house.account(self.partner_id)
        return stored.approved, stored.reserved, stored.paid

    def states(self) -> list[str]:
        """Of the statements, by month."""
        found = select(PartnerStatement.state).filter_by(partner_id=self.partner_id)
        return list(self.session.scalars(found.order_by(PartnerStatement.month)))


@pytest.fixture
def office(session: Session) -> Office:
    """Nothing is owed yet."""
    return Office(open_house(session))


def test_from_request_to_payment(office: Office) -> None:
    office.owe(2_000_00)
    payout_id = office.request(100_00)
    assert office.account() == (100_00, 100_00, 0)
    office.approve(payout_id)
    assert office.account() == (100_00, 100_00, 0)
    office.pay(payout_id)

    assert office.account() == (100_00, 0, 100_00)
    assert office.states() == ["paid"]
    assert [row.state for row in office.house.rows(office.partner_id)] == ["paid"]
    stored = office.session.get_one(PartnerPayout, payout_id)
    assert (stored.state, stored.reference, stored.payout_details) == (
        "paid",
        "SEPA-1",
        "MT84MALT011000012345MTLCAST001S",
    )
