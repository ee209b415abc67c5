"""Every page about loyalty at the desk; `screens.py` has the table of all pages."""

from typing import TYPE_CHECKING

from dashboard.screen import Act, Screen, press, send_in_vain, settle

if TYPE_CHECKING:
    from playwright.sync_api import Page


def type_tier(payment: str, points: str) -> Act:
    """Type what a tier asks for and gives, and wait for what it comes to."""

    def act(page: "Page") -> None:
        page.locator("#name").fill("Diamond")
        page.locator("#minimum_payment").fill(payment)
        page.locator("#points").fill(points)
        page.locator("#example .effect").wait_for()
        settle(page)

    return act


SCREENS = (
    Screen("loyalty", "manager", "/loyalty"),
    Screen("loyalty-tables", "auditor", "/loyalty", press(".chart-table summary")),
    Screen("loyalty-members", "agent", "/loyalty/members"),
    Screen("loyalty-members-filtered", "agent", "/loyalty/members?tier={tier}&within=90&sort=-points"),
    Screen("loyalty-members-none", "agent", "/loyalty/members?q=nobody-is-called-this"),
    Screen("loyalty-expiries", "agent", "/loyalty/expiries"),
    Screen("loyalty-expiries-far", "manager", "/loyalty/expiries?within=90"),
    Screen("loyalty-tiers", "manager", "/loyalty/tiers"),
    Screen("loyalty-tiers-read-only", "auditor", "/loyalty/tiers"),
    Screen("loyalty-tier-new", "manager", "/loyalty/tiers/new", type_tier("150,000", "155,000")),
    Screen(
        "loyalty-tier-new-refused",
        "manager",
        "/loyalty/tiers/new",
        send_in_vain("#terms-form .is-primary"),
        status=422,
    ),
    Screen("loyalty-tier", "manager", "/loyalty/tiers/{tier}"),
    Screen("loyalty-settings", "manager", "/loyalty/settings"),
    Screen("loyalty-settings-read-only", "agent", "/loyalty/settings"),
)


def find_subjects(page: "Page", url: str) -> dict[str, str]:
    """The second tier from below, and the member with the most points: `loyal`, the player's id."""
    page.goto(f"{url}/loyalty/tiers")
    tier = page.locator("#tiers .act-cell a").nth(1).get_attribute("href") or ""
    page.goto(f"{url}/loyalty/members?sort=-points&status=active")
    row = page.locator("#member-table tbody tr").first.get_attribute("id") or ""
    return {"tier": tier.rpartition("/")[2], "loyal": row.rpartition("-")[2]}
