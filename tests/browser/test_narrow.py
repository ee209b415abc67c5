"""A narrow screen: the form to adjust is folded, so that what one reads comes first."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from dashboard.screens import settle
from tests.web.desk import Desk

NARROW = {"width": 390, "height": 820}


def test_the_form_is_folded_until_it_is_wanted(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person(viewport=NARROW)
    page.goto(f"/players/{player_id}")
    settle(page)
    button = page.get_by_role("button", name="Adjust", exact=True)
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#adjust-amount")).to_be_hidden()
    journal = page.locator("#journal").bounding_box()
    assert journal is not None
    assert journal["y"] < NARROW["height"]
    button.click()
    expect(page.locator("#adjust-amount")).to_be_focused()
    button.click()
    expect(page.locator("#adjust-amount")).to_be_hidden()

    page.keyboard.press("a")
    page.keyboard.type("250")
    page.locator("#adjust-reason").fill("Goodwill")
    page.keyboard.press("Enter")
    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")
    expect(page.locator("#adjust-amount")).to_be_focused()


def test_an_address_that_leads_inside_unfolds_it(person: Callable[..., Page], desk: Desk) -> None:
    page = person(viewport=NARROW)
    page.goto(f"/players/{desk.player(5_000_00)}#adjust-amount")
    settle(page)
    expect(page.locator("#adjust-amount")).to_be_focused()


def test_wide_or_without_javascript_it_is_open(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    for page in (person(), person(viewport=NARROW, java_script_enabled=False, name="Ben Ito")):
        page.goto(f"/players/{player_id}")
        expect(page.locator("#adjust-amount")).to_be_visible()
        expect(page.locator("[data-fold]")).to_be_hidden()
