"""GET /vip-rules, one rule, its form; POST of a new version."""

from typing import Any

import pytest
from sqlalchemy import func, select

from dashboard.models import StaffLog, VipRule, VipRuleVersion
from dashboard.models.login import Role
from tests import builders
from tests.pages import Page, checked
from tests.web.desk import Browser, Desk

GOLD = "/vip-rules/USD/gold"
TYPED = {
    "min_balance": "-20,000",
    "max_balance": "1,500,000.00",
    "daily_limit": "150000",
    "weekly_limit": "600,000",
    "warning_threshold": "1,000",
    "critical_threshold": "100.50",
    "approval_threshold": "500",
    "drop_percent": "40",
    "seen_version": "1",
}


@pytest.fixture
def admin(desk: Desk) -> Browser:
    """An admin who has signed in."""
    return desk.sign_in(Role.ADMIN, name="Ruth Castellano")


def rule(desk: Desk, *, currency: str = "USD", level: str = "gold") -> VipRule:
    """The rule in force."""
    wanted = select(VipRule).filter_by(operator_id=desk.operator_id, level=level, currency=currency)
    return desk.read(lambda session: session.scalars(wanted).one())


def count_versions(desk: Desk) -> int:
    """How many versions all rules together have had."""
    wanted = select(func.count()).select_from(VipRuleVersion).filter_by(operator_id=desk.operator_id)
    return desk.read(lambda session: session.scalar(wanted)) or 0


def post(
    browser: Browser, given: dict[str, Any] | None = None, *, htmx: bool = False, path: str = GOLD
) -> Any:
    """Send the form with these fields changed."""
    return browser.post(f"{path}/versions", {**TYPED, **(given or {})}, htmx=htmx)


def parsed(answer: Any, htmx: bool) -> Page:
    """The form alone, or the whole page with all that it owes."""
    return Page(answer) if htmx else checked(answer)


# Reading


def test_the_table_holds_every_level_of_a_currency(desk: Desk, admin: Browser) -> None:
    page = admin.page("/vip-rules")
    rows = [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("rule-")]
    assert rows == [
        f"rule-{level}" for level in ("default", "bronze", "silver", "gold", "platinum", "diamond")
    ]
    said = page.by_id("rule-gold").text
    assert said.startswith("Gold 10,000 −15,000.00 1,500,000.00 150,000.00 600,000.00 1,000.00 100.00 50 %")
    assert page.by_id("rule-default").text.startswith("No level –")


def test_each_currency_is_written_by_its_own_decimals(desk: Desk, admin: Browser) -> None:
    assert "−15,000 1,500,000 150,000" in admin.page("/vip-rules?currency=JPY").by_id("rule-gold").text
    assert "−15,000.000" in admin.page("/vip-rules?currency=KWD").by_id("rule-gold").text
    admin.page("/vip-rules?currency=CHF", status=404)


def test_a_rule_shows_every_version_with_who_and_when(desk: Desk, admin: Browser) -> None:
    post(admin)
    page = admin.page(GOLD)
    assert "Gold in USD" in page.one("h1").text
    rows = [row.text for row in page.all("tr") if row.is_within(page.by_id("versions"))]
    assert rows[1].startswith("2 in force −20,000.00")
    assert "Ruth Castellano just now" in rows[1]
    assert "System 1 h ago" in rows[2]
    assert "−20,000.00" in [bold.text for bold in page.all("b")]


@pytest.mark.parametrize("role", [Role.MANAGER, Role.AUDITOR])
def test_others_read_and_do_not_edit(desk: Desk, role: Role) -> None:
    reader = desk.sign_in(role)
    for path in ("/vip-rules", GOLD):
        assert not [link for link in reader.page(path).all("a") if link["href"].endswith("/edit")]
    assert reader.get(f"{GOLD}/edit").status_code == 403
    assert post(reader).status_code == 403
    assert rule(desk).version == 1


@pytest.mark.parametrize("role", [Role.AGENT, Role.PARTNER])
def test_agents_and_partners_may_not(desk: Desk, role: Role) -> None:
    stranger = desk.sign_in(role)
    for path in ("/vip-rules", GOLD, f"{GOLD}/edit"):
        assert stranger.get(path).status_code == 403


# Editing


def test_the_form_begins_with_the_figures_in_force(desk: Desk, admin: Browser) -> None:
    page = admin.page(f"{GOLD}/edit")
    for name, value in (
        ("min_balance", "−15,000.00"),
        ("max_balance", "1,500,000.00"),
        ("drop_percent", "50"),
        ("seen_version", "1"),
    ):
        assert page.one("input", name=name)["value"] == value


@pytest.mark.parametrize("htmx", [True, False])
def test_new_figures_are_the_next_version(desk: Desk, admin: Browser, htmx: bool) -> None:
    before = count_versions(desk)
    answer = post(admin, htmx=htmx)
    if htmx:
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, GOLD)
    else:
        assert (answer.status_code, answer.location) == (303, GOLD)
    assert "Version 2 of gold in USD is in force." in admin.page(GOLD).text
    now = rule(desk)
    assert (now.min_balance, now.critical_threshold, now.drop_percent, now.version) == (
        -2_000_000,
        10_050,
        40,
        2,
    )
    assert count_versions(desk) == before + 1
    assert rule(desk, currency="JPY").version == 1
    logged = desk.read(lambda session: session.scalars(select(StaffLog).order_by(StaffLog.id.desc())).first())
    assert logged is not None
    assert logged.action == "vip_rule.edited"


def test_what_begins_in_the_form_can_be_sent_as_it_stands(desk: Desk, admin: Browser) -> None:
    page = admin.page(f"{GOLD}/edit")
    given = {
        field["name"]: field["value"]
        for field in page.all("input")
        if field.is_within(page.by_id("vip-rule-form"))
    }
    assert post(admin, given).status_code == 303
    now = rule(desk)
    assert (now.min_balance, now.max_balance, now.version) == (-1_500_000, 150_000_000, 2)


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("min_balance", "1", "zero or below"),
        ("min_balance", "", "Enter an amount."),
        ("max_balance", "0", "above zero"),
        ("max_balance", "NaN", "Enter an amount in figures"),
        ("max_balance", "1e9", "Enter an amount in figures"),
        ("daily_limit", "0", "above zero"),
        ("weekly_limit", "149,999.99", "not be below the daily limit"),
        ("critical_threshold", "-1", "not be negative"),
        ("warning_threshold", "100.49", "not be below the critical threshold"),
        ("warning_threshold", "100.505", "at most 2 decimals"),
        ("drop_percent", "0", "from 1 to 100"),
        ("drop_percent", "101", "from 1 to 100"),
        ("drop_percent", "٤٠", "from 1 to 100"),
        ("drop_percent", "", "Enter a percentage."),
    ],
)
def test_a_figure_out_of_range_stays_with_its_message(
    desk: Desk, admin: Browser, field: str, typed: str, message: str
) -> None:
    before = count_versions(desk)
    for htmx in (True, False):
        answer = post(admin, {field: typed}, htmx=htmx)
        page = parsed(answer, htmx)
        assert answer.status_code == 422
        assert message in page.by_id(f"{field}-error").text
        assert page.one("input", name=field)["value"] == typed
    assert page.one("input", name="daily_limit" if field != "daily_limit" else "weekly_limit")["value"] in {
        "150000",
        "600,000",
    }
    assert count_versions(desk) == before


def test_all_faults_are_told_at_once_with_links(admin: Browser) -> None:
    page = checked(post(admin, {"min_balance": "x", "drop_percent": "many"}))
    links = [
        link["href"] for link in page.all("a") if link["href"].startswith("#") and link["href"] != "#main"
    ]
    assert links == ["#min_balance", "#drop_percent"]


@pytest.mark.parametrize("htmx", [True, False])
def test_who_has_not_seen_the_last_version_sees_it_first(desk: Desk, admin: Browser, htmx: bool) -> None:
    post(admin, {"max_balance": "2,000,000"})
    answer = post(admin, {"max_balance": "3,000,000"}, htmx=htmx)
    page = parsed(answer, htmx)
    assert answer.status_code == 409
    if htmx:
        assert answer.headers["HX-Retarget"] == "#vip-rule-form"
    assert "it is at version 2 now" in answer.text
    assert "Now 2,000,000.00." in answer.text
    assert page.one("input", name="max_balance")["value"] == "3,000,000"
    assert rule(desk).max_balance == 200_000_000
    seen = page.one("input", name="seen_version")["value"]
    assert post(admin, {"max_balance": "3,000,000", "seen_version": seen}).status_code == 303
    assert rule(desk).max_balance == 300_000_000


def test_sending_twice_makes_one_version(desk: Desk, admin: Browser) -> None:
    assert post(admin).status_code == 303
    assert post(admin).status_code == 409
    assert rule(desk).version == 2


@pytest.mark.parametrize("seen", ["", "x", "0", "99999999999999999999"])
def test_a_damaged_form_changes_nothing(desk: Desk, admin: Browser, seen: str) -> None:
    assert post(admin, {"seen_version": seen}).status_code == 422
    assert rule(desk).version == 1


def test_what_is_not_there_or_not_ours_is_not_found(desk: Desk, admin: Browser) -> None:
    for path in ("/vip-rules/USD/wood", "/vip-rules/CHF/gold", "/vip-rules/usd/gold", "/vip-rules/USDX/gold"):
        assert admin.get(path).status_code == 404
        assert post(admin, path=path).status_code == 404
    elsewhere = Desk(
        desk.app, desk.write(lambda session: builders.make_operator(session, currencies=["CHF"]))
    )
    assert post(admin, path="/vip-rules/CHF/gold").status_code == 404
    assert post(admin).status_code == 303
    assert rule(elsewhere).version == 1
    assert rule(elsewhere, currency="CHF").version == 1


def test_only_posts_make_versions(admin: Browser) -> None:
    assert admin.get(f"{GOLD}/versions").status_code == 405
    assert admin.post("/vip-rules", {}).status_code == 405
    assert admin.post(GOLD, {}).status_code == 405


def test_they_take_few_statements(desk: Desk, admin: Browser) -> None:
    works = (
        lambda: admin.get("/vip-rules"),
        lambda: admin.get(GOLD),
        lambda: admin.get(f"{GOLD}/edit"),
        lambda: post(admin),
        lambda: post(admin, {"min_balance": "x"}),
    )
    for work in works:
        assert desk.count_queries(work) <= 12, desk.queries
