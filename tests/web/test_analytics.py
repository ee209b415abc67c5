"""GET /analytics and its file: what it says is what the entries come to."""

import csv
import datetime as dt
import io
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import fx, rollups
from tests import builders
from tests.web.desk import AT, Browser, Desk

DAY = dt.timedelta(days=1)


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager who has signed in."""
    return desk.sign_in(Role.MANAGER)


@pytest.fixture
def played(desk: Desk) -> None:
    """A quarter of cash and games of two players."""
    one, other = desk.player(), desk.player()

    def work(session: Session) -> None:
        for back in range(90, 0, -1):
            at = AT - back * DAY
            builders.change(session, one, 100_00 + back, ChangeType.DEPOSIT, now=at)
            builders.change(session, one, -40_00, ChangeType.WAGER, now=at + dt.timedelta(minutes=1))
            builders.change(session, one, 36_50, ChangeType.SETTLEMENT, now=at + dt.timedelta(minutes=2))
            builders.change(session, other, -1_00 if back % 2 else 3_00, ChangeType.ADJUSTMENT, now=at)

    desk.write(work)


def tiles(browser: Browser, query: str = "") -> str:
    return browser.page(f"/analytics{query}").by_id("overview").text


@pytest.mark.parametrize("rolled", [False, True])
def test_figures_are_those_of_the_entries(desk: Desk, manager: Browser, played: None, rolled: bool) -> None:
    if rolled:
        desk.write(rollups.begin)
        desk.write(rollups.roll)
        desk.write(lambda session: rollups.passed(session, at=AT))
    # 29 days before today and today, on which nothing has been posted yet.
    deposits = sum(100_00 + back for back in range(1, 30))
    before = sum(100_00 + back for back in range(30, 60))
    text = tiles(manager)
    assert f"Deposits {money.show(deposits, 'USD')}" in text
    assert f"on {money.show(before, 'USD')}" in text
    assert f"Net gaming revenue {money.show(29 * 3_50, 'USD')}" in text
    assert "Changes 116" in text


def test_the_period_stands_in_the_url(manager: Browser, played: None) -> None:
    first, last = (AT - 10 * DAY).date(), (AT - 8 * DAY).date()
    text = tiles(manager, f"?period=custom&since={first}&until={last}")
    assert f"Deposits {money.show(300_00 + 10 + 9 + 8, 'USD')}" in text
    page = manager.page(f"/analytics?period=custom&since={first}&until={last}")
    assert page.one("input", name="since")["value"] == first.isoformat()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?period=custom&since=2026-03-02", "Enter both days."),
        ("?period=custom&since=2026-03-02&until=2026-02-01", "The period ends before it begins."),
        ("?period=custom&since=2010-03-02&until=2026-02-01", "A period has at most ten years."),
    ],
)
def test_days_that_are_no_period_are_kept_with_an_error(manager: Browser, query: str, message: str) -> None:
    page = manager.page(f"/analytics{query}")
    assert message in page.text
    assert page.one("input", name="since")["value"] in query


def test_charts_hold_no_more_than_their_buckets(manager: Browser, played: None) -> None:
    page = manager.page("/analytics?period=yearly")
    figures = [json.loads(script.text) for script in page.all("script", type="application/json")]
    assert len(figures) == 3
    assert {len(trace["x"]) for figure in figures for trace in figure["data"]} == {12}


def test_the_file_holds_the_same_figures(manager: Browser, played: None) -> None:
    answer = manager.get("/analytics.csv?period=weekly")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))
    assert [row["Deposits"] for row in rows] == [
        *(money.plain(100_00 + back, "USD") for back in range(6, 0, -1)),
        "0.00",
    ]
    assert (
        rows[0]["From"]
        == clock.local(clock.day(AT - 6 * DAY, "Europe/Malta").start, "Europe/Malta").isoformat()
    )


def test_another_operators_entries_are_never_counted(desk: Desk, manager: Browser, played: None) -> None:
    elsewhere = replace(desk, operator_id=desk.write(builders.make_operator))
    stranger = elsewhere.sign_in(Role.MANAGER)
    assert "Deposits 0.00" in tiles(stranger)


def more(browser: Browser, query: str = "") -> str:
    return browser.page(f"/analytics/more{query}").by_id("more").text


@pytest.mark.parametrize("rolled", [False, True])
def test_whose_balance_moved_most(desk: Desk, manager: Browser, played: None, rolled: bool) -> None:
    if rolled:
        desk.write(rollups.begin)
        desk.write(rollups.roll)
        desk.write(lambda session: rollups.passed(session, at=AT))
    rose = sum(100_00 + back - 40_00 + 36_50 for back in range(1, 30))
    assert money.show(rose, "USD", signed=True) in more(manager)
    assert "for up to 31 days" in more(manager, "?period=yearly")


def test_who_moved_most_within_a_day(desk: Desk, manager: Browser, played: None) -> None:
    lately = desk.player(name="Late Comer")
    desk.write(
        lambda session: builders.change(
            session, lately, 12_34, ChangeType.DEPOSIT, now=AT - dt.timedelta(hours=2)
        )
    )
    text = more(manager, "?period=daily")
    assert "Late Comer" in text
    assert money.show(12_34, "USD", signed=True) in text
    assert "Mira Holm" not in text


def test_alerts_of_the_period_are_counted(desk: Desk, manager: Browser, played: None) -> None:
    raised = desk.read(lambda session: session.scalar(text("SELECT count(*) FROM alerts")))
    assert raised == 1
    assert "1 in all" in more(manager, "?period=yearly")
    assert "No alert was raised" in more(manager)


def test_the_file_of_alerts_counts_each_type(manager: Browser, played: None) -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(
                manager.get("/analytics/more.csv?period=yearly").get_data(as_text=True).removeprefix("\ufeff")
            )
        )
    )
    assert len(rows) == 12
    assert sum(int(row["In all"]) for row in rows) == 1
    (kind,) = {*rows[0]} - {"From", "In all"}
    assert [row[kind] for row in rows] == [row["In all"] for row in rows]


def test_levels_stand_beside_each_other(desk: Desk, manager: Browser, played: None) -> None:
    deposits = sum(100_00 + back for back in range(1, 30))
    assert f"None{money.show(deposits, 'USD')}{money.show(29 * 40_00, 'USD')}" in more(manager)


def test_all_currencies_are_converted_at_the_rate_of_the_day(desk: Desk) -> None:
    office = replace(
        desk,
        operator_id=desk.write(lambda session: builders.make_operator(session, currencies=("EUR",))),
    )
    manager, player_id = office.sign_in(Role.MANAGER), office.player()

    def work(session: Session) -> None:
        older = [
            fx.Rate(dt.date(2026, 2, 20), "USD", Decimal("1.10")),
            fx.Rate(dt.date(2026, 2, 27), "USD", Decimal("1.25")),
        ]
        fx.store(session, iter(older))
        for back, amount, currency in ((8, 10_01, "EUR"), (1, 10_00, "EUR"), (1, 5_00, "USD")):
            builders.change(
                session, player_id, amount, ChangeType.DEPOSIT, currency=currency, now=AT - back * DAY
            )

    office.write(work)
    page = tiles(manager, "?currency=all&period=custom&since=2026-02-20&until=2026-03-02")
    # 10.01 EUR at 1.10 and 10.00 EUR at 1.25, and 5.00 USD: 28.511, rounded once.
    assert "Deposits 28.51" in page
    assert "Converted figures" in page
    assert "27 February 2026" in page
    rows = list(
        csv.DictReader(
            io.StringIO(
                manager.get("/analytics.csv?currency=all&period=custom&since=2026-02-20&until=2026-03-02")
                .get_data(as_text=True)
                .removeprefix("\ufeff")
            )
        )
    )
    # What stands is converted at the day on which the last bucket ended: 20.01 EUR at 1.25, and 5.00 USD.
    assert rows[-1]["Real money at the end"] == "30.01"
    assert "Deposits 5.00" in tiles(manager, "?currency=USD")


def test_without_a_rate_nothing_is_guessed(desk: Desk) -> None:
    office = replace(
        desk,
        operator_id=desk.write(lambda session: builders.make_operator(session, currencies=("EUR",))),
    )
    manager, player_id = office.sign_in(Role.MANAGER), office.player()
    office.write(
        lambda session: builders.change(
            session, player_id, 10_00, ChangeType.DEPOSIT, currency="EUR", now=AT - DAY
        )
    )
    page = tiles(manager, "?currency=all")
    assert "There is no exchange rate of USD" in page
    assert "These are figures in USD alone." in page


@pytest.mark.parametrize(
    "query", ["", "?period=daily&agent=0", "?period=yearly&level=default", "?period=yearly&currency=all"]
)
def test_few_statements_whatever_the_period(desk: Desk, manager: Browser, played: None, query: str) -> None:
    manager.get("/analytics")
    assert desk.count_queries(lambda: manager.get(f"/analytics{query}")) <= 12, desk.queries
