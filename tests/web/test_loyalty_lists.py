"""The members of the loyalty programme and what expires next: lists, filters, pages."""

import csv
import datetime as dt
import io

import pytest
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from dashboard.models.login import Role
from dashboard.models.loyalty import LoyaltyTier
from dashboard.queries import paging
from tests.builders import make_operator
from tests.pages import Page
from tests.web import loyalty_office
from tests.web.desk import Browser, Desk
from tests.web.loyalty_office import Office, load


@pytest.fixture
def agent(desk: Desk) -> Browser:
    return desk.sign_in(Role.AGENT)


@pytest.fixture
def office(desk: Desk) -> Office:
    return loyalty_office.fill(desk, desk.write(make_operator))


def names(page: Page, table_id: str) -> list[str]:
    """Who stands in a list, in its order."""
    table = page.by_id(table_id)
    leads = [each for each in page.all("td", class_="lead") if each.is_within(table)]
    return [each.text for each in leads]


def cells(page: Page, table_id: str, row: int) -> dict[str, str]:
    """What a row says, by the labels of its cells."""
    table = page.by_id(table_id)
    found = [each for each in page.all("tr") if each.is_within(table)][row + 1]
    return {
        each.get("data-label") or each.get("class") or "": each.text
        for each in page.all("td")
        if each.is_within(found)
    }


def silver(desk: Desk) -> int:
    wanted = select(LoyaltyTier.id).filter_by(operator_id=desk.operator_id, code="silver")
    return desk.read(lambda session: session.scalars(wanted).one())


def test_the_members_and_what_they_have(agent: Browser, office: Office) -> None:
    page = agent.page("/loyalty/members")
    assert names(page, "member-table") == ["Clo Sed", "Owen Debt", "Plain Jane", "Gold Digger", "Old Hand"]
    assert "Foreign Guest" not in page.text
    assert "5 members" in page.text
    gold = cells(page, "member-table", 3)
    assert (gold["Tier"], gold["num loud"], gold["Paid"]) == ("Gold", "45,000", "45,000.00")
    assert (gold["Tier ends"], gold["Next expiry"]) == ("1 Feb 2027", "1 Feb 2027 · in 336 days")
    owing = cells(page, "member-table", 1)
    assert (owing["Owed"], owing["num loud"]) == ("12,500", "0")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tier=none", ["Clo Sed", "Plain Jane", "Old Hand"]),
        ("status=suspended", ["Plain Jane"]),
        ("status=closed", ["Clo Sed"]),
        ("status=active", ["Owen Debt", "Gold Digger", "Old Hand"]),
        ("owed=y", ["Owen Debt"]),
        ("within=30", ["Plain Jane"]),
        ("within=7", []),
        ("within=90", ["Clo Sed", "Owen Debt", "Plain Jane", "Gold Digger", "Old Hand"]),
        ("q=gold", ["Gold Digger"]),
        ("q=foreign", []),
        ("tier=999", ["Clo Sed", "Owen Debt", "Plain Jane", "Gold Digger", "Old Hand"]),
        ("sort=-points&status=active", ["Gold Digger", "Old Hand", "Owen Debt"]),
        ("sort=points&status=active", ["Owen Debt", "Old Hand", "Gold Digger"]),
        ("sort=added", ["Old Hand", "Gold Digger", "Plain Jane", "Owen Debt", "Clo Sed"]),
        ("sort=ends", ["Gold Digger", "Owen Debt", "Old Hand", "Plain Jane", "Clo Sed"]),
        ("sort=-ends", ["Clo Sed", "Plain Jane", "Old Hand", "Owen Debt", "Gold Digger"]),
    ],
)
def test_filters_and_orders(agent: Browser, office: Office, *, query: str, expected: list[str]) -> None:
    page = agent.page(f"/loyalty/members?{query}")
    assert (names(page, "member-table") if expected else page.all("table")) == expected
    assert f"{len(expected)} member{'' if len(expected) == 1 else 's'} " in page.text


def test_the_members_of_a_tier(desk: Desk, agent: Browser, office: Office) -> None:
    page = agent.page(f"/loyalty/members?tier={silver(desk)}")
    assert names(page, "member-table") == ["Owen Debt"]
    assert "Tier: Silver" in page.text


@pytest.mark.parametrize("order", ["-added", "added", "-points", "points", "ends", "-ends"])
def test_pages_of_members_hold_each_once(
    desk: Desk, agent: Browser, office: Office, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    whole = names(agent.page(f"/loyalty/members?sort={order}"), "member-table")
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    seen, path = [], f"/loyalty/members?sort={order}"
    for _ in range(3):
        page = agent.page(path)
        seen += names(page, "member-table")
        more = [each for each in page.all("a") if each.text == "Load 50 more"]
        path = more[0]["href"] if more else ""
    assert (seen, path) == (whole, "")


def test_an_odd_place_begins_anew(agent: Browser, office: Office) -> None:
    for place in ("x", "2026-99-99.1", "1.2.3", "9" * 30):
        for query in ("sort=ends", "sort=-points", "sort=added"):
            assert len(names(agent.page(f"/loyalty/members?{query}&after={place}"), "member-table")) == 5
        assert len(names(agent.page(f"/loyalty/expiries?within=90&after={place}"), "expiry-table")) == 1


def test_more_rows_come_as_rows(agent: Browser, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    answer = agent.get("/loyalty/members?after=4", htmx=True)
    assert "<table" not in answer.text
    assert "Plain Jane" in answer.text
    filtered = agent.get("/loyalty/members?status=closed", htmx=True)
    assert filtered.headers["HX-Push-Url"] == "/loyalty/members?status=closed"
    assert 'id="members"' in filtered.text


def test_what_expires_next(desk: Desk, agent: Browser, office: Office) -> None:
    with_more = desk.player(name="Zoe Last")
    desk.write(lambda session: load(session, with_more, 70, days_ago=355))
    desk.write(lambda session: load(session, with_more, 30, days_ago=355))
    desk.write(lambda session: load(session, with_more, 11, days_ago=365))
    page = agent.page("/loyalty/expiries?within=30")
    assert names(page, "expiry-table") == ["Zoe Last", "Plain Jane", "Zoe Last"]
    assert cells(page, "expiry-table", 0)["Last day"] == "2 Mar 2026 today · 11 in all"
    assert cells(page, "expiry-table", 1)["Last day"] == "12 Mar 2026 in 10 days · 200 in all"
    last = cells(page, "expiry-table", 2)
    assert (last["Last day"], last["num loud"], last["Batches"]) == ("12 Mar 2026", "100", "2")
    windows = [each.text for each in page.all("a", class_="window")]
    assert windows == [
        "Within 1 day 11 in 1 batch",
        "Within 7 days 11 in 1 batch",
        "Within 30 days 211 in 4 batches",
        "Within 90 days 211 in 4 batches",
    ]
    plain = desk.read(
        lambda session: session.execute(
            text(
                "SELECT sum(remaining) FROM points_batches"
                " WHERE operator_id = :o AND expires_on BETWEEN :a AND :b"
            ),
            {"o": desk.operator_id, "a": dt.date(2026, 3, 2), "b": dt.date(2026, 4, 1)},
        ).scalar_one()
    )
    assert plain == 211
    assert names(agent.page("/loyalty/expiries?within=1"), "expiry-table") == ["Zoe Last"]
    assert names(agent.page("/loyalty/expiries?within=junk"), "expiry-table") == [
        "Zoe Last",
        "Plain Jane",
        "Zoe Last",
    ]


def test_pages_of_expiries_hold_each_once(
    desk: Desk, agent: Browser, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk.player(name="Zoe Last")
    for days in (355, 360, 350):
        desk.write(lambda session, days=days: load(session, other, 70, days_ago=days))  # type: ignore[misc]
    whole = names(agent.page("/loyalty/expiries?within=30"), "expiry-table")
    assert len(whole) == 4
    monkeypatch.setattr(paging, "PAGE_SIZE", 1)
    seen, path = [], "/loyalty/expiries?within=30"
    while path:
        page = agent.page(path)
        seen += names(page, "expiry-table")
        more = [each for each in page.all("a") if each.text == "Load 50 more"]
        path = more[0]["href"] if more else ""
    assert seen == whole
    assert "<table" not in agent.get("/loyalty/expiries?within=30&after=2026-03-07.1", htmx=True).text


def test_who_has_several_batches_is_one_member(desk: Desk, agent: Browser, office: Office) -> None:
    twice = desk.player(name="Twice Tina")
    for days_ago in (350, 352):
        desk.write(lambda session: load(session, twice, 70, days_ago=days_ago))  # noqa: B023
    page = agent.page("/loyalty/members?within=30")
    assert names(page, "member-table") == ["Twice Tina", "Plain Jane"]
    assert "2 members" in page.text


def test_points_that_lapsed_are_no_next_expiry(desk: Desk, agent: Browser, office: Office) -> None:
    late = desk.player(name="Late Larry")
    desk.write(lambda session: load(session, late, 70, days_ago=366))
    row = cells(agent.page("/loyalty/members?q=larry"), "member-table", 0)
    assert (row["num loud"], [text for label, text in row.items() if "xpiry" in label]) == ("70", [""])
    assert "Late Larry" not in agent.page("/loyalty/expiries?within=90").text


def test_nothing_expires(agent: Browser) -> None:
    assert "Nothing expires so soon" in agent.page("/loyalty/expiries").text
    assert "No members yet" in agent.page("/loyalty/members").text


@pytest.mark.parametrize(
    "path",
    [
        "/loyalty/members?within=30&owed=y&q=a&sort=-points",
        "/loyalty/expiries?within=90",
    ],
)
def test_a_list_asks_few_questions(desk: Desk, agent: Browser, office: Office, path: str) -> None:
    assert desk.count_queries(lambda: agent.page(path)) <= 12, "\n".join(desk.queries)


# Files


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    """A CSV as its rows, by header."""
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def test_files_hold_the_rows_of_the_lists(desk: Desk, office: Office) -> None:
    manager = desk.sign_in(Role.MANAGER, name="Ben Okoye")
    members = rows_of(manager.post("/loyalty/members/exports?status=active&sort=-points", {"format": "csv"}))
    assert [(row["Player"], row["Points"]) for row in members] == [
        ("Gold Digger", "45000"),
        ("Old Hand", "50"),
        ("Owen Debt", "0"),
    ]
    assert members[0]["Next expiry"] == "2027-02-01"
    assert (members[2]["Owed"], members[2]["Paid"]) == ("12500", "11000.00")
    expiries = rows_of(manager.post("/loyalty/expiries/exports?within=90", {"format": "csv"}))
    assert [(row["Player"], row["Last day"], row["Points"]) for row in expiries] == [
        ("Plain Jane", "2026-03-12", "100")
    ]
    tiers = rows_of(manager.post("/loyalty/tiers/exports", {"format": "csv"}))
    assert [(row["Tier"], row["Bonus, %"], row["Members"]) for row in tiers] == [
        ("Silver", "13.64", "1"),
        ("Gold", "11.11", "1"),
        ("Platinum", "8.70", "0"),
    ]


def test_the_lists_offer_their_files_to_whom_may_take_them(
    desk: Desk, agent: Browser, office: Office
) -> None:
    manager = desk.sign_in(Role.MANAGER, name="Ben Okoye")
    for path in ("members", "expiries", "tiers"):
        offered = [form["action"].partition("?")[0] for form in manager.page(f"/loyalty/{path}").all("form")]
        assert f"/loyalty/{path}/exports" in offered
        assert "exports" not in agent.get(f"/loyalty/{path}").text
        assert agent.post(f"/loyalty/{path}/exports", {"format": "csv"}).status_code == 403
