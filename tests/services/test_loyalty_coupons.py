"""Purchases and coupons of households as points: an invented set in the shape of the real one."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.services import points
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import loyalty_coupons
from dashboard.services.imports.loyalty_coupons import Report
from dashboard.services.imports.loyalty_coupons_replay import CAMPAIGN_POINTS, COUPON_POINTS, Rule
from dashboard.services.imports.reading import Unreadable
from tests import builders
from tests.legacy_tables import Cells, write
from tests.services.test_import_legacy import Edge

NOW = dt.datetime(2017, 6, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def house(session: Session) -> int:
    return builders.make_operator(session, slug="house", timezone="America/New_York")


def move_in(session: Session, folder: Path, *, rule: Rule | None = None, **options: Any) -> Report:
    return loyalty_coupons.run(
        Edge(session), folder=folder, operator="house", rule=rule or Rule(), now=NOW, **options
    )


def rows(session: Session, statement: str) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement))]


def bought(household: str, basket: str, value: str, at: str = "2017-03-05 10:00:00") -> Cells:
    return {
        "household_id": household,
        "basket_id": basket,
        "product_id": "1",
        "sales_value": value,
        "transaction_timestamp": at,
    }


def coupon(household: str, campaign: str, day: str, upc: str = "10000085364") -> Cells:
    return {
        "household_id": household,
        "coupon_upc": upc,
        "campaign_id": campaign,
        "redemption_date": day,
    }


CAMPAIGNS = (
    {"campaign_id": "1", "campaign_type": "Type A", "start_date": "2017-03-03", "end_date": "2017-03-12"},
    {"campaign_id": "2", "campaign_type": "Type B", "start_date": "2017-03-12", "end_date": "2017-03-20"},
)


def write_set(folder: Path, *redemptions: Cells, baskets: tuple[Cells, ...] = ()) -> Path:
    return write(
        folder,
        campaign_descriptions=CAMPAIGNS,
        campaigns=[
            {"campaign_id": "1", "household_id": "7"},
            {"campaign_id": "2", "household_id": "7"},
            {"campaign_id": "1", "household_id": "8"},
        ],
        coupon_redemptions=redemptions or (coupon("8", "1", "2017-03-04"),),
        transactions_sample=baskets or (bought("9", "b9", "0.99"),),
    )


def test_both_ends_of_a_campaign_count(session: Session, tmp_path: Path) -> None:
    """With exactly the points that the coupons need, one day less at either end would refuse one."""
    write_set(
        tmp_path,
        coupon("7", "1", "2017-03-03"),
        coupon("7", "1", "2017-03-12"),
        coupon("7", "2", "2017-03-12"),
        coupon("7", "2", "2017-03-20"),
        coupon("8", "1", "2017-03-12"),
    )
    report = move_in(session, tmp_path, rule=Rule(exact=True))
    assert report.is_fine
    counts = report.counts
    assert (counts.redemptions, counts.on_first_day, counts.on_last_day, counts.refused) == (5, 2, 3, 0)
    assert (counts.given, counts.redeemed, counts.expired, counts.balance) == (500, 500, 0, 0)
    batches = "SELECT loaded, loaded_on, expires_on FROM points_batches ORDER BY player_id, number"
    assert rows(session, batches) == [
        (200, dt.date(2017, 3, 3), dt.date(2017, 3, 12)),
        (200, dt.date(2017, 3, 12), dt.date(2017, 3, 20)),
        (100, dt.date(2017, 3, 3), dt.date(2017, 3, 12)),
    ]


@pytest.mark.parametrize(("day", "is_fine"), [
    ("2017-03-02", False), ("2017-03-03", True), ("2017-03-12", True), ("2017-03-13", False),
])  # fmt: skip
def test_a_coupon_outside_its_campaign_is_refused(
    session: Session, tmp_path: Path, day: str, *, is_fine: bool
) -> None:
    """Also where purchases have brought points enough."""
    write_set(tmp_path, coupon("8", "1", day), baskets=(bought("8", "b", "500.00", "2017-02-01 09:00:00"),))
    report = move_in(session, tmp_path)
    assert report.is_fine == is_fine
    assert [(row.line, row.reason) for row in report.refused] == (
        [] if is_fine else [(2, "The campaign runs from 2017-03-03 through 2017-03-12.")]
    )
    assert rows(session, "SELECT short FROM legacy_members ORDER BY player_id")[0] == (0 if is_fine else 100,)


def test_more_coupons_than_points_are_refused(session: Session, tmp_path: Path) -> None:
    many = CAMPAIGN_POINTS // COUPON_POINTS + 1
    write_set(tmp_path, *(coupon("8", "1", "2017-03-04", str(number)) for number in range(many)))
    report = move_in(session, tmp_path)
    assert [row.reason for row in report.refused] == ["There are 0 points, and not 100."]
    assert (report.counts.redeemed, report.counts.refused) == (CAMPAIGN_POINTS, 1)


def test_baskets_load_points_as_payments_do(session: Session, tmp_path: Path) -> None:
    write_set(
        tmp_path,
        coupon("7", "1", "2017-03-06"),
        baskets=(
            bought("7", "b1", "3.86"),
            bought("7", "b1", "2.20"),
            bought("7", "b2", "22000.00", "2017-05-06 10:00:00"),
            bought("7", "b3", "0.60"),
        ),
    )
    report = move_in(session, tmp_path)
    counts = report.counts
    assert (counts.baskets, counts.too_small, counts.purchased) == (3, 1, 6 + 25_000)
    entries = """
    SELECT kind, points, payment, payment_amount, created_at FROM loyalty_entries
    WHERE kind IN ('load', 'transfer_tier') ORDER BY sequence
    """
    morning = dt.datetime(2017, 3, 5, 15, tzinfo=dt.UTC)
    later = dt.datetime(2017, 5, 6, 14, tzinfo=dt.UTC)
    assert rows(session, entries)[:3] == [
        ("load", 6, "b1", 606, morning),
        ("load", 25_000, "b2", 22_000_00, later),
        ("transfer_tier", 0, None, None, later),
    ]
    # The campaign's points end sooner, so the coupon took those.
    assert rows(session, "SELECT redeemed FROM points_batches WHERE loaded = 6") == [(0,)]


def test_points_for_each_unit(session: Session, tmp_path: Path) -> None:
    write_set(tmp_path, baskets=(bought("9", "b1", "10.99"),))
    report = move_in(session, tmp_path, rule=Rule(points_per_unit=5))
    assert (report.counts.purchased, report.counts.balance) == (50, 50)
    batches = "SELECT base_loaded, expires_on, amount_paid FROM points_batches WHERE loaded < 100 ORDER BY 1"
    assert rows(session, batches) == [(10, dt.date(2018, 3, 5), 1_099), (40, dt.date(2018, 3, 5), 0)]


def test_a_second_run_changes_nothing_and_another_rule_is_refused(session: Session, tmp_path: Path) -> None:
    write_set(tmp_path, coupon("7", "1", "2017-03-03"))
    assert move_in(session, tmp_path, dry_run=True).counts == move_in(session, tmp_path).counts
    tables = (
        "players",
        "loyalty_wallets",
        "loyalty_entries",
        "legacy_members",
        "legacy_reports",
        "staff_log",
    )
    before = {table: rows(session, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}
    second = move_in(session, tmp_path)
    assert (second.households, second.known, second.is_fine) == (0, 3, True)
    other = move_in(session, tmp_path, rule=Rule(exact=True))
    assert other.unmoved[0] == "Household 9 moved in with other rows, or by another rule."
    assert len(other.unmoved) == 3
    assert {table: rows(session, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables} == before


def test_who_cannot_move_in_is_told(session: Session, tmp_path: Path, house: int) -> None:
    member = builders.make_player(session, operator_id=house, external_id="household-7")
    points.adjust(session, player_id=member, points=1, reason="x", idempotency_key="x", actor=SYSTEM, now=NOW)
    write_set(tmp_path, coupon("8", "3", "2017-03-03"), baskets=(bought("9", "b1", "1.999"),))
    report = move_in(session, tmp_path)
    assert sorted(report.unmoved) == [
        "Household 7 has a loyalty wallet already, from elsewhere.",
        "Household 8: line 2: campaign 3 is not described",
        "Household 9: sales_value: “1.999”: USD amounts have at most 2 decimals",
    ]
    assert rows(session, "SELECT external_id FROM players") == [("household-7",)]
    write(tmp_path, campaign_descriptions=[{**CAMPAIGNS[0], "end_date": "2017-03-02"}])
    with pytest.raises(Unreadable, match="campaign 1 ends before it begins"):
        move_in(session, tmp_path)
