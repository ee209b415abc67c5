"""Figures in the browser: taken out as images, looked at in part, and kept where nothing changed."""

import datetime as dt
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
