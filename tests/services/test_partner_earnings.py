"""What settlements earn partners: by whose player, by which terms, and how corrections take it back."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.models import PartnerAccount, PartnerShownPeriod
from dashboard.services import settlement
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.builders import NOW
from tests.services.table import ANOTHER_ACE, KING, QUEEN, Table, open_table

_ROWS = text("""
SELECT g.settlement_version AS version, g.real_bets, g.real_payouts, g.real_profit, s.bets, s.payouts,
       s.profit, s.earned, s.players, s.day, s.state, s.is_open
FROM partner_game_earnings g JOIN partner_shown_earnings s USING (id)
WHERE g.partner_id = :p ORDER BY g.id
""")


@pytest.fixture
def table(session: Session) -> Table:
    """Standard rules; its player's stake on Bahar is lost when Andar gets the first card."""
    return open_table(session)


def rows(table: Table, partner_id: int) -> list[Any]:
    """Everything a partner has earned, in order."""
    return list(table.session.execute(_ROWS, {"p": partner_id}))


def account(table: Table, partner_id: int) -> tuple[int, int]:
    """What stands on the account: earned in total, and of that pending."""
    found = select(PartnerAccount).filter_by(partner_id=partner_id)
    stored = table.session.scalars(found.execution_options(populate_existing=True)).one()
    return stored.total, stored.pending


def test_the_example(table: Table) -> None:
    partner = builders.make_partner(table.session, operator_id=table.operator_id)
    player = table.player()
    builders.refer(table.session, partner, player)
    table.bet(player, "bahar", 1_000_00)
    table.deal(ANOTHER_ACE)
    table.settle()

    (row,) = rows(table, partner)
    assert (row.real_bets, row.real_payouts, row.real_profit) == (1_000_00, 0, 1_000_00)
    assert (row.bets, row.payouts, row.profit, row.earned) == (500_00, 0, 500_00, 50_00)
    assert (row.version, row.players, row.state, row.is_open) == (1, 1, "pending", False)
    assert account(table, partner) == (50_00, 50_00)


def test_a_void_afterwards_takes_it_all_back(table: Table) -> None:
    partner = builders.make_partner(table.session, operator_id=table.operator_id)
    player = table.player()
    builders.refer(table.session, partner, player)
    table.bet(player, "bahar", 1_000_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    settlement.void(
        table.transact,
        round_id=table.round_id,
        reason="Wrong shoe",
        actor=SYSTEM,
        now=NOW + dt.timedelta(days=1),
    )

    first, second = rows(table, partner)
    assert (second.version, second.real_profit, second.profit, second.earned) == (
        2,
        -1_000_00,
        -500_00,
        -50_00,
    )
    assert second.day == first.day + dt.timedelta(days=1)
    assert account(table, partner) == (0, 0)
    found = select(PartnerShownPeriod).filter_by(partner_id=partner, kind="month")
    month = table.session.scalars(found).one()
    assert (month.rounds, month.players, month.bets, month.earned) == (1, 1, 0, 0)


def test_a_correction_writes_the_difference(table: Table) -> None:
    partner = builders.make_partner(table.session, operator_id=table.operator_id)
    player = table.player()
    builders.refer(table.session, partner, player)
    table.bet(player, "bahar", 100_00)
    table.bet(player, "andar", 50_00)
    table.deal(KING, QUEEN, ANOTHER_ACE)
    table.settle()
    assert [row.earned for row in rows(table, partner)] == [275]  # 150.00 staked, 95.00 paid: 5 % of 55.00
    settlement.correct(
        table.transact,
        round_id=table.round_id,
        joker=0,
        cards=[KING, ANOTHER_ACE],
        reason="A card was passed over",
        actor=SYSTEM,
        now=NOW,
    )

    _, second = rows(table, partner)
    # Bahar won instead: 200.00 paid, so that the house lost 50.00.
    assert (second.real_bets, second.real_payouts, second.earned) == (0, 105_00, -525)
    assert account(table, partner) == (-250, -250)


def test_who_earns(table: Table) -> None:
    session, house = table.session, table.operator_id
    active = builders.make_partner(session, operator_id=house)
    later = builders.make_partner(session, operator_id=house)
    blocked = builders.make_partner(session, operator_id=house, status=builders.PartnerStatus.BLOCKED)
    pending = builders.make_partner(session, operator_id=house, status=builders.PartnerStatus.PENDING)
    suspended = builders.make_partner(session, operator_id=house, status=builders.PartnerStatus.SUSPENDED)
    players = [table.player() for _ in range(6)]
    for partner, player in zip((active, later, blocked, pending, suspended), players, strict=False):
        builders.refer(session, partner, player)
    builders.refer(session, later, players[0], now=NOW + dt.timedelta(hours=1))
    for player in players:
        table.bet(player, "bahar", 10_00)
    table.deal(ANOTHER_ACE)
    table.settle()

    earned = {
        partner: sum(row.earned for row in rows(table, partner)) for partner in (active, later, suspended)
    }
    assert earned == {active: 50, later: 50, suspended: 50}
    assert rows(table, blocked) == []
    assert rows(table, pending) == []
