"""Every page, in light and dark, wide and narrow: axe finds nothing, and nothing scrolls sideways."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Response

from dashboard import screens
from dashboard.views.access import public
from tests.browser.demo_desk import DemoDesk

IS_TOO_WIDE = "document.scrollingElement.scrollWidth > innerWidth"


@pytest.mark.parametrize("screen", screens.SCREENS, ids=lambda screen: screen.name)
def test_page(
    screen: screens.Screen,
    demo_desk: DemoDesk,
    new_context: Callable[..., BrowserContext],
    accessibility: Callable[..., list[str]],
) -> None:
    page = new_context(storage_state=demo_desk.state(screen.role)).new_page()
    page.set_viewport_size({"width": screen.widths[0], "height": screens.HEIGHT})
    statuses: list[int] = []

    def note(answer: Response) -> None:
        if answer.request.is_navigation_request():
            statuses.append(answer.status)

    page.on("response", note)
    screens.show(page, demo_desk.url, screen, demo_desk.subjects)
    assert statuses[-1] == screen.status
    problems = []
    for width, theme in screens.views(page, screen):
        # A theme changes nothing but colours, and a width changes none of them.
        if theme == "dark" and width != screen.widths[0]:
            continue
        found = accessibility(page, colours=theme == "dark")
        problems += [f"{theme}, {width} px: {each}" for each in found]
        if page.evaluate(IS_TOO_WIDE):
            problems.append(f"{theme}, {width} px: the page scrolls sideways")
    assert problems == []


def test_a_page_that_failed(
    demo_desk: DemoDesk,
    new_context: Callable[..., BrowserContext],
    accessibility: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @public
    def failing() -> str:
        raise ValueError("a bug")

    monkeypatch.setitem(demo_desk.app.view_functions, "health.live", failing)
    monkeypatch.setitem(demo_desk.app.config, "PROPAGATE_EXCEPTIONS", False)
    page = new_context().new_page()
    screen = screens.Screen("failed", None, "/healthz", status=500)
    screens.show(page, demo_desk.url, screen, {})
    for _view in screens.views(page, screen):
        assert accessibility(page) == []
        assert not page.evaluate(IS_TOO_WIDE)
