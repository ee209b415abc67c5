"""What `verify` finds of partners' figures that somebody has edited, both ways."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.models import PartnerAccount, PartnerShownEarning
from dashboard.models.login import Role
from dashboard.models.partner import Disclosure, LossPolicy
from dashboard.services import partner_approvals, partner_payouts, partner_statements, partners, settlement
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.findings import Check
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.conftest import clone, drop_database
from tests.services.ledger import Ledger
from tests.services.partner_office import ACCOUNT, APRIL, MARCH, MAY, THEN, on
from tests.services.table import ANOTHER_ACE, KING, QUEEN, Table, open_table

LONG_AGO = dt.datetime(2025, 12, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A partner with everything that can become of an earning, and one who earns by round."""
    ledger = Ledger(clone(), tmp_path_factory.mktemp("anchors"), ())
    yield replace(ledger, players=ledger.transact(_play))
    drop_database(ledger.database)


def _play(session: Session) -> tuple[int, ...]:
    house = builders.make_operator(session)
    terms = Terms(share_bp=5_000, rate_bp=1_000)
    first = builders.make_partner(session, operator_id=house, terms=terms, now=LONG_AGO)
    second = builders.make_partner(
        session,
        operator_id=house,
        terms=Terms(3_333, 777, LossPolicy.PER_ROUND, disclosure=Disclosure.TERMS),
        minimums={"EUR": 1},
        now=LONG_AGO,
    )
    newer = partners.Contract(Terms(5_000, 2_000, LossPolicy.CARRY), dt.date(2026, 2, 1), {"USD": 10_00})
    partners.agree(session, partner_id=first, contract=newer, actor=SYSTEM, now=LONG_AGO)
    tables = [open_table(session, operator_id=house) for _ in range(5)]
    old, new, of_second, nobodys = (tables[0].player(0) for _ in range(4))
    builders.refer(session, first, old, now=LONG_AGO)
    builders.refer(session, first, new, now=dt.datetime(2026, 2, 10, tzinfo=dt.UTC))
    builders.refer(session, second, of_second, now=LONG_AGO)
    everybody = (old, new, of_second, nobodys)
    # Bahar loses at the first and the third table; at the others Andar does.
    for table, stake in zip(tables, (1_000_00, 333_33, 777_77, 555_55, 11_11), strict=True):
        for player_id in everybody:
            builders.change(session, player_id, stake)
            table.bet(player_id, "bahar", stake)
        if table is tables[3]:
            builders.give_bonus(session, of_second, 100_00)
            table.bet(of_second, "bahar", 20_00)
    _settle(tables[0], on(MARCH), ANOTHER_ACE)
    _settle(tables[1], on(MARCH, 12), KING, ANOTHER_ACE)
    _decide(session, house, first, second, tables)
    return everybody


def _settle(table: Table, at: dt.datetime, *cards: int) -> None:
    table.deal(*cards)
    settlement.settle(table.transact, round_id=table.round_id, actor=SYSTEM, now=at)


def _decide(session: Session, house: int, first: int, second: int, tables: list[Table]) -> None:
    anna, ben = (builders.make_actor(session, operator_id=house, role=Role.MANAGER) for _ in range(2))
    login = builders.make_login(session, operator_id=house, role=Role.PARTNER, partner_id=first)
    asker = builders.actor_of(login)
    month = partial(partner_statements.close_month, session, operator_id=house, actor=anna, now=THEN)
    partner_approvals.approve_due(session, now=THEN)
    for statement_id in month(month=MARCH):
        partner_statements.approve(session, statement_id=statement_id, reason="Fine", actor=ben, now=THEN)
    partners.write_payout_details(session, partner_id=first, details=ACCOUNT, actor=SYSTEM, now=THEN)
    everything = _available(session, first)
    _pay(session, _ask(session, first, everything, asker), anna, ben)
    # A void of what was paid, a round that is rejected and then put right, and one more.
    settlement.void(
        tables[0].transact, round_id=tables[0].round_id, reason="Wrong shoe", actor=SYSTEM, now=on(APRIL)
    )
    _settle(tables[2], on(APRIL, 11), ANOTHER_ACE)
    _reject_last(session, first, anna)
    settlement.correct(
        tables[2].transact,
        round_id=tables[2].round_id,
        joker=0,
        cards=[KING, QUEEN, ANOTHER_ACE],
        reason="A card was passed over",
        actor=SYSTEM,
        now=on(APRIL, 20),
    )
    partner_approvals.approve_due(session, now=on(MAY, 1))
    for statement_id in month(month=APRIL):
        partner_statements.decline(session, statement_id=statement_id, reason="Not yet", actor=ben, now=THEN)
    for statement_id in month(month=APRIL):
        partner_statements.approve(session, statement_id=statement_id, reason="Fine", actor=ben, now=THEN)
    _settle(tables[3], on(MAY), ANOTHER_ACE)
    partner_approvals.approve_due(session, now=THEN)
    for statement_id in month(month=MAY):
        partner_statements.approve(session, statement_id=statement_id, reason="Fine", actor=ben, now=THEN)
    _ask(session, first, _available(session, first) // 2, asker)
    refused = _ask(session, first, 10_00, asker)
    partner_payouts.reject(session, payout_id=refused, reason="Not now", actor=anna, now=THEN)
    _settle(tables[4], THEN, ANOTHER_ACE)


def _available(session: Session, partner_id: int) -> int:
    found = select(PartnerAccount).filter_by(partner_id=partner_id).execution_options(populate_existing=True)
    account = session.scalars(found).one()
    return account.approved - account.reserved - account.paid


def _ask(session: Session, partner_id: int, amount: int, actor: Actor) -> int:
    return partner_payouts.request(
        session,
        partner_id=partner_id,
        currency="USD",
        amount=amount,
        idempotency_key=f"ask-{amount}",
        actor=actor,
        now=THEN,
    )


def _pay(session: Session, payout_id: int, approver: Actor, payer: Actor) -> None:
    partner_payouts.approve(session, payout_id=payout_id, actor=approver, now=THEN)
    partner_payouts.pay(session, payout_id=payout_id, reference="SEPA-1", actor=payer, now=THEN)


def _reject_last(session: Session, partner_id: int, actor: Actor) -> None:
    newest = select(PartnerShownEarning.id).filter_by(partner_id=partner_id, state="pending")
    earning_id = session.scalars(newest.order_by(PartnerShownEarning.id.desc())).first()
    assert earning_id is not None
    partner_approvals.reject(
        session,
        partner_id=partner_id,
        earning_ids=[earning_id],
        reason="A self-referral",
        actor=actor,
        now=on(APRIL, 12),
    )


@pytest.fixture
def ledger(played: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """A copy, to be spoilt."""
    made = played.copy(tmp_path / "anchors")
    yield made
    drop_database(made.database)


def test_every_state_is_there(played: Ledger) -> None:
    def states(table: str) -> set[str]:
        return played.transact(lambda session: set(session.scalars(text(f"SELECT state FROM {table}"))))

    assert states("partner_shown_earnings") == {"pending", "approved", "paid", "rejected"}
    assert states("partner_statements") == {"declined", "payable", "paid", "rolled_over"}
    assert states("partner_payouts") == {"requested", "paid", "rejected"}


def test_what_was_earned_has_nothing_to_find(played: Ledger) -> None:
    for independently in (False, True):
        assert played.prove(independently=independently).findings == ()


SHOWN = "UPDATE partner_shown_earnings SET"
REAL = "UPDATE partner_game_earnings SET"
ACCOUNTS = "UPDATE partner_accounts SET"
PERIODS = "UPDATE partner_shown_periods SET"
LINES = "UPDATE partner_statement_lines SET"
STATEMENTS = "UPDATE partner_statements SET"
STATUSES = "UPDATE partner_status_changes SET"
CORRECTION = "WHERE settlement_version > 1"


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        (Check.EARNING, f"{SHOWN} earned = earned + 1 WHERE state = 'paid'"),
        (Check.EARNING, f"{SHOWN} earned = earned - 1 {CORRECTION}"),
        (Check.EARNING, f"{SHOWN} bets = bets + 1, payouts = payouts + 1 WHERE state = 'pending'"),
        (Check.EARNING, f"{SHOWN} bets = bets + 1, profit = profit + 1 {CORRECTION}"),
        (Check.EARNING, f"{SHOWN} approve_at = approve_at - interval '1 day'"),
        (Check.EARNING, f"{SHOWN} settled_at = settled_at - interval '1 microsecond'"),
        (Check.EARNING, f"{SHOWN} day = day - 3 WHERE state = 'pending'"),
        (Check.EARNING, f"{SHOWN} is_open = NOT is_open"),
        (Check.EARNING, f"{SHOWN} round_number = round_number + 1"),
        (Check.EARNING, f"{REAL} share_bp = share_bp + 1"),
        (Check.EARNING, f"{REAL} loss_policy = 'carry' WHERE loss_policy = 'per_round'"),
        (Check.EARNING, f"{REAL} real_bets = real_bets + 100, real_profit = real_profit + 100"),
        (Check.EARNING, "UPDATE partner_contracts SET rate_bp = rate_bp + 1 WHERE version = 2"),
        (Check.EARNING, "UPDATE partner_contracts SET hold_days = 0"),
        (Check.EARNING, "DELETE FROM partner_shown_earnings WHERE state = 'pending'"),
        (Check.ROUND_EARNINGS, f"{REAL} real_bets = real_bets + 100, real_payouts = real_payouts + 100"),
        (Check.ROUND_EARNINGS, f"{SHOWN} players = players + 1 WHERE state = 'pending'"),
        (Check.ROUND_EARNINGS, "UPDATE referrals SET since = '2026-06-01'"),
        (Check.ROUND_EARNINGS, "UPDATE referrals SET partner_id = NULL WHERE player_id = %(p)s"),
        (Check.ROUND_EARNINGS, f"{STATUSES} status = 'blocked' WHERE status = 'active'"),
        (Check.ROUND_EARNINGS, f"{STATUSES} since = '2026-04-01' WHERE status = 'active'"),
        (Check.ROUND_EARNINGS, "UPDATE partner_contracts SET valid_from = '2026-03-03' WHERE version = 2"),
        (Check.ROUND_EARNINGS, "UPDATE partner_contracts SET counts = 'whole'"),
        (Check.ROUND_EARNINGS, "WITH gone AS (DELETE FROM partner_shown_earnings WHERE state = 'pending'"
         " RETURNING id) DELETE FROM partner_game_earnings g USING gone WHERE g.id = gone.id"),
        (Check.PARTNER_ACCOUNT, f"{ACCOUNTS} total = total + 1"),
        (Check.PARTNER_ACCOUNT, f"{ACCOUNTS} pending = pending - 1"),
        (Check.PARTNER_ACCOUNT, f"{ACCOUNTS} approved = approved + 1"),
        (Check.PARTNER_ACCOUNT, f"{ACCOUNTS} reserved = reserved - 1 WHERE reserved > 0"),
        (Check.PARTNER_ACCOUNT, f"{ACCOUNTS} paid = paid - 1 WHERE paid > 0"),
        (Check.PARTNER_ACCOUNT, f"{SHOWN} state = 'approved', reason = NULL WHERE state = 'rejected'"),
        (Check.PARTNER_ACCOUNT, f"{SHOWN} state = 'rejected', reason = 'x', decided_at = now(),"
         " decided_by = 'x' WHERE state = 'pending'"),
        (Check.PARTNER_ACCOUNT, "UPDATE partner_payouts SET amount = amount - 1 WHERE state = 'requested'"),
        (Check.PARTNER_ACCOUNT, "DELETE FROM partner_payouts WHERE state = 'requested'"),
        (Check.SHOWN_PERIOD, f"{PERIODS} rounds = rounds + 1 WHERE kind = 'day'"),
        (Check.SHOWN_PERIOD, f"{PERIODS} players = players + 1 WHERE kind = 'month'"),
        (Check.SHOWN_PERIOD, f"{PERIODS} bets = bets + 1, payouts = payouts + 1 WHERE kind = 'game'"),
        (Check.SHOWN_PERIOD, f"{PERIODS} earned = earned + 1 WHERE kind = 'month'"),
        (Check.SHOWN_PERIOD, f"{PERIODS} is_named = NOT is_named WHERE kind = 'day'"),
        (Check.SHOWN_PERIOD, "DELETE FROM partner_shown_periods WHERE kind = 'game'"),
        (Check.SHOWN_PERIOD, "DELETE FROM partner_period_players WHERE player_id = %(p)s"),
        (Check.SHOWN_PERIOD, f"{PERIODS} starts = starts + 100 WHERE kind = 'day'"),
        (Check.STATEMENT_LINE, f"{LINES} earned = earned + 1"),
        (Check.STATEMENT_LINE, f"{LINES} bets = bets + 1, payouts = payouts + 1"),
        (Check.STATEMENT_LINE, f"{LINES} corrected = corrected + 1"),
        (Check.STATEMENT_LINE, f"{LINES} written_off = written_off + 1 WHERE loss_policy = 'period'"),
        (Check.STATEMENT_LINE, f"{LINES} loss_policy = 'per_round' WHERE loss_policy = 'carry'"),
        (Check.STATEMENT_LINE, "DELETE FROM partner_statement_lines WHERE contract_version = 2"),
        (Check.STATEMENT_LINE, f"{SHOWN} statement_id = NULL WHERE state = 'approved'"),
        (Check.STATEMENT, f"{STATEMENTS} bets = bets + 1, payouts = payouts + 1 WHERE state = 'declined'"),
        (Check.STATEMENT, f"{STATEMENTS} earned = earned + 1, closing = closing + 1, payable = payable + 1"
         " WHERE payable > 0"),
        (Check.STATEMENT, f"{STATEMENTS} opening = opening + 1, closing = closing + 1, carried = carried + 1"
         " WHERE state = 'rolled_over'"),
        (Check.STATEMENT, f"{STATEMENTS} minimum = minimum - 1"),
        (Check.STATEMENT, f"{STATEMENTS} carried = payable, payable = 0, state = 'rolled_over',"
         " paid_at = NULL WHERE payable > 0"),
        (Check.STATEMENT, f"{ACCOUNTS} closed_through = '2026-03-01'"),
        (Check.STATEMENT, "UPDATE partner_minimums SET amount = amount + 1"),
        (Check.STATEMENT_PAID, f"{STATEMENTS} state = 'payable', paid_at = NULL WHERE state = 'paid'"),
        (Check.STATEMENT_PAID, f"{STATEMENTS} state = 'paid', paid_at = now() WHERE state = 'payable'"),
        (Check.STATEMENT_PAID, f"{SHOWN} state = 'approved' WHERE state = 'paid'"),
        (Check.STATEMENT_PAID, f"{SHOWN} state = 'paid' WHERE state = 'approved' AND statement_id > 0"),
        (Check.STATEMENT_PAID, "UPDATE partner_payouts SET amount = amount - 1 WHERE state = 'paid'"),
    ],
)  # fmt: skip
def test_an_edit_is_found_both_ways(ledger: Ledger, check: Check, edit: str) -> None:
    ledger.edit(edit)
    first, second = ledger.prove(), ledger.prove(independently=True)
    assert check in first.totals
    assert {finding.message for finding in first.findings} == {finding.message for finding in second.findings}
    assert first.totals == second.totals
    assert all(finding.operator_id for finding in first.findings)
