"""A report's file is made by the worker while one looks; and one that is made by itself is planned."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from dashboard import clock, screens
from dashboard.jobs import reports as job
from dashboard.models import ReportRun
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


def is_at(desk: Desk, rows: int) -> None:
    """What the worker notes while it is at a file of 1,200 rows."""
    values = {"state": "running", "started_at": clock.now(), "tries": 1, "rows_done": rows}
    told = update(ReportRun).values(**values, rows_in_all=1_200)
    desk.write(lambda session: session.execute(told))


def test_the_bar_moves_while_one_looks(
    manager: Page, desk: Desk, accessibility: Callable[[Page], list[str]]
) -> None:
    manager.locator("#report-preview summary:has-text('Export')").press("Enter")
    manager.locator("form[action='/reports/runs'] button[value=csv]").press("Enter")
    manager.wait_for_url("**/reports/runs/*")
    bar = manager.get_by_role("progressbar", name="Rows that are written")
    expect(bar).not_to_have_attribute("value", re.compile(".*"))
    is_at(desk, 300)
    expect(manager.locator("#run-title")).to_have_text("Being made")
    expect(bar).to_have_attribute("value", "300")
    expect(manager.locator("#run")).to_contain_text("300 of 1,200 rows")
    look(manager, accessibility)
    cancel = manager.get_by_role("button", name="Cancel")
    cancel.focus()
    is_at(desk, 900)
    expect(bar).to_have_attribute("value", "900")
    expect(cancel).to_be_focused()
    failed = {"state": "failed", "problem": "There is no such report any more.", "ended_at": clock.now()}
    desk.write(lambda session: session.execute(update(ReportRun).values(**failed)))
    expect(manager.locator("#run-title")).to_have_text("Could not be made")
    expect(manager.locator("#run")).to_contain_text("There is no such report any more.")
    look(manager, accessibility)


def test_without_javascript_it_is_asked_for_looked_at_and_taken(
    person: Callable[..., Page], desk: Desk, tmp_path: Path
) -> None:
    desk.player(100_00, name="Mira Holm")
    page = person(Role.MANAGER, java_script_enabled=False)
    page.goto("/reports/balances")
    page.locator("#report-preview summary:has-text('Export')").click()
    page.locator("form[action='/reports/runs'] button[value=csv]").click()
    expect(page.locator("#run-title")).to_have_text("Waits for the worker")
    is_at(desk, 300)
    page.get_by_role("link", name="Show how far it is").click()
    expect(page.locator("#run")).to_contain_text("300 of 1,200 rows")
    assert work(desk)
    page.get_by_role("link", name="Show how far it is").click()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download CSV").click()
    taken.value.save_as(tmp_path / "file.csv")
    assert "Mira Holm" in (tmp_path / "file.csv").read_text("utf-8-sig")


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
