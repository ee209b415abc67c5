"""The palette by keyboard: what one types is found, chosen and opened without a mouse."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from dashboard.screens import settle
from tests.web.desk import Desk


def chosen(page: Page) -> str:
    """The option that Enter would open, as the field tells readers of speech."""
    name = page.locator("#palette-input").get_attribute("aria-activedescendant")
    option = page.locator(f"#{name}")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(page.locator("#palette [aria-selected=true]")).to_have_count(1)
    return option.locator(".palette-label").inner_text()


def test_a_player_in_a_few_keys(person: Callable[..., Page], desk: Desk) -> None:
    desk.player(name="Mira Holm")
    desk.player(name="Mira Stone")
    page = person()
    page.goto("/")
    settle(page)
    page.keyboard.press("/")
    field = page.locator("#palette-input")
    expect(field).to_be_focused()
    page.keyboard.type("mira")
    expect(page.locator("#palette-says")).to_have_text("2 results")
    expect(field).to_have_attribute("aria-expanded", "true")
    assert chosen(page) == "Mira Stone"
    page.keyboard.press("ArrowDown")
    assert chosen(page) == "Mira Holm"
    page.keyboard.press("ArrowDown")
    assert chosen(page) == "Mira Stone"
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Mira Holm")


def test_enter_means_what_stands_in_the_field_even_before_the_answer(
    person: Callable[..., Page], desk: Desk
) -> None:
    desk.player(name="Mira Holm")
    desk.player(name="Tomas Berg")
    page = person()
    page.goto("/")
    settle(page)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type("tomas")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Tomas Berg")


def test_freezing_from_anywhere_stays_where_one_is(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(name="Mira Holm")
    page = person()
    page.goto("/alerts")
    settle(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("fre")
    expect(page.locator("#palette-results")).to_contain_text("Freeze…")
    page.keyboard.press("Enter")
    expect(page.locator("#palette-input")).to_have_value("Freeze ")
    page.keyboard.type("mir")
    expect(page.locator("#palette-results")).to_contain_text("Freeze Mira Holm")
    page.keyboard.press("Enter")
    expect(page.locator("#palette")).to_be_hidden()
    expect(page.locator("#status-reason")).to_be_focused()
    page.keyboard.type("Card reported stolen")
    page.keyboard.press("Enter")
    expect(page.locator(".toast p")).to_have_text("The wallet is frozen.")
    expect(page.locator("h1")).to_have_text("Alerts")
    page.goto(f"/players/{player_id}")
    expect(page.locator("#header .notice")).to_contain_text("Card reported stolen")


def test_adjusting_begins_in_the_amount(person: Callable[..., Page], desk: Desk) -> None:
    desk.player(5_000_00, name="Mira Holm")
    page = person()
    page.goto("/")
    settle(page)
    page.keyboard.press("/")
    page.keyboard.type("adjust mira")
    expect(page.locator("#palette-results")).to_contain_text("Adjust Mira Holm")
    page.keyboard.press("Enter")
    expect(page.locator("#adjust-amount")).to_be_focused()


def test_escape_gives_the_focus_back_and_typed_words_stay(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    reason = page.locator("#adjust-reason")
    reason.fill("Half a sent")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-results")).to_contain_text("Adjust Mira Holm")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(reason).to_be_focused()
    page.keyboard.type("ence")
    expect(reason).to_have_value("Half a sentence")


def test_it_keeps_closed_above_another_dialog(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.keyboard.press("f")
    expect(page.locator("#status-reason")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_hidden()
    expect(page.locator("#status-reason")).to_be_focused()
