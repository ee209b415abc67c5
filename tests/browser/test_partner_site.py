"""The partner's pages in a browser: by the keyboard alone, without JavaScript, on a narrow screen."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import func, select

from dashboard import clock, db, screens
from dashboard.models import PartnerPayout
from dashboard.screens import settle
from tests.browser.test_keyboard import focused, tab_to
from tests.browser.test_pages import IS_TOO_WIDE
from tests.builders import PASSWORD
from tests.conftest import application, clone, drop_database, serving
from tests.web import partner_site
from tests.web.partner_site import History

NARROW = {"width": 390, "height": 820}


@dataclass
class Site:
    """Where a partner with a history signs in."""

    app: Flask
    url: str
    history: History

    @property
    def email(self) -> str:
        """The partner's."""
        return self.history.emails[self.history.partner_id]

    def count_payouts(self) -> int:
        """How many the partner has asked for."""
        wanted = select(func.count()).select_from(PartnerPayout).filter_by(partner_id=self.history.partner_id)
        with self.app.app_context(), db.reading() as session:
            return session.scalar(wanted) or 0


@pytest.fixture(scope="module")
def history() -> Iterator[tuple[str, History]]:
    """A database with the history, which is never changed."""
    name = clone()
    with application(name) as app, app.app_context(), db.writing() as session:
        made = partner_site.fill(session)
    yield name, made
    drop_database(name)


@pytest.fixture
def site(history: tuple[str, History]) -> Iterator[Site]:
    """A copy of it, at an hour that stands still."""
    name = clone(history[0])
    with clock.frozen(partner_site.TODAY), application(name) as app, serving(app) as url:
        yield Site(app, url, history[1])
    drop_database(name)


@pytest.fixture
def arrive(site: Site, new_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """A page of the partner, signed in; options go to the browser."""

    def make(**options: object) -> Page:
        context = new_context(base_url=site.url, **options)
        screens.sign_in(context, site.url, site.email, PASSWORD)
        return context.new_page()

    return make


def test_from_sign_in_to_a_payout_without_a_mouse(
    site: Site, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(base_url=site.url).new_page()
    keys = page.keyboard
    page.goto("/")
    settle(page)
    keys.type(site.email)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")

    expect(page.locator("h1")).to_have_text("Overview")
    settle(page)
    tab_to(page, "Statements")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Statements")
    settle(page)
    tab_to(page, "April 2026")
    keys.press("Enter")
    expect(page.locator("h1")).to_contain_text("Statement of April 2026")
    settle(page)
    tab_to(page, "Payouts")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Payouts")
    settle(page)
    while page.evaluate("document.activeElement.id") != "amount":
        keys.press("Tab")
        focused(page)
    keys.type("10")
    keys.press("Enter")
    expect(page.locator("#amount-error")).to_contain_text("50.00")
    settle(page)
    # The faulty field has the focus, with what was typed.
    assert page.evaluate("document.activeElement.id") == "amount"
    keys.press("Control+a")
    keys.type("75.50")
    keys.press("Enter")
    expect(page.locator(".toast p")).to_contain_text("75.50 USD is asked for.")
    expect(page.locator("#history")).to_contain_text("75.50")


def test_a_double_click_asks_once(site: Site, arrive: Callable[..., Page]) -> None:
    before = site.count_payouts()
    page = arrive()
    page.goto("/earnings/payouts")
    settle(page)
    page.locator("#amount").fill("60")
    page.get_by_role("button", name="Request payout").dblclick()
    expect(page.locator("#history")).to_contain_text("60.00")
    assert site.count_payouts() == before + 1


def test_filters_follow_what_is_chosen_and_stand_in_the_address(arrive: Callable[..., Page]) -> None:
    page = arrive()
    page.goto("/earnings/rounds")
    settle(page)
    page.get_by_label("State").select_option("rejected")
    expect(page.locator("#earned-rounds tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/earnings/rounds\?state=rejected$"))
    page.go_back()
    expect(page.locator("#earned-rounds tbody tr")).to_have_count(51)
    page.get_by_role("link", name="Load 50 more").click()
    expect(page.get_by_role("link", name="Load 50 more")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/earnings/rounds$"))


def test_the_link_is_copied(arrive: Callable[..., Page]) -> None:
    page = arrive()
    page.goto("/earnings/profile")
    settle(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "https://play.test/?by=harbour-media"


def test_everything_goes_without_javascript(site: Site, arrive: Callable[..., Page]) -> None:
    page = arrive(java_script_enabled=False)
    page.goto("/earnings")
    expect(page.locator("#referral-link")).to_have_value("https://play.test/?by=harbour-media")
    page.get_by_text("As a table").click()
    expect(page.locator("#trend tbody tr")).to_have_count(30)
    page.get_by_role("link", name="Earnings", exact=True).click()
    page.get_by_label("State").select_option("rejected")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#earned-rounds tbody tr")).to_have_count(1)

    page.get_by_role("link", name="Payouts").click()
    page.locator("#amount").fill("9,999,999")
    page.get_by_role("button", name="Request payout").click()
    expect(page.locator("#amount-error")).to_be_visible()
    expect(page.locator("#amount")).to_have_value("9,999,999")
    page.locator("#amount").fill("60")
    page.get_by_role("button", name="Request payout").click()
    expect(page.locator("#history")).to_contain_text("60.00")

    page.get_by_role("link", name="Profile", exact=True).click()
    page.get_by_role("button", name="Accept version 2").click()
    expect(page.locator("#terms-2")).to_contain_text("as you accepted")


def test_what_is_refused_reads_well_on_a_narrow_screen(
    arrive: Callable[..., Page], accessibility: Callable[..., list[str]]
) -> None:
    page = arrive(viewport=NARROW)
    page.goto("/earnings/payouts")
    settle(page)
    page.get_by_role("button", name="Request payout").click()
    expect(page.locator("#amount-error")).to_be_visible()
    settle(page)
    assert accessibility(page) == []
    assert not page.evaluate(IS_TOO_WIDE)
