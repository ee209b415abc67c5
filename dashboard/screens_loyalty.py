"""Every page about loyalty at the desk; `screens.py` has the table of all pages."""

from typing import TYPE_CHECKING

from dashboard.screen import Screen

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENS = (Screen("loyalty", "manager", "/loyalty"),)


def find_subjects(page: "Page", url: str) -> dict[str, str]:
    """A member of the programme: `loyal`, the player's id."""
    page.goto(f"{url}/loyalty")
    return {"loyal": "1"}
