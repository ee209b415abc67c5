"""Every page about partners at the desk; `screens.py` has the table of all pages."""

from typing import TYPE_CHECKING

from dashboard.screen import Act, Screen, open_dialog, send_in_vain, settle

if TYPE_CHECKING:
    from playwright.sync_api import Page


def type_terms(share: str, rate: str, policy: str) -> Act:
    """Type terms, and wait for what they come to."""

    def act(page: "Page") -> None:
        page.locator("#share").fill(share)
        page.locator("#rate").fill(rate)
        page.locator(f"[name=loss_policy][value={policy}]").check(force=True)
        page.locator("#example .example-table").wait_for()
        settle(page)

    return act


def select_and_reject(page: "Page") -> None:
    """Tick the first earnings that are pending, and ask to reject them."""
    for box in page.locator("#earnings [name=earning]").all()[:2]:
        box.check()
    open_dialog("#selection [formmethod=get]")(page)


SCREENS = (
    Screen("partners", "manager", "/partners"),
    Screen("partners-read-only", "auditor", "/partners?status=active&sort=-total"),
    Screen("partners-none", "manager", "/partners?q=nobody-is-called-this"),
    Screen("partner", "manager", "/partners/{partner}"),
    Screen("partner-year", "manager", "/partners/{partner}?months=12"),
    Screen("partner-read-only", "auditor", "/partners/{partner}"),
    Screen("partner-new", "manager", "/partners/new", type_terms("50", "10", "per_round")),
    Screen(
        "partner-new-refused", "manager", "/partners/new", send_in_vain("#terms-form .is-primary"), status=422
    ),
    Screen("partner-name", "manager", "/partners/{partner}/edit"),
    Screen("partner-status", "manager", "/partners/{partner}/status"),
    Screen("partner-status-dialog", "manager", "/partners/{partner}", open_dialog("a[href$='/status']")),
    Screen("partner-contract", "manager", "/partners/{partner}/contracts/new"),
    Screen("partner-user-new", "manager", "/partners/{partner}/users/new"),
    Screen("partner-user-deactivation", "manager", "{user}"),
    Screen(
        "partner-user-act", "manager", "/partners/{partner}", open_dialog("#users a[href$='/deactivation']")
    ),
    Screen("partner-players", "manager", "/partners/{partner}/players"),
    Screen("partner-earnings", "manager", "/partners/{partner}/earnings"),
    Screen("partner-earnings-filtered", "auditor", "/partners/{partner}/earnings?state=paid"),
    Screen("partner-earnings-none", "manager", "/partners/{partner}/earnings?since=2999-01-01"),
    Screen(
        "partner-rejection-dialog", "manager", "/partners/{partner}/earnings?state=pending", select_and_reject
    ),
    Screen("partner-rejection", "manager", "/partners/{partner}/earnings/rejections/new?earning=1"),
    Screen("partner-statements", "manager", "/partners/{partner}/statements"),
    Screen("partner-payouts", "manager", "/partners/{partner}/payouts"),
    Screen("partner-what-if", "manager", "/partners/{partner}/what-if"),
    Screen("statements", "manager", "/partners/statements"),
    Screen("statements-filtered", "auditor", "/partners/statements?state=paid"),
    Screen("statements-none", "manager", "/partners/statements?month=2999-01"),
    Screen("statements-closing", "manager", "/partners/statements/new"),
    Screen("statement", "auditor", "{statement}"),
    Screen("payouts", "manager", "/partners/payouts"),
    Screen("payouts-all", "auditor", "/partners/payouts?state=all"),
    Screen("payout", "manager", "{payout}"),
    Screen("referral", "manager", "/players/{player}/partner"),
    Screen("referral-dialog", "manager", "/players/{player}", open_dialog("a[href$='/partner']")),
)


def find_subjects(page: "Page", url: str) -> dict[str, str]:
    """The partner who earned most of those with a user, that user, and any statement and payout."""
    page.goto(f"{url}/partners?sort=-total")
    for href in [link.get_attribute("href") for link in page.locator("#partner-table .lead a").all()]:
        page.goto(f"{url}{href}")
        user = page.locator("#users a[href$='/deactivation']")
        if user.count():
            break
    found = {"partner": page.url.rpartition("/")[2], "user": user.first.get_attribute("href") or ""}
    return {
        **found,
        "statement": _first(page, f"{url}/partners/statements", "state=closed", "state="),
        "payout": _first(page, f"{url}/partners/payouts", "state=", "state=all"),
    }


def _first(page: "Page", address: str, *filters: str) -> str:
    """Where the first row leads, by the first filter that finds one."""
    for each in filters:
        page.goto(f"{address}?{each}")
        link = page.locator("main .table .lead a")
        if link.count():
            return link.first.get_attribute("href") or ""
    raise LookupError(f"{address} is empty: is the demo there?")
