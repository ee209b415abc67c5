"""Every page that partners see; `screens.py` has the table of all pages."""

from typing import TYPE_CHECKING

from dashboard.screen import NARROW, Screen, press

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENS = (
    Screen("earnings", "partner", "/earnings"),
    Screen("earnings-by-month", "partner", "/earnings?by=month"),
    Screen("earnings-table", "partner", "/earnings", press(".chart-table summary")),
    Screen("earnings-navigation", "partner", "/earnings", press(".menu-button"), widths=(NARROW,)),
    Screen("earned-rounds", "partner", "/earnings/rounds"),
    Screen("earned-rounds-filtered", "partner", "/earnings/rounds?state=approved"),
    Screen("earned-rounds-none", "partner", "/earnings/rounds?since=2999-01-01"),
    Screen("earned-files", "partner", "/earnings/months", press(".drop summary")),
    Screen("earned-days", "partner", "/earnings/days"),
    Screen("earned-months", "partner", "/earnings/months"),
    Screen("earned-months-of-game", "partner", "/earnings/months?game={game}"),
    Screen("earned-games", "partner", "/earnings/games"),
    Screen("earned-statements", "partner", "/earnings/statements"),
    Screen("earned-statement", "partner", "/earnings/statements/{stated}"),
    Screen("earned-payouts", "partner", "/earnings/payouts"),
    Screen("earned-profile", "partner", "/earnings/profile"),
    Screen("partner-account", "partner", "/account"),
    Screen("partner-forbidden", "partner", "/players", status=403),
    Screen("partner-not-found", "partner", "/earnings/statements/999999999", status=404),
)


def find_subjects(page: "Page", url: str) -> dict[str, str]:
    """The last statement of the partner who has the demo's sign-in, as staff find it."""
    page.goto(f"{url}/partners?q=harbour-media")
    partner = page.locator("#partner-table .lead a").first.get_attribute("href") or ""
    page.goto(f"{url}{partner}/statements")
    statement = page.locator("main .table .lead a").first.get_attribute("href") or ""
    return {"stated": statement.partition("?")[0].rpartition("/")[2]}
