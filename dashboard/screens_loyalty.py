"""Every page about loyalty at the desk; `screens.py` has the table of all pages."""

from typing import TYPE_CHECKING

from dashboard.screen import Act, Screen, open_dialog, press, send_in_vain, settle

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


def foresee(**typed: str) -> Act:
    """Type into the form of an act, and wait for what it would do."""

    def act(page: "Page") -> None:
        for name, text in typed.items():
            page.locator(f"#points-{name}").fill(text)
        page.locator("#outlook > :not(input)").first.wait_for()
        settle(page)

    return act


def foresee_in_dialog(link: str, **typed: str) -> Act:
    """The same from the member's page."""

    def act(page: "Page") -> None:
        open_dialog(link)(page)
        foresee(**typed)(page)

    return act


_MEMBER = "/players/{loyal}/loyalty"
SCREENS = (
    Screen("loyalty", "manager", "/loyalty"),
    Screen("loyalty-tables", "auditor", "/loyalty", press(".chart-table summary")),
    Screen("loyalty-members", "agent", "/loyalty/members"),
    Screen("loyalty-members-filtered", "agent", "/loyalty/members?tier={tier}&within=30&sort=-points"),
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
    Screen("loyalty-imports", "auditor", "/loyalty/imports"),
    Screen("loyalty-settings", "manager", "/loyalty/settings"),
    Screen("loyalty-settings-read-only", "agent", "/loyalty/settings"),
    Screen("member", "manager", _MEMBER),
    Screen("member-read-only", "auditor", _MEMBER),
    Screen("member-of-one-kind", "agent", f"{_MEMBER}?kind=redeem"),
    Screen("member-batches", "agent", f"{_MEMBER}/batches"),
    Screen("member-entry", "agent", f"{_MEMBER}/entries/{{redeemed}}"),
    Screen("member-entry-dialog", "agent", _MEMBER, open_dialog("#points-table .entry-link")),
    Screen("member-load", "agent", f"{_MEMBER}/load", foresee(payment_amount="92000")),
    Screen(
        "member-load-dialog",
        "agent",
        _MEMBER,
        foresee_in_dialog("a[href$='/load']", payment_amount="45000"),
    ),
    Screen(
        "member-load-refused",
        "agent",
        f"{_MEMBER}/load",
        send_in_vain("#act [type=submit]"),
        status=422,
    ),
    Screen("member-redeem", "agent", f"{_MEMBER}/redeem", foresee(price="180.50")),
    Screen("member-redeem-too-much", "agent", f"{_MEMBER}/redeem", foresee(points="9,000,000")),
    Screen("member-adjust", "agent", f"{_MEMBER}/adjust", foresee(points="-20")),
    Screen("member-convert", "agent", f"{_MEMBER}/convert", foresee(points="1,000")),
    Screen("member-refund", "agent", f"{_MEMBER}/entries/{{redeemed}}/refund"),
    Screen("member-reversal", "agent", f"{_MEMBER}/entries/{{loaded}}/reversal"),
    Screen("member-undoing", "agent", f"{_MEMBER}/entries/{{redeemed}}/undoing"),
    Screen("member-close", "manager", f"{_MEMBER}/close"),
    Screen("member-suspend", "agent", f"{_MEMBER}/suspend"),
    Screen("member-resume", "agent", f"{_MEMBER}/resume"),
    Screen("member-tier", "manager", f"{_MEMBER}/tier"),
    Screen("member-card", "manager", f"{_MEMBER}/cards/new"),
    Screen("member-card-end", "manager", f"{_MEMBER}/cards/1/end"),
)


def find_subjects(page: "Page", url: str) -> dict[str, str]:
    """The second tier from below; the member with the most points: `loyal`, the player's id; and the last
    entries by which points were `loaded` and `redeemed`.
    """
    page.goto(f"{url}/loyalty/tiers")
    tier = page.locator("#tiers .act-cell a").nth(1).get_attribute("href") or ""
    page.goto(f"{url}/loyalty/members?sort=-points&status=active")
    row = page.locator("#member-table tbody tr").first.get_attribute("id") or ""
    loyal = row.rpartition("-")[2]
    entries = {}
    for name, kind in (("loaded", "load"), ("redeemed", "redeem")):
        page.goto(f"{url}/players/{loyal}/loyalty?kind={kind}")
        entry = page.locator("#points-table tbody tr").first.get_attribute("id") or ""
        entries[name] = entry.rpartition("-")[2]
    return {"tier": tier.rpartition("/")[2], "loyal": loyal, **entries}
