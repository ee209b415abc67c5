"""A partner of a house, who can sign in, and the people who close, decide and pay."""

import datetime as dt
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.models import PartnerPayout, PartnerStatement, PartnerStatementLine
from dashboard.models.login import Role
from dashboard.services import partner_approvals, partner_payouts, partner_statements, partners
from dashboard.services.actors import SYSTEM, Actor
from tests import builders
from tests.services.house import House, open_house

ACCOUNT = "MT84MALT011000012345MTLCAST001S"
MARCH, APRIL, MAY, JUNE = (dt.date(2026, month, 1) for month in (3, 4, 5, 6))
THEN = dt.datetime(2026, 7, 3, 12, tzinfo=dt.UTC)
"""March to June are over."""


def on(month: dt.date, day: int = 10) -> dt.datetime:
    """Noon of a day in that month, UTC."""
    return dt.datetime(month.year, month.month, day, 12, tzinfo=dt.UTC)


class Office:
    """A house with one partner and their player; half is shown and a tenth of that earned, unless said."""

    def __init__(self, house: House, **given: Any) -> None:
        self.house = house
        self.session = house.session
        self.partner_id, self.player_id = house.partner(**given)
        login = builders.make_login(
            house.session, operator_id=house.operator_id, role=Role.PARTNER, partner_id=self.partner_id
        )
        self.partner = builders.actor_of(login)
        self.anna, self.ben, self.cleo = (
            builders.make_actor(house.session, operator_id=house.operator_id, role=Role.MANAGER)
            for _ in range(3)
        )
        partners.write_payout_details(
            house.session, partner_id=self.partner_id, details=ACCOUNT, actor=SYSTEM, now=builders.NOW
        )

    def earn(self, month: dt.date, *profits: int, day: int = 10) -> list[int]:
        """Rounds of a month that brought the house so much; their ids. A twentieth of it is earned."""
        return [self.house.take(self.player_id, profit, at=on(month, day)) for profit in profits]

    def approve_due(self, now: dt.datetime = THEN) -> int:
        """What the worker does."""
        return partner_approvals.approve_due(self.session, now=now)

    def close(self, month: dt.date, *, actor: Actor | None = None, now: dt.datetime = THEN) -> int | None:
        """Close it, by Anna."""
        return partner_statements.close(
            self.session,
            partner_id=self.partner_id,
            currency=self.house.currency,
            month=month,
            actor=actor or self.anna,
            now=now,
        )

    def decide(
        self,
        statement_id: int | None,
        *,
        actor: Actor | None = None,
        decline: bool = False,
        reason: str = "Looked at it",
    ) -> None:
        """Approve it, or decline it, by Ben."""
        assert statement_id is not None
        act = partner_statements.decline if decline else partner_statements.approve
        act(self.session, statement_id=statement_id, reason=reason, actor=actor or self.ben, now=THEN)

    def owe(self, *profits: int) -> None:
        """Close and approve a month for each profit, from March on."""
        for number, profit in enumerate(profits, 3):
            month = dt.date(2026, number, 1)
            self.earn(month, profit)
            self.approve_due()
            self.decide(self.close(month))

    def statements(self) -> list[PartnerStatement]:
        """All of them, in their order."""
        found = select(PartnerStatement).filter_by(partner_id=self.partner_id)
        fresh = found.order_by(PartnerStatement.id).execution_options(populate_existing=True)
        return list(self.session.scalars(fresh))

    def lines(self, statement_id: int | None) -> list[PartnerStatementLine]:
        """By contract version."""
        found = select(PartnerStatementLine).filter_by(statement_id=statement_id)
        return list(self.session.scalars(found.order_by(PartnerStatementLine.contract_version)))

    def request(self, amount: int, key: str | None = None, actor: Actor | None = None) -> int:
        """Ask for that much, as the partner."""
        return partner_payouts.request(
            self.session,
            partner_id=self.partner_id,
            currency=self.house.currency,
            amount=amount,
            idempotency_key=key or f"payout-{amount}",
            actor=actor or self.partner,
            now=THEN,
        )

    def approve(self, payout_id: int, actor: Actor | None = None) -> None:
        """Let it be paid, by Anna."""
        partner_payouts.approve(self.session, payout_id=payout_id, actor=actor or self.anna, now=THEN)

    def pay(self, payout_id: int, actor: Actor | None = None, reference: str = "SEPA-1") -> None:
        """Pay it, by Ben."""
        partner_payouts.pay(
            self.session, payout_id=payout_id, reference=reference, actor=actor or self.ben, now=THEN
        )

    def reject(self, payout_id: int, reason: str = "Wrong account") -> None:
        """Do not pay it, by Cleo."""
        partner_payouts.reject(self.session, payout_id=payout_id, reason=reason, actor=self.cleo, now=THEN)

    def payout(self, payout_id: int) -> PartnerPayout:
        """As it stands."""
        return self.session.get_one(PartnerPayout, payout_id, populate_existing=True)

    def money(self) -> tuple[int, int, int]:
        """Approved, reserved, paid."""
        stored = self.house.account(self.partner_id)
        return stored.approved, stored.reserved, stored.paid

    def row_states(self) -> list[str]:
        """Of all earnings, in order."""
        return [row.state for row in self.house.rows(self.partner_id)]


def open_office(session: Session, *, currency: str = "USD", **given: Any) -> Office:
    """An office of a house of its own."""
    return Office(open_house(session, currency=currency), **given)
