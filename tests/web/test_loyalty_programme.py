"""The loyalty programme's figures, its tiers and its settings: pages and forms."""

import json
from typing import Any

import pytest
from sqlalchemy import select, text

from dashboard.models import LoyaltyProgramme, LoyaltyTier, StaffLog
from dashboard.models.login import Role
from tests.builders import make_operator
from tests.pages import Page
from tests.web import loyalty_office
from tests.web.desk import Browser, Desk
from tests.web.loyalty_office import Office

TIER = {
    "name": "Diamond",
    "code": "diamond",
    "minimum_payment": "150,000",
    "points": "165,000",
    "discount_bp": "7.5",
    "validity_months": "24",
}
SETTINGS = {
    "conversion_points": "100",
    "conversion_amount": "1.50",
    "refund_policy": "extend",
    "grace_days": "45",
    "tier_loss": "qualifying",
    "approval_points": "1,000",
}


@pytest.fixture
def manager(desk: Desk) -> Browser:
    return desk.sign_in(Role.MANAGER, name="Ben Okoye")


@pytest.fixture
def office(desk: Desk) -> Office:
    return loyalty_office.fill(desk, desk.write(make_operator))


def tiers(desk: Desk) -> dict[str, LoyaltyTier]:
    wanted = select(LoyaltyTier).filter_by(operator_id=desk.operator_id)
    return {tier.code: tier for tier in desk.read(lambda session: list(session.scalars(wanted)))}


def programme(desk: Desk) -> LoyaltyProgramme:
    return desk.read(
        lambda session: session.scalars(
            select(LoyaltyProgramme).filter_by(operator_id=desk.operator_id)
        ).one()
    )


def actions(desk: Desk) -> list[str]:
    return desk.read(lambda session: list(session.scalars(select(StaffLog.action).order_by(StaffLog.id))))


def figures(page: Page) -> dict[str, list[str]]:
    """What the large figures say, by their label: the value and the note."""
    found: dict[str, list[str]] = {}
    for box in page.all("div", class_="figure"):
        label = next(each.text for each in page.all("dt") if each.is_within(box))
        found[label] = [each.text for each in page.all("dd") if each.is_within(box)]
    return found


def rows(page: Page, table_id: str) -> list[list[str]]:
    """The cells of a table's body as texts."""
    table = page.by_id(table_id)
    body = next(each for each in page.all("tbody") if each.is_within(table))
    cells = [each for each in page.elements if each.tag in {"th", "td"}]
    return [
        [cell.text for cell in cells if cell.is_within(row)] for row in page.all("tr") if row.is_within(body)
    ]


def sums(desk: Desk, query: str) -> Any:
    """One row of plain SQL about the desk's operator."""
    given = {"o": desk.operator_id}
    return desk.read(lambda session: session.execute(text(query), given).one())


# The overview


def test_the_figures_are_those_of_the_batches(desk: Desk, manager: Browser, office: Office) -> None:
    page = manager.page("/loyalty")
    shown = figures(page)
    plain = sums(
        desk,
        """
        SELECT sum(remaining) AS remaining,
               sum(remaining) FILTER (WHERE expires_on BETWEEN '2026-03-02' AND '2026-04-01') AS soon,
               sum(expired) FILTER (WHERE expires_on >= DATE '2025-03-01' AND expires_on < DATE '2026-03-01')
                 AS expired,
               sum(loaded - reversed)
                 FILTER (WHERE expires_on >= DATE '2025-03-01' AND expires_on < DATE '2026-03-01') AS kept
        FROM points_batches WHERE operator_id = :o
        """,
    )
    assert plain.remaining == 50 + 45_000 + 100
    assert shown["Members"] == ["4", "3 active, 1 suspended, 1 closed besides"]
    assert shown["Points outstanding"][0] == f"{plain.remaining:,}"
    assert shown["Worth as services, USD"] == [f"{plain.remaining:,}.00", "a point pays one unit"]
    assert shown["Expire within 30 days"][0] == f"{plain.soon:,}"
    assert plain.soon == 100
    assert shown["Breakage"][0] == f"{100 * plain.expired / plain.kept:.2f} %"
    assert (plain.expired, plain.kept) == (14_000, 24_000)


def test_what_points_come_to_as_money(desk: Desk, manager: Browser, office: Office) -> None:
    manager.post("/loyalty/settings", SETTINGS)
    note = figures(manager.page("/loyalty"))["Worth as services, USD"][1]
    assert note == "a point pays one unit; as money 677.25"


def test_months_and_tiers_stand_below_their_charts(desk: Desk, manager: Browser, office: Office) -> None:
    page = manager.page("/loyalty")
    months = desk.read(
        lambda session: session.execute(
            text(
                "SELECT to_char(expires_on, 'FMMonth YYYY') AS month, sum(remaining) AS remaining"
                " FROM points_batches WHERE operator_id = :o GROUP BY 1 HAVING sum(remaining) > 0"
            ),
            {"o": desk.operator_id},
        ).all()
    )
    assert {row[0]: row[1] for row in rows(page, "months")} == {
        month: f"{remaining:,}" for month, remaining in months
    }
    assert [row[0] for row in rows(page, "months")] == ["March 2026", "February 2027", "March 2027"]
    assert rows(page, "by-tier") == [["No tier", "2"], ["Silver", "1"], ["Gold", "1"], ["Platinum", "0"]]
    assert rows(page, "broken") == [["January 2026", "25,000", "1,000", "10,000", "14,000", "58.33 %"]]
    moved = {row[0]: row[1:] for row in rows(page, "moved")}
    assert moved["Loads"] == ["4", "+76,050", "68,050.00 paid"]
    assert moved["Redemptions"] == ["2", "−30,000", "–"]


def test_charts_are_json_of_kinds_that_can_be_drawn(manager: Browser, office: Office) -> None:
    page = manager.page("/loyalty")
    drawn = [
        json.loads(each.text)
        for each in page.all("script", type="application/json")
        if any(outer.get("data-chart") is not None for outer in each.ancestors)
    ]
    assert len(drawn) == 3
    outstanding, by_tier, broken = (figure["data"][0] for figure in drawn)
    assert {trace["type"] for trace in (outstanding, by_tier, broken)} <= {"bar", "scatter", "pie"}
    assert dict(zip(outstanding["x"], outstanding["y"], strict=True)) == {
        "2026-03-01": 100,
        "2027-02-01": 45_000,
        "2027-03-01": 50,
    }
    assert (by_tier["x"], by_tier["y"]) == (["No tier", "Silver", "Gold", "Platinum"], [2, 1, 1, 0])
    assert (broken["x"], broken["y"]) == (["2026-01-01"], [58.3333])


def test_a_programme_without_members(manager: Browser) -> None:
    page = manager.page("/loyalty")
    assert figures(page)["Points outstanding"][0] == "0"
    assert figures(page)["Breakage"][0] == "–"
    assert "No points yet" in page.text


@pytest.mark.parametrize(
    "path", ["/loyalty", "/loyalty/members", "/loyalty/expiries", "/loyalty/tiers", "/loyalty/settings"]
)
def test_a_page_asks_few_questions(desk: Desk, manager: Browser, office: Office, path: str) -> None:
    assert desk.count_queries(lambda: manager.page(path)) <= 12, "\n".join(desk.queries)


# Tiers


def test_the_table_of_tiers_is_exact(manager: Browser, office: Office) -> None:
    shown = rows(manager.page("/loyalty/tiers"), "tiers")
    assert [row[:9] for row in shown] == [
        ["Silver", "silver", "22,000.00", "25,000", "13.64 %", "1.1364", "2 %", "12 months", "1"],
        ["Gold", "gold", "45,000.00", "50,000", "11.11 %", "1.1111", "3 %", "12 months", "1"],
        ["Platinum", "platinum", "92,000.00", "100,000", "8.70 %", "1.0870", "5 %", "12 months", "0"],
    ]


@pytest.mark.parametrize(
    ("code", "least", "below"),
    [
        ("silver", ("22,000.00", "25,000 points, Silver"), ("21,999.99", "21,999 points, no tier")),
        ("gold", ("45,000.00", "50,000 points, Gold"), ("44,999.99", "51,135 points, Silver")),
        ("platinum", ("92,000.00", "100,000 points, Platinum"), ("91,999.99", "102,221 points, Gold")),
    ],
)
def test_the_editor_shows_the_least_payment_and_the_last_below(
    desk: Desk, manager: Browser, *, code: str, least: tuple[str, str], below: tuple[str, str]
) -> None:
    page = manager.page(f"/loyalty/tiers/{tiers(desk)[code].id}")
    lines = [each.text for each in page.all("div", class_="effect-line")]
    assert [line for line in lines if line.startswith("A payment of")] == [
        f"A payment of {amount}{outcome}" for amount, outcome in (least, below)
    ]


def test_the_shipped_tiers_warn_that_more_gives_less(manager: Browser) -> None:
    words = manager.page("/loyalty/tiers").text
    assert "Paying more gives less." in words
    assert "Gold gives 11.11 %" in words
    assert "Platinum gives 8.70 %" in words


def test_the_warning_follows_what_is_typed(desk: Desk, manager: Browser) -> None:
    gold = tiers(desk)["gold"]
    path = f"/loyalty/tiers/{gold.id}/prospect"
    mended = manager.post(
        path, {**TIER, "name": "Gold", "minimum_payment": "45000", "points": "51200"}, htmx=True
    )
    assert "Gold gives" not in mended.text
    worse = manager.post(
        path, {**TIER, "name": "Gold", "minimum_payment": "45000", "points": "45001"}, htmx=True
    )
    assert "Gold gives 0.00 %" in worse.text
    assert (
        "Paying more gives less." in manager.post("/loyalty/tiers/prospect", TIER | {"points": "150001"}).text
    )
    assert tiers(desk)["gold"].points == 50_000


def test_a_prospect_says_what_is_wrong(manager: Browser) -> None:
    answer = manager.post("/loyalty/tiers/prospect", {**TIER, "points": "many"}, htmx=True)
    assert "Points for it: Enter whole points" in answer.text


def test_making_editing_and_retiring_a_tier(desk: Desk, manager: Browser) -> None:
    assert manager.post("/loyalty/tiers", TIER).status_code == 303
    made = tiers(desk)["diamond"]
    assert (made.name, made.minimum_payment, made.points) == ("Diamond", 150_000_00, 165_000)
    assert (made.discount_bp, made.validity_months, made.is_active) == (750, 24, True)
    assert manager.post(f"/loyalty/tiers/{made.id}", {**TIER, "points": "170000"}).status_code == 303
    assert tiers(desk)["diamond"].points == 170_000
    assert manager.post(f"/loyalty/tiers/{made.id}/retirement", {}).status_code == 303
    assert not tiers(desk)["diamond"].is_active
    assert actions(desk)[-3:] == ["loyalty_tier.created", "loyalty_tier.edited", "loyalty_tier.retired"]
    assert "Diamond is retired." in manager.page(f"/loyalty/tiers/{made.id}").text
    again = manager.post(f"/loyalty/tiers/{made.id}", TIER)
    assert again.status_code == 409


def test_the_editor_says_whom_it_concerns(desk: Desk, manager: Browser, office: Office) -> None:
    words = manager.page(f"/loyalty/tiers/{tiers(desk)['gold'].id}").text
    assert "1 member is in Gold: they keep their discount and its last day until it is renewed." in words
    assert "The 1 member in it keeps it and its discount until its last day" in words


@pytest.mark.parametrize(
    ("field", "typed", "message", "status"),
    [
        ("name", "", "Enter a name.", 422),
        ("code", "Gold!", "small letters", 422),
        ("code", "gold", "already a tier with this code", 409),
        ("minimum_payment", "a lot", "Enter an amount in figures", 422),
        ("minimum_payment", "0", "above zero", 422),
        ("minimum_payment", "45,000", "Another tier begins at this payment", 409),
        ("points", "1.5", "Enter whole points", 422),
        ("points", "149,999", "one for each unit", 422),
        ("discount_bp", "101", "from 0 to 100", 422),
        ("validity_months", "121", "Between 1 and 120", 422),
    ],
)
def test_a_bad_figure_stands_at_its_field_and_nothing_is_changed(
    desk: Desk, manager: Browser, *, field: str, typed: str, message: str, status: int
) -> None:
    answer = manager.post("/loyalty/tiers", {**TIER, field: typed})
    assert answer.status_code == status
    page = Page(answer)
    assert message in page.by_id(f"{field}-error").text
    kept = {name: page.by_id(name).get("value") for name in TIER}
    assert kept == {**TIER, field: typed}
    assert set(tiers(desk)) == {"silver", "gold", "platinum"}


def test_another_operators_tier_is_not_there(desk: Desk, manager: Browser, office: Office) -> None:
    foreign = desk.read(
        lambda session: session.scalars(
            select(LoyaltyTier.id).where(LoyaltyTier.operator_id != desk.operator_id).limit(1)
        ).one()
    )
    for path in (f"/loyalty/tiers/{foreign}", f"/loyalty/tiers/{foreign}/prospect"):
        assert manager.post(path, TIER).status_code == 404
    assert manager.post(f"/loyalty/tiers/{foreign}/retirement", {}).status_code == 404


# Settings


def test_settings_are_put_in_force(desk: Desk, manager: Browser) -> None:
    assert manager.post("/loyalty/settings", SETTINGS).status_code == 303
    now = programme(desk)
    assert (now.conversion_points, now.conversion_amount) == (100, 150)
    assert (now.refund_policy, now.grace_days, now.tier_loss, now.approval_points) == (
        "extend",
        45,
        "qualifying",
        1_000,
    )
    assert actions(desk)[-1] == "loyalty_programme.edited"
    emptied = {**SETTINGS, "conversion_points": "", "conversion_amount": ""}
    assert manager.post("/loyalty/settings", emptied).status_code == 303
    assert programme(desk).conversion_points is None


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("conversion_points", "", "enter both, or neither"),
        ("conversion_points", "0", "Between 1"),
        ("conversion_amount", "", "enter both, or neither"),
        ("conversion_amount", "0", "Between 1"),
        ("refund_policy", "never", "valid choice"),
        ("grace_days", "366", "Between 1 and 365"),
        ("tier_loss", "all", "valid choice"),
        ("approval_points", "-1", "Between 0"),
    ],
)
def test_a_bad_setting_stands_at_its_field(
    desk: Desk, manager: Browser, *, field: str, typed: str, message: str
) -> None:
    answer = manager.post("/loyalty/settings", {**SETTINGS, field: typed})
    assert answer.status_code == 422
    page = Page(answer)
    assert message in page.by_id(f"{field}-error").text
    assert page.by_id("approval_points").get("value") == {**SETTINGS, field: typed}["approval_points"]
    assert programme(desk).grace_days == 30


def test_who_may_not_edit_reads_the_settings(desk: Desk) -> None:
    agent = desk.sign_in(Role.AGENT)
    page = agent.page("/loyalty/settings")
    assert page.all("form", id="programme-form") == []
    assert "never" in page.text
    assert "Edit Silver" not in agent.page("/loyalty/tiers").text
    assert agent.post("/loyalty/settings", SETTINGS).status_code == 403
    assert programme(desk).grace_days == 30
