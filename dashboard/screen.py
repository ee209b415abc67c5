"""What a screen is: a page as somebody comes to it, and what they do there first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Page

Act = Callable[["Page"], None]
Theme = Literal["light", "dark"]

WIDE, NARROW = 1360, 390
HEIGHT = 820


@dataclass(frozen=True)
class Screen:
    """One page, or one state of it."""

    name: str
    """Of the picture."""
    role: str | None
    """Who looks: a demo sign-in, or None for a stranger."""
    path: str
    act: Act | None = None
    """What that person does there first."""
    status: int = 200
    widths: tuple[int, ...] = (WIDE, NARROW)


def press(*selectors: str) -> Act:
    """Press one thing after the other; each waits until it is there."""

    def act(page: "Page") -> None:
        for selector in selectors:
            page.locator(selector).first.click()
        settle(page)

    return act


def send_in_vain(button: str) -> Act:
    """Send a form that is refused, and wait until it says why."""

    def act(page: "Page") -> None:
        page.locator(button).click()
        page.locator(".error-summary").wait_for()
        settle(page)

    return act


def open_dialog(*selectors: str) -> Act:
    """Press one thing after the other, of which the first opens the dialog."""

    def act(page: "Page") -> None:
        first, *rest = selectors
        page.locator(first).first.click()
        page.locator("dialog[open] .dialog-body").wait_for()
        for selector in rest:
            page.locator(f"dialog[open] {selector}").first.click()
        settle(page)

    return act


def settle(page: "Page") -> None:
    """Wait until fonts are there, nothing moves or is on its way, figures are drawn, the stream is open."""
    page.wait_for_function(
        """() => document.fonts.status === "loaded"
            && !document.getAnimations().some((moving) => moving.effect.target.checkVisibility())
            && ![...document.querySelectorAll(".skeleton")].some((part) => part.checkVisibility())
            && !document.querySelector("[data-chart]:not(.js-plotly-plot), .htmx-request")
            && (!document.getElementById("stream") || document.querySelector("#live-mark[data-state=on]"))"""
    )


def views(page: "Page", screen: Screen) -> Iterator[tuple[int, Theme]]:
    """Turn an open screen to each width and theme."""
    themes: tuple[Theme, ...] = ("light", "dark")
    for width in screen.widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            settle(page)
            yield width, theme
