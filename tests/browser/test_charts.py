"""Figures in the browser: taken out as images, looked at in part, and kept where nothing changed."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.screens import settle
from tests import builders
from tests.web.desk import Desk

RANGE = "document.getElementById('balances-chart').layout.xaxis.autorange"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def overview(person: Callable[..., Page], desk: Desk) -> Page:
    """The overview of a desk on which something has moved, with its later part."""
    player_id = desk.player()

    def work(session: Session) -> None:
        now = clock.now()
        for back in range(20, 0, -1):
            at = now - dt.timedelta(days=back)
            builders.change(session, player_id, 100_00 + back, ChangeType.DEPOSIT, now=at)

    desk.write(work)
    page = person(Role.MANAGER)
    page.goto("/analytics")
    settle(page)
    return page


@pytest.mark.parametrize(("name", "begins"), [("PNG", PNG), ("SVG", b"<svg")])
def test_a_figure_is_taken_out_as_an_image(overview: Page, name: str, begins: bytes) -> None:
    tool = overview.get_by_role("button", name=f"{name} of Balances")
    with overview.expect_download() as coming:
        tool.focus()
        overview.keyboard.press("Enter")
    assert coming.value.suggested_filename == f"balances.{name.lower()}"
    image = Path(coming.value.path()).read_bytes()
    assert image.startswith(begins)
    assert len(image) > 5_000


def test_a_stretch_is_chosen_by_dragging_and_the_whole_comes_back_by_keyboard(overview: Page) -> None:
    back = overview.get_by_role("button", name="Whole period").first
    expect(back).to_have_attribute("aria-disabled", "true")
    overview.locator("#balances-chart").scroll_into_view_if_needed()
    box = overview.locator("#balances-chart .nsewdrag").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    overview.mouse.move(box["x"] + box["width"] * 0.4, middle)
    overview.mouse.down()
    overview.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=5)
    overview.mouse.up()
    expect(back).not_to_have_attribute("aria-disabled", "true")
    assert overview.evaluate(RANGE) is False
    back.focus()
    overview.keyboard.press("Enter")
    expect(back).to_have_attribute("aria-disabled", "true")
    assert overview.evaluate(RANGE) is True
    expect(back).to_be_focused()


def test_a_colour_is_taken_away_and_brought_back_by_keyboard(overview: Page) -> None:
    """The buttons that say what each colour is; of the little bonus money there is only the name at first."""
    names = overview.get_by_role("group", name="Balances: what is shown")
    expect(names.get_by_role("button")).to_have_text(["Real", "Trend", "Bonus"])
    expect(names.get_by_role("button", name="Bonus")).to_have_attribute("aria-pressed", "false")
    drawn = overview.locator("#balances-chart .scatterlayer .trace")
    expect(drawn).to_have_count(2)
    for name, count in (("Trend", 1), ("Bonus", 2), ("Trend", 3)):
        names.get_by_role("button", name=name).focus()
        overview.keyboard.press("Space")
        expect(drawn).to_have_count(count)
        expect(names.get_by_role("button", name=name)).to_be_focused()
    expect(names.get_by_role("button", name="Trend")).to_have_attribute("aria-pressed", "true")


def test_back_and_forward_bring_the_period_with_its_figures(overview: Page) -> None:
    period = overview.get_by_label("Period", exact=True)
    for chosen in ("weekly", "yearly"):
        with overview.expect_response(lambda answer: "/analytics?" in answer.url):
            period.select_option(chosen)
        settle(overview)
    for step, chosen, buckets in ((overview.go_back, "weekly", 7), (overview.go_forward, "yearly", 12)):
        step()
        expect(overview).to_have_url(re.compile(f"period={chosen}"))
        expect(period).to_have_value(chosen)
        settle(overview)
        assert overview.evaluate("document.getElementById('balances-chart').data[0].x.length") == buckets


def test_days_are_asked_for_where_no_named_period_is_chosen(overview: Page) -> None:
    expect(overview.get_by_label("From")).to_be_hidden()
    with overview.expect_response(lambda answer: "period=custom" in answer.url):
        overview.get_by_label("Period", exact=True).select_option("custom")
    expect(overview.get_by_text("Enter both days. These are the last 30 days.")).to_be_visible()
    overview.get_by_label("From").fill((clock.now() - dt.timedelta(days=40)).date().isoformat())
    with overview.expect_response(lambda answer: "until=2" in answer.url):
        overview.get_by_label("To", exact=True).fill(clock.now().date().isoformat())
    settle(overview)
    expect(overview.get_by_text("Enter both days.")).to_be_hidden()
    assert overview.evaluate("document.getElementById('balances-chart').data[0].x.length") == 41


def test_a_figure_that_did_not_change_stays(overview: Page) -> None:
    overview.evaluate("document.getElementById('balances-chart').dataset.seen = 'yes'")
    # Nobody's in charge of the only player, so that nothing changes but the filters.
    with overview.expect_response(lambda answer: "/analytics?" in answer.url):
        overview.get_by_label("Agent in charge").select_option("0")
    settle(overview)
    expect(overview.locator(".chips")).to_contain_text("Nobody in charge")
    assert overview.locator("#balances-chart").get_attribute("data-seen") == "yes"
    with overview.expect_response(lambda answer: "/analytics?" in answer.url):
        overview.get_by_label("Period", exact=True).select_option("weekly")
    settle(overview)
    expect(overview.locator(".chips")).to_contain_text("7 days")
    assert overview.locator("#balances-chart").get_attribute("data-seen") is None
