"""Statements: what a month holds by each policy, in which order months are closed, and by whom."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.models.login import Role
from dashboard.models.partner import LossPolicy
from dashboard.services import partner_statements, partners
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.services.house import Stake, lost, open_house, push
from tests.services.partner_office import APRIL, JUNE, MARCH, MAY, THEN, Office, on, open_office

PER_ROUND, PERIOD, CARRY = LossPolicy.PER_ROUND, LossPolicy.PERIOD, LossPolicy.CARRY


def terms(policy: LossPolicy = PERIOD, *, rate_bp: int = 1_000, hold_days: int = 7) -> Terms:
    """Half is shown, and a tenth of that earned."""
    return Terms(share_bp=5_000, rate_bp=rate_bp, loss_policy=policy, hold_days=hold_days)


@pytest.fixture
def office(session: Session) -> Office:
    """The default terms: losses end with their month, 50.00 at the least."""
    return open_office(session)


def test_a_month(office: Office) -> None:
    office.earn(MARCH, 2_000_00, -500_00)
    office.earn(APRIL, 100_00)
    office.approve_due()
    statement_id = office.close(MARCH)

    (stated,) = office.statements()
    assert (stated.id, stated.month, stated.state, stated.rows) == (statement_id, MARCH, "closed", 2)
    # Bets 2,000.00 and 1.00, halved; profit 1,500.00, halved; 5 % of it.
    assert (stated.bets, stated.payouts, stated.profit) == (1_000_50, 250_50, 750_00)
    assert (stated.opening, stated.earned, stated.written_off, stated.closing) == (0, 75_00, 0, 75_00)
    assert (stated.minimum, stated.payable, stated.carried) == (50_00, 75_00, 0)
    (line,) = office.lines(statement_id)
    assert (line.contract_version, line.loss_policy, line.rows, line.profit) == (1, "period", 2, 750_00)
    assert (line.earned, line.corrected, line.written_off) == (75_00, 0, 0)
    assert [row.statement_id for row in office.house.rows(office.partner_id)] == [
        statement_id,
        statement_id,
        None,
    ]
    account = office.house.account(office.partner_id)
    assert (account.total, account.pending, account.approved, account.closed_through) == (80_00, 0, 0, MARCH)
    office.decide(statement_id)
    assert office.money() == (75_00, 0, 0)
    assert office.statements()[0].state == "payable"


def test_a_draft_says_what_closing_writes_and_writes_nothing(office: Office) -> None:
    office.earn(MARCH, 2_000_00, -500_00)
    office.approve_due()
    draft = partner_statements.draft(
        office.session, partner_id=office.partner_id, currency="USD", month=MARCH
    )
    assert office.statements() == []
    office.close(MARCH)
    (stated,) = office.statements()
    names = ("rows", "bets", "payouts", "profit", "opening", "earned", "closing", "payable", "carried")
    assert [getattr(draft, name) for name in names] == [getattr(stated, name) for name in names]
    assert [line.earned for line in draft.lines] == [75_00]


# By month: what rounds brought the house, and opening, earned, written off, payable, carried.
MONTHS: dict[str, tuple[LossPolicy, Sequence[Sequence[int]], Sequence[tuple[int, ...]]]] = {
    "by round, losses take nothing": (
        PER_ROUND,
        [[2_000_00, -1_500_00], [-3_000_00], [1_000_00]],
        [(0, 100_00, 0, 100_00, 0), (0, 0, 0, 0, 0), (0, 50_00, 0, 50_00, 0)],
    ),
    "by month, losses end with it": (
        PERIOD,
        [[2_000_00, -500_00], [1_000_00, -3_000_00], [1_000_00]],
        [(0, 75_00, 0, 75_00, 0), (0, -100_00, 100_00, 0, 0), (0, 50_00, 0, 50_00, 0)],
    ),
    "carried over several months": (
        CARRY,
        [[-2_000_00], [-1_000_00, 500_00], [1_500_00], [3_000_00]],
        [
            (0, -100_00, 0, 0, -100_00),
            (-100_00, -25_00, 0, 0, -125_00),
            (-125_00, 75_00, 0, 0, -50_00),
            (-50_00, 150_00, 0, 100_00, 0),
        ],
    ),
    "below the minimum it waits": (
        PERIOD,
        [[400_00], [500_00], [100_00], [999_80]],
        [
            (0, 20_00, 0, 0, 20_00),
            (20_00, 25_00, 0, 0, 45_00),
            (45_00, 5_00, 0, 50_00, 0),
            (0, 49_99, 0, 0, 49_99),
        ],
    ),
    "a written off loss leaves what waits": (
        PERIOD,
        [[400_00], [-5_000_00], [600_00]],
        [(0, 20_00, 0, 0, 20_00), (20_00, -250_00, 250_00, 0, 20_00), (20_00, 30_00, 0, 50_00, 0)],
    ),
    "a carried loss takes what waits": (
        CARRY,
        [[400_00], [-600_00], [2_000_00]],
        [(0, 20_00, 0, 0, 20_00), (20_00, -30_00, 0, 0, -10_00), (-10_00, 100_00, 0, 90_00, 0)],
    ),
}


@pytest.mark.parametrize(("policy", "profits", "stated"), MONTHS.values(), ids=MONTHS.keys())
def test_months_by_policy(
    session: Session,
    policy: LossPolicy,
    profits: Sequence[Sequence[int]],
    stated: Sequence[tuple[int, ...]],
) -> None:
    office = open_office(session, terms=terms(policy))
    for month, of_month in zip((MARCH, APRIL, MAY, JUNE), profits, strict=False):
        office.earn(month, *of_month)
        office.approve_due()
        office.decide(office.close(month))

    assert [
        (each.opening, each.earned, each.written_off, each.payable, each.carried)
        for each in office.statements()
    ] == list(stated)
    assert [each.state for each in office.statements()] == [
        "payable" if payable else "rolled_over" for *_, payable, _ in stated
    ]
    assert office.money() == (sum(payable for *_, payable, _ in stated), 0, 0)


@pytest.mark.parametrize(
    ("policy", "written_off", "carried"), [(PER_ROUND, 0, -100_00), (PERIOD, 100_00, 0), (CARRY, 0, -100_00)]
)
def test_after_a_void_of_a_paid_round_the_next_statement_carries_the_negative_row(
    session: Session, policy: LossPolicy, written_off: int, carried: int
) -> None:
    office = open_office(session, terms=terms(policy))
    (round_id,) = office.earn(MARCH, 2_000_00)
    office.approve_due()
    office.decide(office.close(MARCH))
    payout_id = office.request(100_00)
    office.approve(payout_id)
    office.pay(payout_id)
    office.house.settle_again(round_id, push(office.player_id, 2_000_00), at=on(APRIL))
    office.approve_due()
    statement_id = office.close(APRIL)

    assert office.row_states() == ["paid", "approved"]
    (line,) = office.lines(statement_id)
    assert (line.rows, line.earned, line.corrected, line.written_off) == (1, -100_00, -100_00, written_off)
    assert office.statements()[-1].carried == carried
    assert office.money() == (100_00, 0, 100_00)


def test_a_line_for_each_contract(session: Session) -> None:
    office = open_office(session, terms=terms(PERIOD), now=on(MARCH, 1))
    partners.agree(
        session,
        partner_id=office.partner_id,
        contract=partners.Contract(terms(CARRY, rate_bp=2_000), dt.date(2026, 3, 10), {"USD": 10_00}),
        actor=SYSTEM,
        now=on(MARCH, 5),
    )
    new = office.house.player()
    builders.refer(session, office.partner_id, new, now=on(MARCH, 11))
    office.house.settle(Stake(office.player_id, 100_00, 0, push(0).state, 100_00), at=on(MARCH, 12))
    office.earn(MARCH, -1_000_00, day=12)
    office.house.settle(lost(new, 300_00), at=on(MARCH, 13))
    office.approve_due()
    statement_id = office.close(MARCH)

    first, second = office.lines(statement_id)
    assert (first.contract_version, first.loss_policy, first.rows, first.earned, first.written_off) == (
        1,
        "period",
        2,
        -50_00,
        50_00,
    )
    assert (second.contract_version, second.loss_policy, second.rows, second.earned, second.written_off) == (
        2,
        "carry",
        1,
        30_00,
        0,
    )
    (stated,) = office.statements()
    # The loss under one contract takes nothing of what the other earned; the newest one has the minimum.
    assert (stated.earned, stated.written_off, stated.minimum, stated.payable) == (
        -20_00,
        50_00,
        10_00,
        30_00,
    )


def test_what_is_pending_goes_to_the_next(office: Office) -> None:
    office.earn(MARCH, 2_000_00)
    office.earn(MARCH, 1_000_00, day=30)
    office.approve_due(now=on(APRIL, 3))
    first = office.close(MARCH, now=on(APRIL, 3))
    office.approve_due()
    second = office.close(APRIL)

    assert [row.statement_id for row in office.house.rows(office.partner_id)] == [first, second]
    assert [(each.rows, each.earned) for each in office.statements()] == [(1, 100_00), (1, 50_00)]


def test_what_is_settled_after_closing_is_of_the_next_month(office: Office) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    office.close(MARCH)
    # Claimed on the last of March, and finished only now.
    office.earn(MARCH, 1_000_00, day=31)
    assert [row.day for row in office.house.rows(office.partner_id)] == [dt.date(2026, 3, 10), APRIL]


def test_months_are_closed_once_in_order_and_when_they_are_over(office: Office) -> None:
    def refused(kind: type[PurserError], words: str, month: dt.date, now: dt.datetime = THEN) -> None:
        with pytest.raises(kind, match=words):
            office.close(month, now=now)

    refused(Conflict, "nothing was earned", MARCH)
    office.earn(MARCH, 2_000_00)
    office.earn(MAY, 2_000_00)
    office.approve_due()
    # The first of April begins at 22:00 UTC in Malta.
    refused(Rejected, "March 2026 is not over", MARCH, dt.datetime(2026, 3, 31, 21, 59, tzinfo=dt.UTC))
    refused(Rejected, "Close March 2026 first", APRIL)
    assert office.close(MARCH, now=dt.datetime(2026, 3, 31, 22, 0, tzinfo=dt.UTC)) is not None
    refused(Conflict, "closed already", MARCH)
    refused(Rejected, "Close April 2026 first", MAY)
    assert office.close(APRIL) is None
    assert office.house.account(office.partner_id).closed_through == APRIL
    assert office.close(MAY) is not None
    assert [each.month for each in office.statements()] == [MARCH, MAY]


def test_an_empty_month_has_a_statement_where_something_is_carried(session: Session) -> None:
    office = open_office(session, terms=terms(CARRY))
    office.earn(MARCH, -2_000_00)
    office.approve_due()
    for month in (MARCH, APRIL):
        office.decide(office.close(month))
    second = office.statements()[1]
    assert (second.rows, second.opening, second.closing, second.state) == (0, -100_00, -100_00, "rolled_over")
    assert office.lines(second.id) == []


def test_a_second_person_decides_with_a_reason(office: Office) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    statement_id = office.close(MARCH)
    for decline in (False, True):
        with pytest.raises(Rejected, match="somebody else decides"):
            office.decide(statement_id, actor=office.anna, decline=decline)
        with pytest.raises(Rejected, match="Say why"):
            office.decide(statement_id, decline=decline, reason=" ")
        with pytest.raises(Rejected, match="people"):
            office.decide(statement_id, actor=SYSTEM, decline=decline)
    with pytest.raises(Rejected, match="people"):
        office.close(APRIL, actor=SYSTEM)
    office.decide(statement_id)
    for decline in (False, True):
        with pytest.raises(Conflict, match="decided already"):
            office.decide(statement_id, actor=office.cleo, decline=decline)
    assert office.money() == (100_00, 0, 0)


def test_declined_and_closed_again(office: Office) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    first = office.close(MARCH)
    office.decide(first, decline=True, reason="A round is missing")
    account = office.house.account(office.partner_id)
    assert (account.closed_through, account.approved) == (dt.date(2026, 2, 1), 0)
    assert [row.statement_id for row in office.house.rows(office.partner_id)] == [None]

    office.earn(MARCH, 1_000_00)
    office.approve_due()
    second = office.close(MARCH)
    assert [(each.state, each.rows, each.payable) for each in office.statements()] == [
        ("declined", 1, 100_00),
        ("closed", 2, 150_00),
    ]
    office.decide(second)
    assert office.money() == (150_00, 0, 0)


def test_only_the_last_statement_is_declined_and_the_first_decided_first(session: Session) -> None:
    office = open_office(session, terms=terms(CARRY))
    office.earn(MARCH, 400_00)
    office.earn(APRIL, 1_000_00)
    office.approve_due()
    first, second = office.close(MARCH), office.close(APRIL)
    with pytest.raises(Rejected, match="Decline April 2026 first"):
        office.decide(first, decline=True)
    with pytest.raises(Rejected, match="Decide on March 2026 first"):
        office.decide(second)
    office.decide(second, decline=True)
    office.decide(first, decline=True)
    office.earn(MARCH, 100_00)
    office.approve_due()
    assert [office.close(MARCH), office.close(APRIL)] == [each.id for each in office.statements()[2:]]
    # Not what the declined one had carried over.
    assert [each.opening for each in office.statements()] == [0, 20_00, 0, 25_00]


def test_declined_after_empty_months(office: Office) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    statement_id = office.close(MARCH)
    office.close(APRIL)
    office.decide(statement_id, decline=True)
    assert office.house.account(office.partner_id).closed_through == dt.date(2026, 2, 1)
    assert office.close(MARCH) is not None


@pytest.mark.parametrize(("currency", "minimum"), [("USD", 50_00), ("JPY", 50), ("KWD", 50_000)])
def test_fifty_whole_units_unless_the_contract_says_else(
    session: Session, currency: str, minimum: int
) -> None:
    office = open_office(session, currency=currency, minimums={"EUR": 1})
    office.earn(MARCH, 20 * minimum)
    office.earn(APRIL, 20 * minimum - 20)
    office.approve_due()
    office.close(MARCH)
    office.close(APRIL)
    assert [(each.minimum, each.payable) for each in office.statements()] == [
        (minimum, minimum),
        (minimum, 0),
    ]


@pytest.mark.parametrize("each", [False, True])
def test_a_month_of_everybody_catches_up(session: Session, each: bool) -> None:
    first = open_office(session)
    second = Office(first.house)
    first.earn(MARCH, 2_000_00)
    second.earn(APRIL, 2_000_00)
    first.approve_due()
    scope: dict[str, Any] = {
        "operator_id": first.house.operator_id,
        "actor": first.anna,
        "now": THEN,
    }

    def close(month: dt.date) -> list[int]:
        if each:
            return partner_statements.close_each(lambda work: work(session), month=month, **scope)
        return partner_statements.close_month(session, month=month, **scope)

    made = close(MAY)
    assert [stated.month for stated in (*first.statements(), *second.statements())] == [MARCH, APRIL]
    assert made == [stated.id for stated in (*first.statements(), *second.statements())]
    assert {office.house.account(office.partner_id).closed_through for office in (first, second)} == {MAY}
    assert close(MAY) == []
    with pytest.raises(Rejected, match="not over"):
        close(dt.date(2026, 7, 1))


def test_another_operator_sees_nothing(office: Office) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    stranger = builders.make_actor(
        office.session, operator_id=open_house(office.session).operator_id, role=Role.MANAGER
    )
    with pytest.raises(NotFound):
        office.close(MARCH, actor=stranger)
    with pytest.raises(NotFound):
        partner_statements.close_month(
            office.session, operator_id=office.house.operator_id, month=MARCH, actor=stranger, now=THEN
        )
    statement_id = office.close(MARCH)
    for decline in (False, True):
        with pytest.raises(NotFound):
            office.decide(statement_id, actor=stranger, decline=decline)


_DECIDE = """
UPDATE partner_statements SET state = :state, decided_by = :who, decided_at = now(), decision_reason = 'x'
"""


@pytest.mark.parametrize("state", ["payable", "declined"])
def test_the_database_asks_for_a_second_person(office: Office, state: str) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    office.close(MARCH)
    with pytest.raises(IntegrityError, match="second_person"), office.session.begin_nested():
        office.session.execute(text(_DECIDE), {"state": state, "who": office.anna.id})
    office.session.execute(text(_DECIDE), {"state": state, "who": office.ben.id})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE partner_statements SET closed_by = closed_by + 1",
        "UPDATE partner_statements SET payable = payable + 1, closing = closing + 1",
        "UPDATE partner_statement_lines SET earned = earned + 1",
        "DELETE FROM partner_statements",
        "INSERT INTO partner_statements (partner_id, operator_id, currency, month, rows, bets, payouts,"
        " profit, opening, earned, written_off, closing, minimum, payable, carried, closed_by, closed_at,"
        " state, decided_by, decided_at, decision_reason) SELECT partner_id, operator_id, currency,"
        " '2026-04-01', 0,"
        " 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, closed_by, closed_at, 'rolled_over', closed_by + 1, closed_at, 'x'"
        " FROM partner_statements",
    ],
)
def test_the_application_cannot_rewrite_what_was_closed(office: Office, statement: str) -> None:
    office.earn(MARCH, 2_000_00)
    office.approve_due()
    office.close(MARCH)
    with pytest.raises(ProgrammingError, match="permission denied"):
        office.session.execute(text(statement))
