"""A headless Chromium in which anything that goes wrong unseen fails the test."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from dashboard import clock, db, screens
from dashboard.models.login import Role
from dashboard.services import demo
from tests.browser.demo_desk import DemoDesk
from tests.builders import PASSWORD, make_login, make_operator
from tests.conftest import application, clone, drop_database, serving
from tests.web.desk import Desk

AXE = Path(__file__).parents[2] / "dashboard" / "assets" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 30_000
"""How long to wait for what should be there at once: two cores may be busy with other things."""
WATCH = """
document.addEventListener('securitypolicyviolation', event =>
    window.reportProblem(`CSP: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, or the one that CHROMIUM names."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no Chromium: run `python3 -m dashboard test`"
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work as root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        expect.set_options(timeout=PATIENCE_MS)
        yield opened
        opened.close()


@pytest.fixture
def problems() -> list[str]:
    """What went wrong unseen; a test that provokes something takes it out again."""
    return []


@pytest.fixture
def new_context(browser: Browser, problems: list[str]) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser contexts: one per person. Page errors, console errors and CSP reports fail the test."""
    opened: list[BrowserContext] = []

    def report(problem: str) -> None:
        problems.append(problem)

    def console(message: ConsoleMessage) -> None:
        # That an answer was 4xx is what such a test is about.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            problems.append(f"console: {message.text}")

    def make(**options: object) -> BrowserContext:
        context = browser.new_context(**{"reduced_motion": "reduce", **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.expose_function("reportProblem", report)
        context.add_init_script(WATCH)
        context.on("console", console)
        context.on("weberror", lambda error: problems.append(f"page: {error.error.stack or error.error}"))
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """One page of one person."""
    return new_context().new_page()


@pytest.fixture
def accessibility() -> Callable[..., list[str]]:
    """Runs axe on a page and returns what it found, one line each; `colours` alone is quicker."""
    source = AXE.read_text()
    everything = {"type": "tag", "values": "wcag2a wcag2aa wcag21a wcag21aa wcag22aa best-practice".split()}
    of_colours = {"type": "rule", "values": ["color-contrast"]}

    def run(page: Page, *, colours: bool = False) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)
        # From the top: what has scrolled half under the frame counts as too small to be hit.
        page.evaluate("scrollTo(0, 0)")
        found = page.evaluate(
            "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})",
            of_colours if colours else everything,
        )
        return [
            f"{violation['id']}: {node['target']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return run


@pytest.fixture(scope="session")
def demo_desk(browser: Browser) -> Iterator[DemoDesk]:
    """A small demo that all tests of a process look at and none changes."""
    database = clone()
    with application(database) as app, serving(app) as url:
        with app.app_context():
            demo.fill(db.transact, now=clock.now(), players_count=120, days_count=14)
        yield DemoDesk(app, url, browser)
    drop_database(database)


@pytest.fixture
def desk(app: Flask) -> Desk:
    """An empty desk for this test alone, at the present hour."""
    with app.app_context(), db.writing() as session:
        return Desk(app, make_operator(session))


@pytest.fixture
def person(live: str, desk: Desk, new_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """Somebody new at that desk, signed in: `person(Role.MANAGER, name="Bo")`; options go to the browser."""

    def arrive(role: Role = Role.AGENT, *, name: str = "Ana Reyes", **options: object) -> Page:
        email = desk.write(
            lambda session: make_login(session, operator_id=desk.operator_id, role=role, name=name).email
        )
        context = new_context(base_url=live, **options)
        screens.sign_in(context, live, email, PASSWORD)
        return context.new_page()

    return arrive
