"""A report's file is made by the worker while one looks; and one that is made by itself is planned."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard import screens
from dashboard.jobs import reports as job
from dashboard.models.login import Role
from tests.web.desk import Desk

IS_TOO_WIDE = "document.scrollingElement.scrollWidth > innerWidth"


def work(desk: Desk) -> bool:
    """What the worker does."""
    with desk.app.app_context():
        return job.make_next()


def look(page: Page, accessibility: Callable[[Page], list[str]]) -> None:
    """Nothing for axe, nothing sideways, wide and narrow, light and dark."""
    for width in (screens.WIDE, screens.NARROW):
        page.set_viewport_size({"width": width, "height": screens.HEIGHT})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            screens.settle(page)
            assert accessibility(page) == []
            assert not page.evaluate(IS_TOO_WIDE)
    page.set_viewport_size({"width": screens.WIDE, "height": screens.HEIGHT})


@pytest.fixture
def manager(person: Callable[..., Page], desk: Desk) -> Page:
    """A manager in front of a report with a row."""
    desk.player(100_00, name="Mira Holm")
    page = person(Role.MANAGER)
    page.goto("/reports/balances")
    return page


def test_a_file_is_made_while_one_looks(
    manager: Page, desk: Desk, accessibility: Callable[[Page], list[str]], tmp_path: Path
) -> None:
    manager.locator("#report-preview summary:has-text('Export')").press("Enter")
    manager.locator("form[action='/reports/runs'] button[value=csv]").press("Enter")
    manager.wait_for_url("**/reports/runs/*")
    expect(manager.locator("#run-title")).to_have_text("Waits for the worker")
    look(manager, accessibility)
    assert work(desk)
    expect(manager.locator("#run-title")).to_have_text("Made")
    look(manager, accessibility)
    with manager.expect_download() as taken:
        manager.get_by_role("button", name="Download CSV").press("Enter")
    taken.value.save_as(tmp_path / "file.csv")
    assert "Mira Holm" in (tmp_path / "file.csv").read_text("utf-8-sig")
    manager.goto("/reports/runs")
    expect(manager.locator("#files tbody tr")).to_have_count(1)
    look(manager, accessibility)


def test_a_file_is_cancelled(manager: Page, desk: Desk) -> None:
    manager.locator("#report-preview summary:has-text('Export')").press("Enter")
    manager.locator("form[action='/reports/runs'] button[value=csv]").press("Enter")
    manager.wait_for_url("**/reports/runs/*")
    manager.get_by_role("button", name="Cancel").press("Enter")
    expect(manager.locator("#run-title")).to_have_text("Cancelled")
    assert not work(desk)


def test_a_report_is_made_by_itself(manager: Page, accessibility: Callable[[Page], list[str]]) -> None:
    manager.locator("#report-preview a:has-text('Save as')").press("Enter")
    manager.locator("dialog [name=name]").fill("Every balance")
    manager.locator("dialog button[type=submit]").press("Enter")
    manager.wait_for_url("**/reports/saved/*")
    manager.locator("#report-preview a:has-text('Schedule')").press("Enter")
    manager.wait_for_url("**/reports/schedules/new*")
    look(manager, accessibility)
    manager.locator("#at").fill("06:30")
    manager.locator("#mail_to").fill("ana")
    manager.get_by_role("button", name="Make it by itself").press("Enter")
    expect(manager.locator("#mail_to-error")).to_contain_text("is no e-mail address")
    manager.locator("#mail_to").fill("ana@house.example")
    manager.get_by_role("button", name="Make it by itself").press("Enter")
    expect(manager.locator("#schedules")).to_contain_text("Every day at 06:30")
    look(manager, accessibility)
    manager.get_by_role("button", name="Stop").press("Enter")
    expect(manager.locator("#schedules")).to_contain_text("No schedule yet")
