"""Partners who have earned something, for the tests of the desk's pages about them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models import Login, Partner, PartnerAccount, PartnerShownEarning
from dashboard.models.login import Role
from dashboard.services import partner_approvals, partner_payouts, partner_statements, partners
from tests import builders
from tests.services import table
from tests.services.table import ANOTHER_ACE
from tests.web.desk import Desk

IN_APRIL = dt.datetime(2026, 4, 10, 9, tzinfo=dt.UTC)
"""When the month in which everything was earned is over."""
MARCH = dt.date(2026, 3, 1)


def make(desk: Desk, **given: Any) -> int:
    """A partner of the desk, active unless the test says otherwise; half is shown, a tenth of it earned."""
    return desk.write(lambda session: builders.make_partner(session, operator_id=desk.operator_id, **given))


def earn(desk: Desk, partner_id: int, *, stake: int = 1_000_00) -> int:
    """One player of the partner loses that stake in a round; the player's id."""

    def play(session: Session) -> int:
        played = table.open_table(session, operator_id=desk.operator_id)
        player = played.player(stake)
        builders.refer(session, partner_id, player)
        played.bet(player, "bahar", stake)
        played.deal(ANOTHER_ACE)
        played.settle()
        return player

    return desk.write(play)


def earnings(desk: Desk, partner_id: int) -> list[tuple[int, str, int]]:
    """Id, state and amount of everything that the partner earned, in order."""
    wanted = select(PartnerShownEarning.id, PartnerShownEarning.state, PartnerShownEarning.earned)
    mine = wanted.filter_by(partner_id=partner_id).order_by(PartnerShownEarning.id)
    return desk.read(lambda session: [(row.id, row.state, row.earned) for row in session.execute(mine)])


def account(desk: Desk, partner_id: int) -> PartnerAccount:
    """The account in USD."""
    wanted = select(PartnerAccount).filter_by(partner_id=partner_id, currency="USD")
    return desk.read(lambda session: session.scalars(wanted).one())


def get(desk: Desk, partner_id: int) -> Partner:
    """The partner's row."""
    return desk.read(lambda session: session.get_one(Partner, partner_id))


@dataclass(frozen=True)
class Owed:
    """A partner with an approved statement of 50.00, of which a payout is asked for."""

    partner_id: int
    statement_id: int
    payout_id: int


def owe(desk: Desk) -> Owed:
    """Everything up to the payout that a partner asks for."""
    partner_id = make(desk, name="Harbour Media")
    earn(desk, partner_id)

    def work(session: Session) -> Owed:
        operator_id, now = desk.operator_id, IN_APRIL
        closer, checker = (
            builders.make_actor(session, operator_id=operator_id, role=Role.ADMIN) for _ in range(2)
        )
        user = builders.make_login(
            session, operator_id=operator_id, role=Role.PARTNER, name="Pia Lund", partner_id=partner_id
        )
        asker = builders.actor_of(session.get_one(Login, user.id))
        partner_approvals.approve(
            session, partner_id=partner_id, earning_ids=None, actor=checker, now=builders.NOW
        )
        statement_id = partner_statements.close(
            session, partner_id=partner_id, currency="USD", month=MARCH, actor=closer, now=now
        )
        assert statement_id is not None
        partner_statements.approve(session, statement_id=statement_id, reason="Right", actor=checker, now=now)
        partners.write_payout_details(
            session, partner_id=partner_id, details="Kontor Bank 2700", actor=asker, now=now
        )
        payout_id = partner_payouts.request(
            session,
            partner_id=partner_id,
            currency="USD",
            amount=50_00,
            idempotency_key="one",
            actor=asker,
            now=now,
        )
        return Owed(partner_id, statement_id, payout_id)

    with clock.frozen(IN_APRIL):
        return desk.write(work)
