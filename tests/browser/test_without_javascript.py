"""The desk with JavaScript switched off: everything an agent does goes by plain links and forms."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests import builders
from tests.web.desk import Desk


@pytest.fixture
def page(person: Callable[..., Page]) -> Page:
    """The page of an agent without JavaScript, signed in."""
    return person(java_script_enabled=False)


def adjust(page: Page, amount: str, reason: str) -> None:
    """Fill in the form and send it."""
    page.locator("#adjust-amount").fill(amount)
    page.locator("#adjust-reason").fill(reason)
    page.locator("#adjust button[type=submit]").click()


def test_search_and_adjust(page: Page, desk: Desk) -> None:
    player_id = desk.player(5_000_00, name="Mira Holm")
    desk.player(name="Tomas Berg")
    page.goto("/")
    page.get_by_role("link", name="Find or do something…").click()
    page.locator("#palette-q").fill("mira")
    page.locator("#palette-q").press("Enter")
    expect(page.locator("main .palette-item")).to_have_count(1)
    page.get_by_role("link", name="Mira Holm").click()
    adjust(page, "250", "Goodwill")
    expect(page.locator(".toast p")).to_contain_text("Credited 250.00 USD · Mira Holm.")
    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")
    assert desk.real(player_id) == 5_250_00


def test_a_refused_form_keeps_what_was_typed(page: Page, desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page.goto(f"/players/{player_id}")
    page.locator("#adjust [value=adjustment]").check(force=True)
    adjust(page, "-1,000,000", "Payout")
    expect(page.locator("#adjust-amount-error")).to_be_visible()
    expect(page.locator("#adjust-amount")).to_have_value("-1,000,000")
    expect(page.locator("#adjust-reason")).to_have_value("Payout")
    expect(page.locator("#adjust [value=adjustment]")).to_be_checked()
    expect(page.locator("#navigation")).to_be_visible()
    adjust(page, "-100", "Payout")
    expect(page.locator("#balance-card .value").first).to_have_text("4,900.00")


def test_freeze_and_filter(page: Page, desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page.goto(f"/players/{player_id}")
    page.get_by_role("link", name="Freeze…").click()
    expect(page.locator("h1")).to_have_text("Freeze the wallet")
    page.locator("#status-reason").fill("Card reported stolen")
    page.get_by_role("button", name="Freeze the wallet").click()
    expect(page.locator(".toast p")).to_have_text("The wallet is frozen.")
    expect(page.locator("#header .notice")).to_contain_text("Card reported stolen")
    page.goto("/players")
    page.locator("#status").select_option("frozen")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#players tbody tr")).to_have_count(1)


def test_acknowledge(page: Page, desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    desk.write(lambda session: builders.change(session, player_id, -4_500_00))
    page.goto("/alerts")
    expect(page.locator("#alert-count")).to_have_text("2")
    page.get_by_role("button", name="Acknowledge: Warning of Mira Holm").click()
    expect(page.locator(".toast p")).to_have_text("The alert is acknowledged.")
    expect(page.locator("#alert-count")).to_have_text("1")
    page.locator("#alerts .lead a").first.click()
    page.get_by_role("link", name="Acknowledge…").click()
    page.get_by_label("Note").fill("Payout, checked")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#alert-count")).to_be_empty()


def test_sign_out(page: Page) -> None:
    page.goto("/account")
    page.locator(".user-button").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")
    page.goto("/players")
    expect(page.locator("h1")).to_have_text("Sign in")
