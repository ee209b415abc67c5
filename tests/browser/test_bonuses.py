"""Making an offer, granting a bonus and ending it: by keyboard alone, and without JavaScript."""

from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import select

from dashboard.models import Bonus, BonusOffer
from dashboard.models.login import Role
from dashboard.screens import settle
from tests import builders
from tests.browser.test_keyboard import TABS_MAX, focused
from tests.web.desk import Desk


def tab_into(page: Page, field_id: str) -> None:
    """Press Tab until the focus is in that field, and can be seen there."""
    for _press in range(TABS_MAX):
        page.keyboard.press("Tab")
        focused(page)
        if page.evaluate("document.activeElement.id") == field_id:
            return
    raise AssertionError(f"{field_id} is more than {TABS_MAX} steps away")


def state(desk: Desk) -> str:
    """Of the only bonus."""
    return desk.read(lambda session: session.scalars(select(Bonus.state)).one())


def one_offer(desk: Desk) -> tuple[str, int | None, int]:
    """Name, percent and validity of the only offer."""
    wanted = select(BonusOffer.name, BonusOffer.percent, BonusOffer.validity_days)
    name, percent, days = desk.read(lambda session: session.execute(wanted).one())
    return name, percent, days


def test_an_offer_is_made_without_a_mouse(person: Callable[..., Page], desk: Desk) -> None:
    page = person(Role.MANAGER)
    page.goto("/bonus-offers/new")
    settle(page)
    tab_into(page, "name")
    page.keyboard.type("Welcome")
    tab_into(page, "source")
    page.keyboard.type("welcome")
    # The arrow chooses in a group of two.
    tab_into(page, "kind-0")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#kind-1")).to_be_checked()
    tab_into(page, "wagering_multiplier")
    page.keyboard.press("Control+A")
    page.keyboard.type("30")
    tab_into(page, "validity_days")
    page.keyboard.press("Control+A")
    page.keyboard.type("14")
    page.keyboard.press("Enter")
    # What is missing is said at its field, and the rest is still there.
    expect(page.locator("#percent-error")).to_be_visible()
    expect(page.locator("#name")).to_have_value("Welcome")
    expect(page.locator("#validity_days")).to_have_value("14")
    expect(page.locator("#percent")).to_be_focused()
    page.keyboard.type("100")
    tab_into(page, "cap")
    page.keyboard.type("200")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Welcome")
    assert one_offer(desk) == ("Welcome", 100, 14)


def test_a_bonus_is_granted_and_ended_without_a_mouse(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(100_00)
    page = person()
    page.goto(f"/players/{player_id}?tab=bonuses")
    settle(page)
    page.keyboard.press("g")
    expect(page.locator("#grant-form")).to_be_visible()
    focused(page)
    tab_into(page, "grant-name")
    page.keyboard.type("Goodwill")
    tab_into(page, "grant-amount")
    page.keyboard.type("20")
    tab_into(page, "grant-wagering_multiplier")
    page.keyboard.press("Control+A")
    page.keyboard.type("10")
    tab_into(page, "grant-validity_days")
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    tab_into(page, "grant-reason")
    page.keyboard.type("Ticket 4711")
    page.keyboard.press("Enter")
    expect(page.locator("#bonuses")).to_contain_text("Goodwill")
    expect(page.locator("#dialog")).to_be_hidden()
    assert state(desk) == "active"
    settle(page)
    page.get_by_role("link", name="Give up Goodwill").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#end-reason")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#end-reason-error")).to_be_visible()
    expect(page.locator("#end-reason")).to_be_focused()
    page.keyboard.type("The player wishes it")
    page.keyboard.press("Enter")
    expect(page.locator("#ended")).to_contain_text("Goodwill")
    assert state(desk) == "forfeited"


def test_an_offer_works_without_javascript(person: Callable[..., Page], desk: Desk) -> None:
    game_id = desk.write(lambda session: builders.make_game(session, operator_id=desk.operator_id))
    page = person(Role.MANAGER, java_script_enabled=False)
    page.goto("/bonus-offers")
    page.get_by_role("link", name="New offer").first.click()
    page.locator("#name").fill("Welcome")
    page.locator("#kind-1").check(force=True)
    page.locator("#percent").fill("100")
    page.locator("#cap").fill("200")
    page.locator("#wagering_multiplier").fill("30")
    page.locator("#validity_days").fill("14")
    page.locator(f"#selections_{game_id}").fill("purple 10")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.locator(f"#selections_{game_id}-error")).to_be_visible()
    expect(page.locator("#percent")).to_have_value("100")
    page.locator(f"#selections_{game_id}").fill("andar 50")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.locator("h1")).to_have_text("Welcome")
    page.get_by_role("link", name="Edit").click()
    page.locator("#validity_days").fill("21")
    page.get_by_role("button", name="Put in force").click()
    expect(page.locator("h1")).to_have_text("Welcome")
    assert one_offer(desk) == ("Welcome", 100, 21)


def test_granting_and_ending_work_without_javascript(person: Callable[..., Page], desk: Desk) -> None:
    player_id = desk.player(100_00)
    page = person(java_script_enabled=False)
    page.goto(f"/players/{player_id}?tab=bonuses")
    page.get_by_role("link", name="Grant a bonus…").click()
    page.locator("#grant-name").fill("Goodwill")
    page.locator("#grant-amount").fill("20")
    page.locator("#grant-wagering_multiplier").fill("10")
    page.locator("#grant-validity_days").fill("7")
    page.get_by_role("button", name="Grant the bonus").click()
    expect(page.locator("#grant-reason-error")).to_be_visible()
    expect(page.locator("#grant-amount")).to_have_value("20")
    page.locator("#grant-reason").fill("Ticket 4711")
    page.get_by_role("button", name="Grant the bonus").click()
    expect(page.locator("#bonuses")).to_contain_text("Goodwill")
    page.get_by_role("link", name="Cancel Goodwill").click()
    page.locator("#end-reason").fill("Granted to the wrong player")
    page.get_by_role("button", name="Take the bonus back").click()
    expect(page.locator("#ended")).to_contain_text("Goodwill")
    assert state(desk) == "cancelled"
