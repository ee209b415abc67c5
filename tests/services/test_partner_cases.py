"""What rounds earn and show, computed by hand: figures, terms, dates, and what corrections do to them."""

import datetime as dt
from dataclasses import dataclass, replace

import pytest
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.partner import LossPolicy, PartnerStatus, StakesCounted
from dashboard.services import partner_approvals, partners
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.services.house import House, Stake, lost, open_house, push, void, won

LONG_AGO = dt.datetime(2025, 12, 1, 12, tzinfo=dt.UTC)
HALF_A_TENTH = Terms(share_bp=5_000, rate_bp=1_000)
PER_ROUND, PERIOD, CARRY = LossPolicy.PER_ROUND, LossPolicy.PERIOD, LossPolicy.CARRY


def terms(share_bp: int = 5_000, rate_bp: int = 1_000, policy: LossPolicy = PERIOD) -> Terms:
    """Half is shown and a tenth of that earned, unless a case says more."""
    return Terms(share_bp=share_bp, rate_bp=rate_bp, loss_policy=policy)


WHOLE = Terms(share_bp=5_000, rate_bp=1_000, counts=StakesCounted.WHOLE)


@dataclass(frozen=True)
class Case:
    """Stakes by players 1, 2, 3 …, and the row that they make, None for no row.

    That is real bets and payouts; shown bets, payouts and profit; what is earned.
    """

    stakes: tuple[Stake, ...]
    row: tuple[int, int, int, int, int, int] | None
    terms: Terms = HALF_A_TENTH
    currency: str = "USD"


CASES = {
    # Signs, in US cents: 5 % of the real profit.
    "the example": Case((lost(1, 1_000_00),), (1_000_00, 0, 500_00, 0, 500_00, 50_00)),
    "no profit": Case((won(1, 100_00, 100_00),), (100_00, 100_00, 50_00, 50_00, 0, 0)),
    "a loss": Case((won(1, 100_00, 300_00),), (100_00, 300_00, 50_00, 150_00, -100_00, -10_00)),
    "a loss, carried": Case(
        (won(1, 100_00, 300_00),),
        (100_00, 300_00, 50_00, 150_00, -100_00, -10_00),
        terms(policy=CARRY),
    ),
    "a loss, by round": Case(
        (won(1, 100_00, 300_00),), (100_00, 300_00, 50_00, 150_00, -100_00, 0), terms(policy=PER_ROUND)
    ),
    "no profit, by round": Case(
        (won(1, 100_00, 100_00),), (100_00, 100_00, 50_00, 50_00, 0, 0), terms(policy=PER_ROUND)
    ),
    "a profit, by round": Case(
        (lost(1, 100_00),), (100_00, 0, 50_00, 0, 50_00, 5_00), terms(policy=PER_ROUND)
    ),
    # What is earned: 0.5, 1.5, 2.5, 3.5 cents, and below zero.
    "half a cent is none": Case((lost(1, 10),), (10, 0, 5, 0, 5, 0)),
    "one and a half are two": Case((lost(1, 30),), (30, 0, 15, 0, 15, 2)),
    "two and a half are two": Case((lost(1, 50),), (50, 0, 25, 0, 25, 2)),
    "three and a half are four": Case((lost(1, 70),), (70, 0, 35, 0, 35, 4)),
    "minus half a cent is none": Case((won(1, 100, 110),), (100, 110, 50, 55, -5, 0)),
    "minus one and a half": Case((won(1, 100, 130),), (100, 130, 50, 65, -15, -2)),
    "minus two and a half": Case((won(1, 100, 150),), (100, 150, 50, 75, -25, -2)),
    "more than half goes up": Case((lost(1, 11),), (11, 0, 6, 0, 6, 1)),
    # What is shown: halves of 1, 3, 5 cents; payouts are what is left.
    "half a cent is not shown": Case((lost(1, 1),), (1, 0, 0, 0, 0, 0)),
    "half of three is shown as two": Case((lost(1, 3),), (3, 0, 2, 0, 2, 0)),
    "half of five is shown as two": Case((lost(1, 5),), (5, 0, 2, 0, 2, 0)),
    "shown payouts make up the difference": Case((won(1, 101, 104),), (101, 104, 50, 52, -2, 0)),
    "from the exact figure, not the shown": Case(
        # 1.5 is shown as 2; nine tenths of 1.5 are 1.35, of 2 they would be 1.8.
        (lost(1, 3),),
        (3, 0, 2, 0, 2, 1),
        terms(rate_bp=9_000),
    ),
    "odd terms": Case(
        # 99.99 × 12.34 % = 12.338766, of which 7.5 % = 0.92540745
        (lost(1, 99_99),),
        (99_99, 0, 12_34, 0, 12_34, 93),
        terms(share_bp=1_234, rate_bp=750),
    ),
    "everything": Case(
        (lost(1, 123_45),), (123_45, 0, 123_45, 0, 123_45, 123_45), terms(share_bp=10_000, rate_bp=10_000)
    ),
    "next to nothing": Case(
        (lost(1, 1_000_000_00),), (1_000_000_00, 0, 100_00, 0, 100_00, 1), terms(share_bp=1, rate_bp=1)
    ),
    "less than that": Case(
        (lost(1, 500_000_00),), (500_000_00, 0, 50_00, 0, 50_00, 0), terms(share_bp=1, rate_bp=1)
    ),
    # Other minor units.
    "yen": Case((lost(1, 1_000),), (1_000, 0, 500, 0, 500, 50), currency="JPY"),
    "one and a half yen": Case((lost(1, 30),), (30, 0, 15, 0, 15, 2), currency="JPY"),
    "a loss in yen": Case((won(1, 1_000, 4_000),), (1_000, 4_000, 500, 2_000, -1_500, -150), currency="JPY"),
    "dinars": Case((lost(1, 1_000_000),), (1_000_000, 0, 500_000, 0, 500_000, 50_000), currency="KWD"),
    "half a fils": Case((lost(1, 10),), (10, 0, 5, 0, 5, 0), currency="KWD"),
    "a loss in dinars": Case(
        (won(1, 1_000, 3_050),), (1_000, 3_050, 500, 1_525, -1_025, -102), currency="KWD"
    ),
    # Bonus money.
    "a bonus does not count": Case((lost(1, 60_00, bonus=40_00),), (60_00, 0, 30_00, 0, 30_00, 3_00)),
    "a bonus counts": Case((lost(1, 60_00, bonus=40_00),), (100_00, 0, 50_00, 0, 50_00, 5_00), WHOLE),
    "nothing but a bonus": Case((lost(1, bonus=100_00),), (0, 0, 0, 0, 0, 0)),
    "nothing but a bonus, which counts": Case(
        (lost(1, bonus=100_00),), (100_00, 0, 50_00, 0, 50_00, 5_00), WHOLE
    ),
    "a mixed stake wins": Case(
        (won(1, 60_00, 114_00, bonus=40_00, paid_bonus=76_00),),
        (60_00, 114_00, 30_00, 57_00, -27_00, -2_70),
    ),
    "a mixed stake wins and counts": Case(
        (won(1, 60_00, 114_00, bonus=40_00, paid_bonus=76_00),),
        (100_00, 190_00, 50_00, 95_00, -45_00, -4_50),
        WHOLE,
    ),
    # Stakes that go back.
    "a push is turnover": Case((push(1, 100_00),), (100_00, 100_00, 50_00, 50_00, 0, 0)),
    "a push beside a loss": Case(
        (push(1, 100_00), lost(2, 50_00)), (150_00, 100_00, 75_00, 50_00, 25_00, 2_50)
    ),
    "a mixed push": Case((push(1, 60_00, bonus=40_00),), (60_00, 60_00, 30_00, 30_00, 0, 0)),
    "a void was never played": Case((void(1, 100_00),), None),
    "a void beside a loss": Case((void(1, 100_00), lost(2, 50_00)), (50_00, 0, 25_00, 0, 25_00, 2_50)),
    # Rounded once, over all of the partner's players.
    "five cents twice": Case((lost(1, 5), lost(2, 5)), (10, 0, 5, 0, 5, 0)),
    "ten cents three times": Case((lost(1, 10), lost(2, 10), lost(3, 10)), (30, 0, 15, 0, 15, 2)),
    "one wins what two lose": Case(
        (lost(1, 100_00), lost(2, 100_00), won(3, 100_00, 300_00)),
        (300_00, 300_00, 150_00, 150_00, 0, 0),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_round(session: Session, case: Case) -> None:
    house = open_house(session, currency=case.currency)
    partner_id = builders.make_partner(session, operator_id=house.operator_id, terms=case.terms)
    players = {number: house.player() for number in {stake.player_id for stake in case.stakes}}
    builders.refer(session, partner_id, *players.values())
    # Somebody of nobody's plays, too: the partner earns nothing by them.
    stakes = [replace(each, player_id=players[each.player_id]) for each in case.stakes]
    house.settle(*stakes, lost(house.player(), 777_00))

    rows = house.rows(partner_id)
    assert [
        (row.real_bets, row.real_payouts, row.bets, row.payouts, row.profit, row.earned) for row in rows
    ] == ([case.row] if case.row else [])
    if case.row:
        played = {stake.player_id for stake in case.stakes if stake.state != "void"}
        assert rows[0].players == len(played)
        assert house.account(partner_id).total == house.account(partner_id).pending == case.row[-1]


def utc(text: str) -> dt.datetime:
    """`2026-03-08 05:00`, in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def new_terms(
    house: House, partner_id: int, valid_from: dt.date, *, accepted: bool, now: dt.datetime
) -> None:
    """Twice the rate, from that day on."""
    version = partners.agree(
        house.session,
        partner_id=partner_id,
        contract=partners.Contract(terms(rate_bp=2_000), valid_from, {}),
        actor=SYSTEM,
        now=now,
    )
    if accepted:
        login = builders.make_login(
            house.session, operator_id=house.operator_id, role=Role.PARTNER, partner_id=partner_id
        )
        actor = builders.actor_of(login)
        partners.accept(house.session, partner_id=partner_id, version=version, actor=actor, now=now)


@pytest.mark.parametrize(
    ("zone", "valid_from", "opened_at", "version"),
    [
        ("Europe/Malta", "2026-02-01", "2026-01-31 22:59:59", 1),
        ("Europe/Malta", "2026-02-01", "2026-01-31 23:00:00", 2),
        ("Asia/Kolkata", "2026-02-01", "2026-01-31 18:29:59", 1),
        ("Asia/Kolkata", "2026-02-01", "2026-01-31 18:30:00", 2),
        # The clocks go forward at two on that very night, and back on the other.
        ("America/New_York", "2026-03-08", "2026-03-08 04:59:59", 1),
        ("America/New_York", "2026-03-08", "2026-03-08 05:00:00", 2),
        ("America/New_York", "2026-03-09", "2026-03-09 03:59:59", 1),
        ("America/New_York", "2026-03-09", "2026-03-09 04:00:00", 2),
        ("Europe/London", "2026-10-26", "2026-10-25 23:59:59", 1),
        ("Europe/London", "2026-10-26", "2026-10-26 00:00:00", 2),
        ("Europe/London", "2026-10-25", "2026-10-24 22:59:59", 1),
        ("Europe/London", "2026-10-25", "2026-10-24 23:00:00", 2),
        # There is no midnight: the day begins at one.
        ("Africa/Cairo", "2026-04-24", "2026-04-23 21:59:59", 1),
        ("Africa/Cairo", "2026-04-24", "2026-04-23 22:00:00", 2),
    ],
)
def test_terms_change_at_midnight_where_the_operator_is(
    session: Session, zone: str, valid_from: str, opened_at: str, version: int
) -> None:
    house = open_house(session, zone=zone)
    partner_id = builders.make_partner(session, operator_id=house.operator_id, now=LONG_AGO)
    player_id = house.player()
    builders.refer(session, partner_id, player_id, now=LONG_AGO)
    new_terms(house, partner_id, dt.date.fromisoformat(valid_from), accepted=True, now=LONG_AGO)
    opened = utc(opened_at)
    house.settle(lost(player_id, 100_00), opened_at=opened, at=opened + dt.timedelta(minutes=5))

    (row,) = house.rows(partner_id)
    assert (row.contract, row.earned) == (version, 5_00 * version)


@pytest.mark.parametrize(
    ("referred_at", "accepted", "version"),
    [
        ("2026-01-31 22:59:59", False, 1),
        ("2026-01-31 22:59:59", True, 2),
        ("2026-01-31 23:00:00", False, 2),
        ("2026-01-31 23:00:00", True, 2),
    ],
)
def test_new_terms_hold_for_new_players_or_for_all_once_accepted(
    session: Session, referred_at: str, accepted: bool, version: int
) -> None:
    house = open_house(session)
    partner_id = builders.make_partner(session, operator_id=house.operator_id, now=LONG_AGO)
    player_id = house.player()
    new_terms(house, partner_id, dt.date(2026, 2, 1), accepted=accepted, now=LONG_AGO)
    builders.refer(session, partner_id, player_id, now=utc(referred_at))
    house.settle(lost(player_id, 100_00), at=utc("2026-02-03 10:00"))

    (row,) = house.rows(partner_id)
    assert (row.contract, row.earned) == (version, 5_00 * version)


def test_one_round_by_two_versions(session: Session) -> None:
    house = open_house(session)
    partner_id = builders.make_partner(session, operator_id=house.operator_id, now=LONG_AGO)
    old, new = house.player(), house.player()
    new_terms(house, partner_id, dt.date(2026, 2, 1), accepted=False, now=LONG_AGO)
    builders.refer(session, partner_id, old, now=utc("2026-01-10 10:00"))
    builders.refer(session, partner_id, new, now=utc("2026-02-10 10:00"))
    house.settle(lost(old, 100_00), lost(new, 10_00))

    assert [(row.contract, row.players, row.earned) for row in house.rows(partner_id)] == [
        (1, 1, 5_00),
        (2, 1, 1_00),
    ]
    assert house.account(partner_id).total == 6_00


@pytest.mark.parametrize(
    ("status", "earned"),
    [
        (PartnerStatus.PENDING, []),
        (PartnerStatus.ACTIVE, [5_00]),
        (PartnerStatus.SUSPENDED, [5_00]),
        (PartnerStatus.BLOCKED, []),
    ],
)
def test_status(session: Session, status: PartnerStatus, earned: list[int]) -> None:
    house = open_house(session)
    partner_id, player_id = house.partner(status=status)
    house.take(player_id, 100_00)
    assert [row.earned for row in house.rows(partner_id)] == earned


def test_a_status_holds_from_its_moment(session: Session) -> None:
    house = open_house(session)
    partner_id, player_id = house.partner()
    for hours, status in ((2, PartnerStatus.BLOCKED), (4, PartnerStatus.SUSPENDED)):
        partners.set_status(
            session,
            partner_id=partner_id,
            status=status,
            reason="Looked into",
            actor=SYSTEM,
            now=builders.NOW + dt.timedelta(hours=hours),
        )
    for hours, profit in ((1, 100_00), (3, 200_00), (5, 400_00)):
        house.take(player_id, profit, at=builders.NOW + dt.timedelta(hours=hours))
    assert [row.earned for row in house.rows(partner_id)] == [5_00, 20_00]


def test_a_correction_asks_as_of_the_first_settlement(session: Session) -> None:
    house = open_house(session)
    partner_id = builders.make_partner(session, operator_id=house.operator_id, now=LONG_AGO)
    rival = builders.make_partner(session, operator_id=house.operator_id, now=LONG_AGO)
    player_id = house.player()
    builders.refer(session, partner_id, player_id, now=LONG_AGO)
    at = utc("2026-01-31 20:00")
    round_id = house.settle(lost(player_id, 100_00), at=at)
    # Since then: new terms for all, another partner's player, and blocked.
    new_terms(house, partner_id, dt.date(2026, 2, 3), accepted=True, now=utc("2026-02-01 10:00"))
    builders.refer(session, rival, player_id, now=utc("2026-02-02 10:00"))
    partners.set_status(
        session,
        partner_id=partner_id,
        status=PartnerStatus.BLOCKED,
        reason="Fraud",
        actor=SYSTEM,
        now=utc("2026-02-04 10:00"),
    )
    house.settle_again(round_id, won(player_id, 100_00, 190_00), at=utc("2026-02-05 10:00"))

    first, second = house.rows(partner_id)
    assert (first.contract, first.earned, first.day) == (1, 5_00, dt.date(2026, 1, 31))
    # The house lost 90.00 instead of making 100.00: 5 % of −190.00.
    assert (second.contract, second.earned, second.day) == (1, -9_50, dt.date(2026, 2, 5))
    assert (second.real_bets, second.real_payouts, second.players) == (0, 190_00, 0)
    assert house.rows(rival) == []
    assert house.account(partner_id).total == -4_50


def test_a_correction_is_the_difference_to_the_unit(session: Session) -> None:
    house = open_house(session)
    partner_id, player_id = house.partner()
    round_id = house.settle(lost(player_id, 30))
    for version, (stake, earned) in enumerate(
        # 1.5 was 2. Now −1.5 is −2, which is 4 less; then 2 again; and then nothing.
        [(won(player_id, 30, 60), -4), (lost(player_id, 30), 4), (push(player_id, 30), -2)],
        start=1,
    ):
        house.settle_again(round_id, stake, at=builders.NOW + dt.timedelta(hours=version))
        assert house.rows(partner_id)[-1].earned == earned
    assert house.account(partner_id).total == 0


def test_a_version_that_says_the_same_writes_nothing(session: Session) -> None:
    house = open_house(session)
    partner_id, player_id = house.partner()
    round_id = house.settle(lost(player_id, 100_00))
    house.settle_again(round_id, lost(player_id, 100_00), at=builders.NOW + dt.timedelta(hours=1))
    assert len(house.rows(partner_id)) == 1


def test_by_round_a_correction_below_zero_takes_only_what_was_earned(session: Session) -> None:
    house = open_house(session)
    partner_id, player_id = house.partner(terms=terms(policy=PER_ROUND))
    round_id = house.settle(lost(player_id, 100_00))
    house.settle_again(round_id, won(player_id, 100_00, 500_00), at=builders.NOW + dt.timedelta(hours=1))
    assert [row.earned for row in house.rows(partner_id)] == [5_00, -5_00]


def test_rejected_then_corrected(session: Session) -> None:
    house = open_house(session)
    partner_id, player_id = house.partner()
    round_id = house.settle(lost(player_id, 100_00))
    (row,) = house.rows(partner_id)
    partner_approvals.reject(
        session,
        partner_id=partner_id,
        earning_ids=[row.id],
        reason="A self-referral",
        actor=SYSTEM,
        now=builders.NOW,
    )
    house.settle_again(round_id, push(player_id, 100_00), at=builders.NOW + dt.timedelta(hours=1))

    # What was rejected is as if it had never been: the correction is the whole, not the difference.
    rejected, corrected = house.rows(partner_id)
    assert (rejected.state, rejected.earned) == ("rejected", 5_00)
    assert (corrected.state, corrected.bets, corrected.payouts, corrected.earned) == (
        "pending",
        50_00,
        50_00,
        0,
    )
    assert house.account(partner_id).total == 0
