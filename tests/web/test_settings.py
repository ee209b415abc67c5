"""Settings of the operator, allowances, roles and rules from the pages, alone and with another admin."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import select

from dashboard.jobs import ticking
from dashboard.models import Allowance, Login, Operator, SettingRequest, VipRule
from dashboard.models.login import Role
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk

SETTINGS = {
    "name": "Harbour Games",
    "timezone": "Europe/Malta",
    "money": "play",
    "undo_seconds": "30",
    "stake_order": "real_first",
    "wagering_counts": "bonus",
    "active_bonuses_max": "",
    "xp_per_unit": "1",
    "referral_url": "",
    "reason": "",
}


@pytest.fixture
def admin(desk: Desk) -> Browser:
    return desk.sign_in(Role.ADMIN, name="Ruth Castellano")


@pytest.fixture
def second(desk: Desk, admin: Browser) -> Browser:
    return desk.sign_in(Role.ADMIN, name="Ben Okoye")


def member(desk: Desk) -> int:
    """An agent without an allowance; their id."""
    return desk.write(
        lambda session: builders.make_login(session, operator_id=desk.operator_id, allowance=0).id
    )


def undo_seconds(desk: Desk) -> int:
    wanted = select(Operator.undo_seconds).filter_by(id=desk.operator_id)
    return desk.read(lambda session: session.scalars(wanted).one())


def one_request(desk: Desk) -> SettingRequest:
    return desk.read(lambda session: session.scalars(select(SettingRequest)).one())


def decide(browser: Browser, desk: Desk, decision: str = "approve", reason: str = "Right") -> Any:
    path = f"/settings/requests/{one_request(desk).id}/decision"
    return browser.post(path, {"decision": decision, "reason": reason})


def test_a_sole_admin_puts_settings_in_force(desk: Desk, admin: Browser) -> None:
    assert "Another admin decides" not in admin.page("/settings").one("main").text

    assert admin.post("/settings", SETTINGS).status_code == 303

    assert undo_seconds(desk) == 30
    assert "in force" in admin.page("/settings").by_id("toasts").text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "Enter a name"),
        ("timezone", "Europe/Atlantis", "such as Europe/Malta"),
        ("undo_seconds", "301", "Between 0 and 300"),
        ("undo_seconds", "-1", "Between 0 and 300"),
        ("undo_seconds", "soon", "valid integer"),
        ("active_bonuses_max", "0", "Between 1 and 1000, or empty for all"),
        ("xp_per_unit", "1001", "Between 0 and 1000"),
        ("referral_url", "https://play.example/join", "has {code} in it"),
        ("referral_url", "http://play.example/{code}", "begins with https://"),
        ("referral_url", "https://play.example/a b/{code}", "begins with https://"),
        ("referral_url", "https://play.example/{code}" + "x" * 300, "At most 300"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(
    desk: Desk, admin: Browser, field: str, value: str, said: str
) -> None:
    answer = admin.post("/settings", {**SETTINGS, field: value})

    page = Page(answer)
    assert answer.status_code == 422
    assert said in page.by_id(f"{field}-error").text
    assert page.by_id(field)["value"] == value
    assert undo_seconds(desk) == 0


def test_how_bonuses_are_played_is_a_setting(desk: Desk, admin: Browser) -> None:
    wanted = {
        "stake_order": "bonus_first",
        "wagering_counts": "whole",
        "active_bonuses_max": "2",
        "xp_per_unit": "3",
    }

    assert admin.post("/settings", {**SETTINGS, **wanted}).status_code == 303

    columns = [getattr(Operator, name) for name in wanted]
    kept = desk.read(lambda session: session.execute(select(*columns)).one())
    assert tuple(kept) == ("bonus_first", "whole", 2, 3)
    assert admin.page("/settings").by_id("active_bonuses_max")["value"] == "2"
    assert admin.post("/settings", {**SETTINGS, "stake_order": "anything"}).status_code == 422


def test_where_referral_links_lead_is_a_setting(desk: Desk, admin: Browser, second: Browser) -> None:
    address = "https://play.example/join?from={code}"
    wanted = {**SETTINGS, "referral_url": address, "reason": "The new site"}
    kept = select(Operator.referral_url).filter_by(id=desk.operator_id)

    assert admin.post("/settings", wanted).status_code == 303
    assert desk.read(lambda session: session.scalars(kept).one()) is None
    assert address in second.page(f"/settings/requests/{one_request(desk).id}").text
    assert decide(second, desk).status_code == 303

    assert desk.read(lambda session: session.scalars(kept).one()) == address
    assert admin.page("/settings").by_id("referral_url")["value"] == address


def test_with_two_admins_the_other_one_decides(desk: Desk, admin: Browser, second: Browser) -> None:
    faulty = Page(admin.post("/settings", SETTINGS))
    assert "Say why" in faulty.by_id("reason-error").text

    admin.post("/settings", {**SETTINGS, "reason": "People asked for it"})
    assert undo_seconds(desk) == 0
    own = admin.page(f"/settings/requests/{one_request(desk).id}").one("main").text
    assert "another admin decides" in own
    assert "Approve" not in own
    assert decide(admin, desk).status_code == 422

    page = second.page(f"/settings/requests/{one_request(desk).id}").one("main").text
    assert "Undo seconds: 0 → becomes 30" in page
    assert decide(second, desk, reason="").status_code == 422
    assert decide(second, desk).status_code == 303
    assert undo_seconds(desk) == 30
    assert decide(second, desk).status_code == 409


def test_an_allowance_is_set(desk: Desk, admin: Browser) -> None:
    agent = member(desk)
    path = f"/settings/allowances/{agent}/USD"
    assert "<html" not in admin.get(path, htmx=True).text

    faulty = Page(admin.post(path, {"per_change": "500", "per_day": "100"}))
    assert "must not be below" in faulty.by_id("allowance-per_day-error").text
    assert admin.post(path, {"per_change": "100", "per_day": "500"}).status_code == 303

    wanted = select(Allowance).filter_by(login_id=agent, currency="USD")
    stored = desk.read(lambda session: session.scalars(wanted).one())
    assert (stored.per_change, stored.per_day) == (100_00, 500_00)
    assert "100.00" in admin.page(f"/staff/{agent}").by_id("allowances").text


def test_nobody_sets_their_own(desk: Desk, admin: Browser) -> None:
    me = desk.read(lambda session: session.scalars(select(Login.id).filter_by(role="admin")).one())

    answer = admin.post(f"/settings/allowances/{me}/USD", {"per_change": "1", "per_day": "1"})

    assert answer.status_code == 422
    assert "their own allowance" in Page(answer).by_id("allowance-per_change-error").text


def test_a_rule_waits_for_the_other_admin(desk: Desk, admin: Browser, second: Browser) -> None:
    figures = {
        "min_balance": "-15,000",
        "max_balance": "1,500,000",
        "daily_limit": "160,000",
        "weekly_limit": "600,000",
        "warning_threshold": "1,000",
        "critical_threshold": "100",
        "approval_threshold": "500",
        "drop_percent": "50",
        "seen_version": "1",
        "reason": "New licence",
    }
    assert admin.post("/vip-rules/USD/gold/versions", figures).status_code == 303
    wanted = select(VipRule.daily_limit).filter_by(operator_id=desk.operator_id, level="gold", currency="USD")
    assert desk.read(lambda session: session.scalars(wanted).one()) == 150_000_00

    page = second.page(f"/settings/requests/{one_request(desk).id}").one("main").text
    assert "Daily limit: 150,000.00 → becomes 160,000.00" in page
    decide(second, desk)

    assert desk.read(lambda session: session.scalars(wanted).one()) == 160_000_00


def test_a_role_waits_for_the_other_admin(desk: Desk, admin: Browser, second: Browser) -> None:
    agent = member(desk)
    admin.post(f"/staff/{agent}/role", {"role": "manager", "reason": "Leads the evening desk"})
    wanted = select(Login.role).filter_by(id=agent)
    assert desk.read(lambda session: session.scalars(wanted).one()) == "agent"

    decide(second, desk)

    assert desk.read(lambda session: session.scalars(wanted).one()) == "manager"


def test_an_auditor_reads_alone(desk: Desk) -> None:
    page = desk.sign_in(Role.AUDITOR).page("/settings")

    assert "Europe/Malta" in page.one("main").text
    assert [form for form in page.all("form") if form.is_within(page.one("main"))] == []


def test_what_nobody_decides_lapses_by_itself(desk: Desk, admin: Browser, second: Browser) -> None:
    admin.post("/settings", {**SETTINGS, "reason": "People asked for it"})
    with desk.app.app_context():
        assert ticking.lapse(AT + dt.timedelta(days=7, seconds=-1)) == 0
        assert ticking.lapse(AT + dt.timedelta(days=7)) == 1
    assert one_request(desk).state == "lapsed"
    # What has lapsed is in nobody's way.
    assert admin.post("/settings", {**SETTINGS, "reason": "They still do"}).status_code == 303
