"""Every page there is, as a person comes to it: for screenshots and for the browser tests.

A new page is one line of SCREENS. Addresses name whom they are about, `{player}`; `find_subjects` looks
for such ones by walking through the lists, so that any desk with the demo's sign-ins can be shown.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dashboard import (
    screens_analytics,
    screens_earnings,
    screens_loyalty,
    screens_partners,
    screens_reports,
)
from dashboard.screen import (
    HEIGHT,
    NARROW,
    WIDE,
    Act,
    Screen,
    open_dialog,
    press,
    send_in_vain,
    settle,
    views,
)
from dashboard.services.passwords import DEMO_PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

__all__ = [
    "HEIGHT",
    "NARROW",
    "SCREENS",
    "WIDE",
    "Screen",
    "email_of",
    "find_subjects",
    "settle",
    "show",
    "sign_in",
    "views",
]


def select_and_ask(act_noun: str) -> Act:
    """Tick the first boxes, and press what shall be done."""

    def act(page: "Page") -> None:
        for box in page.locator("#alerts [name=alert]").all()[:3]:
            box.check()
        open_dialog(f"#selection [value={act_noun}]")(page)

    return act


def open_reversal(page: "Page") -> None:
    """From an entry's dialog to what hangs on it."""
    open_dialog(".entry-link")(page)
    page.locator("dialog[open] a[href$='/reversal']").click()
    page.locator("dialog[open] .hanging").wait_for()
    settle(page)


def go_back_in_time(page: "Page") -> None:
    """From an entry to the player as of just before it."""
    page.locator(".entry-moments a").first.click()
    page.locator(".past-banner").wait_for()
    settle(page)


def open_dialog_from(menu: str, selector: str) -> Act:
    """Open a menu, and from it the dialog."""

    def act(page: "Page") -> None:
        page.locator(menu).first.click()
        open_dialog(selector)(page)

    return act


def adjust(change_type: str, amount: str, reason: str) -> Act:
    """Fill in the adjust form, and wait for what it would do."""

    def act(page: "Page") -> None:
        page.locator(f"#adjust [value={change_type}]").check(force=True)
        page.locator("#adjust-amount").fill(amount)
        page.locator("#adjust-reason").fill(reason)
        page.locator("#preview .transition").first.wait_for()
        settle(page)

    return act


def adjust_and_post(change_type: str, amount: str, reason: str) -> Act:
    """The same, posted, where it is refused."""

    def act(page: "Page") -> None:
        adjust(change_type, amount, reason)(page)
        page.locator("#adjust button[type=submit]").click()
        page.locator("#adjust [aria-invalid=true]").wait_for()
        settle(page)

    return act


def hold(change_type: str, amount: str, reason: str) -> Act:
    """Fill in the adjust form and send it; it can still be taken back."""

    def act(page: "Page") -> None:
        adjust(change_type, amount, reason)(page)
        page.locator("#adjust button[type=submit]").click()
        page.locator("#held [data-countdown]").first.wait_for()
        page.locator(".toast [data-toast-close]").first.click()
        settle(page)

    return act


def price_side_bets(page: "Page") -> None:
    """Type what side bets pay, and wait for their edges."""
    page.locator("[id='side-1-5']").fill("2.5")
    page.locator("#side-red").fill("0.7")
    page.locator("#edge-red .is-high").wait_for()
    settle(page)


def activate_even_money(page: "Page") -> None:
    """Pay both sides the same, and try to have it played."""
    page.locator("#name").fill("Even money")
    page.locator("#pays-1-0-0").fill("1")
    page.locator("[name=then][value=activate]").click()
    page.locator("#pays-1-0-0[aria-invalid=true]").wait_for()
    settle(page)


def ask_palette(typed: str) -> Act:
    """Open the palette and type."""

    def act(page: "Page") -> None:
        page.keyboard.press("Control+k")
        page.locator("#palette-input").fill(typed)
        page.locator(f"#palette-results[data-typed='{typed.strip()}']").wait_for()
        settle(page)

    return act


_LIST = """player, amount, type, reason
#1, 25.00, deposit, Prize of the spring draw
#2, 12.50, deposit, Prize of the spring draw
#3, 900.00, adjustment, Charged twice by the bank
#4, -15.00, adjustment, Prize paid to the wrong account
#5, 48000.00, deposit, Prize of the spring draw
LH-404, 25.00, deposit, Prize of the spring draw
#6, 5 dollars, fee, Replacement card
#7, 3.00, fee, Replacement card
#8, 25.00, deposit, Prize of the spring draw
"""

SCREENS = (
    Screen("sign-in", None, "/sign-in"),
    Screen("sign-in-refused", None, "/sign-in", press("#sign-in button"), status=422),
    Screen("desk", "manager", "/"),
    Screen("desk-filtered", "manager", "/?change_type=deposit"),
    Screen("cash-flow", "manager", "/cash-flow"),
    Screen("cash-flow-table", "manager", "/cash-flow", press(".chart-table summary")),
    Screen("players", "agent", "/players"),
    Screen("players-filtered", "agent", "/players?status=active&alerts=y"),
    Screen("players-sorted", "manager", "/players?sort=-real&cols=name,email,real,changed&status=active"),
    Screen("players-columns", "manager", "/players", press(".drop:nth-of-type(2) summary")),
    Screen("players-export", "manager", "/players", press(".drop:nth-of-type(3) summary")),
    Screen("players-views", "manager", "/players", press(".drop:nth-of-type(1) summary")),
    Screen(
        "save-view", "agent", "/saved-views/new?page=player_list.index&query=status%3Dfrozen&next=/players"
    ),
    Screen(
        "save-view-dialog",
        "agent",
        "/players?status=frozen",
        open_dialog_from(".drop summary", ".drop [data-dialog]"),
    ),
    Screen("players-none", "agent", "/players?q=nobody-is-called-this"),
    Screen("player", "agent", "/players/{player}"),
    Screen(
        "player-preview",
        "agent",
        "/players/{player}",
        adjust("deposit", "250.00", "Bank transfer TR-20931"),
    ),
    Screen(
        "player-refused",
        "agent",
        "/players/{player}",
        adjust_and_post("adjustment", "-9,000,000.00", "Taken back as agreed by phone"),
    ),
    Screen(
        "player-waits",
        "agent",
        "/players/{player}",
        adjust("deposit", "640.00", "Bank transfer TR-20931"),
    ),
    Screen("player-other-rules", "manager", "/players/{player}", press(".other-rules summary")),
    Screen("player-held", "agent", "/players/{player}", hold("deposit", "1.00", "Rounding of TR-20931")),
    Screen("player-filters", "agent", "/players/{player}", press(".filters summary")),
    Screen("player-filtered", "agent", "/players/{player}?change_type=deposit&least=20"),
    Screen("player-none", "agent", "/players/{player}?least=99999999"),
    Screen("player-bets", "agent", "/players/{bettor}?tab=bets"),
    Screen("player-bonuses", "agent", "/players/{bonused}?tab=bonuses"),
    Screen("player-bonuses-read-only", "auditor", "/players/{bonused}?tab=bonuses"),
    Screen("bonus", "agent", "{bonus}"),
    Screen("bonus-new", "agent", "/players/{player}/bonuses/new"),
    Screen("bonus-dialog", "agent", "/players/{player}?tab=bonuses", open_dialog("a[href*='/bonuses/new']")),
    Screen("bonus-surrender", "agent", "{bonus}/surrender"),
    Screen("bonus-cancellation", "agent", "{bonus}/cancellation"),
    Screen("bonus-offers", "manager", "/bonus-offers"),
    Screen("bonus-offers-retired", "agent", "/bonus-offers?state=retired"),
    Screen("bonus-offer", "manager", "{offer}"),
    Screen("bonus-offer-new", "manager", "/bonus-offers/new"),
    Screen("bonus-offer-edit", "manager", "{offer}/edit"),
    Screen("player-limits", "agent", "/players/{player}?tab=limits"),
    Screen("player-alerts", "agent", "/players/{player}?tab=alerts"),
    Screen("player-notes", "agent", "/players/{player}?tab=notes"),
    Screen("player-read-only", "auditor", "/players/{player}"),
    Screen("explanation", "agent", "/players/{player}/explanation"),
    Screen("explanation-dialog", "agent", "/players/{player}", open_dialog("a[href*='/explanation']")),
    Screen("player-as-of", "manager", "/players/{player}/entries/{currency}/{entry}", go_back_in_time),
    Screen("player-as-of-form", "agent", "/players/{player}", press(".past-form summary")),
    Screen("player-as-of-refused", "agent", "/players/{player}?as_of=2999-01-01T12:00", status=422),
    Screen("player-frozen", "manager", "/players/{frozen}"),
    Screen("player-closed", "manager", "/players/{closed}"),
    Screen("entry", "agent", "/players/{player}/entries/{currency}/{entry}"),
    Screen("entry-dialog", "agent", "/players/{player}", open_dialog(".entry-link")),
    Screen(
        "reversal-dialog",
        "agent",
        "/players/{player}?change_type=deposit",
        open_reversal,
    ),
    Screen("reversal", "agent", "/players/{player}/entries/{currency}/1/reversal"),
    Screen("freeze", "agent", "/players/{player}/freeze"),
    Screen("freeze-dialog", "agent", "/players/{player}", open_dialog("a[href$='/freeze']")),
    Screen("unfreeze", "agent", "/players/{frozen}/unfreeze"),
    Screen("unfreeze-dialog", "agent", "/players/{frozen}", open_dialog("a[href$='/unfreeze']")),
    Screen("closure", "manager", "/players/{player}/closure"),
    Screen("closure-dialog", "manager", "/players/{player}", open_dialog("a[href$='/closure']")),
    Screen("alerts", "agent", "/alerts"),
    Screen("alerts-acknowledged", "agent", "/alerts?state=acknowledged"),
    Screen("alerts-resolved", "agent", "/alerts?state=resolved"),
    Screen("alerts-filtered", "agent", "/alerts?severity=critical&age=older-week"),
    Screen("alerts-snoozed", "agent", "/alerts?state=snoozed"),
    Screen("alerts-mine", "agent", "/alerts?assigned=me"),
    Screen("alerts-read-only", "auditor", "/alerts"),
    Screen("alert", "agent", "{alert}"),
    Screen("alert-snoozed", "agent", "{snoozed}"),
    Screen("alert-resolved", "auditor", "{resolved}"),
    Screen("alert-figures", "manager", "/alerts/figures"),
    Screen("alert-figures-table", "manager", "/alerts/figures", press(".chart-table summary")),
    Screen("acknowledgement", "agent", "{alert}/acknowledgement"),
    Screen("acknowledgement-dialog", "agent", "{alert}", open_dialog("a[href*='/acknowledgement']")),
    Screen("resolution", "agent", "{alert}/resolution"),
    Screen("snooze", "agent", "{alert}/snooze"),
    Screen("snooze-dialog", "agent", "{alert}", open_dialog("a[href*='/snooze']")),
    Screen("assignment", "agent", "{alert}/assignment"),
    Screen("selection", "agent", "/alerts/selection?act=snooze&{selection}"),
    Screen(
        "selection-dialog",
        "agent",
        "/alerts",
        select_and_ask("resolution"),
    ),
    Screen("approvals", "manager", "/approvals"),
    Screen("approvals-own", "agent", "/approvals"),
    Screen("approvals-approved", "auditor", "/approvals?state=approved"),
    Screen("approvals-none", "manager", "/approvals?state=declined&kind=transfer"),
    Screen("request", "manager", "{request}"),
    Screen("request-own", "agent", "/approvals", press("#requests .lead a")),
    Screen("request-dialog", "manager", "/approvals", open_dialog("#requests .lead a")),
    Screen("request-ended", "admin", "{decided}"),
    Screen("round-request", "manager", "{asked}"),
    Screen("round-request-own", "admin", "{asked}"),
    Screen("round-request-dialog", "manager", "/rounds/{waiting}", open_dialog("#round-request .acts a")),
    Screen("withdrawals", "agent", "/withdrawals"),
    Screen("withdrawals-all", "agent", "/withdrawals?state=all"),
    Screen("withdrawal-new", "agent", "/players/{player}/withdrawals/new"),
    Screen("withdrawal-dialog", "agent", "/players/{player}", open_dialog("a[href*='/withdrawals/new']")),
    Screen("withdrawal", "agent", "{withdrawal}"),
    Screen("transfer-new", "agent", "/players/{player}/transfers/new"),
    Screen("settings", "admin", "/settings"),
    Screen("settings-read-only", "auditor", "/settings"),
    Screen("settings-requests", "admin", "/settings/requests"),
    Screen("allowance", "admin", "/settings/allowances/{member}/{currency}"),
    Screen("allowance-dialog", "admin", "/staff/{member}", open_dialog("#allowances .act-cell a")),
    Screen("bulk", "admin", "/bulk"),
    Screen("bulk-unread", "admin", "/bulk", press("#bulk-form button")),
    Screen("bulk-read-only", "auditor", "/bulk"),
    Screen("bulk-list", "admin", "/bulk/{list}"),
    Screen("bulk-list-refused", "admin", "/bulk/{list}?show=refused"),
    Screen("bulk-list-none", "admin", "/bulk/{list}?show=waits"),
    Screen("games", "manager", "/games"),
    Screen("games-read-only", "auditor", "/games"),
    Screen("game", "manager", "/games/{game}"),
    Screen("game-new", "manager", "/games/new"),
    Screen("game-new-refused", "manager", "/games/new", send_in_vain("#game-form button"), status=422),
    Screen("game-edit", "manager", "/games/{game}/edit"),
    Screen("game-retirement", "manager", "/games/{game}/retirement"),
    Screen("game-retirement-dialog", "manager", "/games/{game}", open_dialog("a[href$='/retirement']")),
    Screen("live-round", "manager", "/games/{game}/live"),
    Screen("live-round-read-only", "auditor", "/games/{game}/live"),
    Screen("live-table", "manager", "/games/{table}/live"),
    Screen("rounds", "manager", "/rounds"),
    Screen("rounds-filtered", "agent", "/rounds?winner=bahar&state=settled"),
    Screen("rounds-none", "agent", "/rounds?since=2999-01-01"),
    Screen("round", "manager", "/rounds/{round}"),
    Screen("round-by-hand", "auditor", "/rounds/{dealt}"),
    Screen("round-waiting", "manager", "/rounds/{waiting}"),
    Screen("round-waiting-read-only", "auditor", "/rounds/{waiting}"),
    Screen("round-void", "manager", "/rounds/{round}/void"),
    Screen("round-void-dialog", "manager", "/rounds/{round}", open_dialog("a[href$='/void']")),
    Screen("round-correction", "manager", "/rounds/{dealt}/correction"),
    Screen("round-correction-dialog", "manager", "/rounds/{dealt}", open_dialog("a[href$='/correction']")),
    Screen("verify", "agent", "/rounds/{round}/verify"),
    Screen("verify-by-hand", "agent", "/rounds/{dealt}/verify"),
    Screen("fairness", "manager", "/games/fairness"),
    Screen("fairness-table", "manager", "/games/fairness?game={game}", press(".chart-table summary")),
    Screen("rule-sets", "manager", "/rule-sets"),
    Screen("rule-sets-read-only", "agent", "/rule-sets"),
    Screen("rule-set", "manager", "/rule-sets/{rules}"),
    Screen("rule-set-losing", "manager", "/rule-sets/{losing}"),
    Screen("rule-set-edit", "manager", "/rule-sets/{rules}/edit"),
    Screen("rule-set-new", "manager", "/rule-sets/new", price_side_bets),
    Screen("rule-set-new-refused", "manager", "/rule-sets/new", activate_even_money, status=422),
    *screens_partners.SCREENS,
    *screens_loyalty.SCREENS,
    *screens_analytics.SCREENS,
    *screens_reports.SCREENS,
    Screen("vip-rules", "admin", "/vip-rules"),
    Screen("vip-rule", "admin", "/vip-rules/{currency}/gold"),
    Screen("vip-rule-edit", "admin", "/vip-rules/{currency}/gold/edit"),
    Screen("audit", "admin", "/audit"),
    Screen("audit-none", "auditor", "/audit?q=nothing-of-this-name"),
    Screen("trial-balance", "auditor", "/audit/trial-balance"),
    *screens_earnings.SCREENS,
    Screen("account", "agent", "/account"),
    Screen("second-factor", "auditor", "/account/second-factor"),
    Screen("second-factor-key", "auditor", "/account/second-factor", press("main .is-primary")),
    Screen("second-factor-removal", "agent", "/account/second-factor/removal"),
    Screen("recovery-codes", "agent", "/account/recovery-codes/renewal"),
    Screen("link-over", None, "/one-time-link?token=nothing", status=410),
    Screen("staff", "admin", "/staff"),
    Screen("staff-invitation", "admin", "/staff/new"),
    Screen("staff-member", "admin", "/staff/{member}"),
    Screen("staff-member-read-only", "auditor", "/staff/{member}"),
    Screen("staff-act", "admin", "/staff/{member}/deactivation"),
    Screen("staff-act-dialog", "admin", "/staff/{member}", open_dialog("a[href$='/deactivation']")),
    Screen("user-menu", "agent", "/account", press(".user-button")),
    Screen("navigation", "agent", "/account", press(".menu-button"), widths=(NARROW,)),
    Screen("shortcuts", "agent", "/players/{player}", lambda page: page.keyboard.press("?")),
    Screen("palette", "agent", "/players/{player}", ask_palette("")),
    Screen("palette-found", "manager", "/", ask_palette("ma")),
    Screen("palette-act", "manager", "/", ask_palette("freeze ma")),
    Screen("palette-none", "agent", "/", ask_palette("nobody is called this")),
    Screen("palette-page", "agent", "/palette?q=ma"),
    Screen("forbidden", "agent", "/audit", status=403),
    Screen("not-found", "agent", "/players/999999999", status=404),
)


def email_of(role: str) -> str:
    """Who has that role in the demo."""
    return f"{role}@example.com"


def sign_in(context: "BrowserContext", url: str, email: str, password: str = DEMO_PASSWORD) -> None:
    """Sign in by the page, for everything that this context opens from now on."""
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.locator("#email").fill(email)
    page.locator("#password").fill(password)
    page.locator("#sign-in button").click()
    page.wait_for_url(lambda address: not address.endswith("/sign-in"))
    page.close()


def find_subjects(context: "BrowserContext", url: str) -> dict[str, str]:
    """Whom the addresses are about, as the admin of this desk finds them. Raises LookupError."""
    page = context.new_page()
    found = {
        "player": _first_player(page, url, "status=active&alerts=y&level=platinum", "status=active&alerts=y"),
        "frozen": _first_player(page, url, "status=frozen"),
        "closed": _first_player(page, url, "status=closed"),
    }
    found |= {
        "alert": _first_alert(page, url, "assigned=nobody"),
        "snoozed": _first_alert(page, url, "state=snoozed"),
        "resolved": _first_alert(page, url, "state=resolved"),
    }
    page.goto(f"{url}/alerts")
    keys = [box.get_attribute("value") for box in page.locator("[name=alert]").all()[:3]]
    requests = {
        "request": _first_request(page, url, "kind=change&who="),
        "decided": _first_request(page, url, "state=approved"),
    }
    page.goto(f"{url}/withdrawals?state=all")
    withdrawal = page.locator("#withdrawals .act-cell a").first.get_attribute("href") or ""
    bonuses = _bonuses(page, url)
    page.goto(f"{url}/staff")
    member = page.locator("#staff tr:has-text('Manager') th a").first.get_attribute("href")
    bulk_list = _checked_list(page, url)
    games = _games(page, url) | _rule_sets(page, url) | _round_request(page, url)
    partners = screens_partners.find_subjects(page, url) | screens_earnings.find_subjects(page, url)
    loyalty = screens_loyalty.find_subjects(page, url)
    page.goto(f"{url}/players/{found['player']}")
    entry = page.locator(".entry-link").first.get_attribute("href")
    page.close()
    *_rest, currency, sequence = (entry or "").split("/")
    return {
        **found,
        **requests,
        **bonuses,
        **games,
        **partners,
        **loyalty,
        "member": (member or "").rpartition("/")[2],
        "withdrawal": withdrawal,
        "selection": "&".join(f"alert={key}" for key in keys),
        "list": bulk_list,
        "currency": currency,
        "entry": sequence,
    }


def show(page: "Page", url: str, screen: Screen, subjects: Mapping[str, str]) -> None:
    """Open a screen and wait until it stands still."""
    page.goto(url + screen.path.format(**subjects))
    settle(page)
    if screen.act:
        screen.act(page)


def _checked_list(page: "Page", url: str) -> str:
    """The number of a list with rows of every kind, checked by whoever looks."""
    page.goto(f"{url}/bulk")
    page.locator("#rows").fill(_LIST)
    page.locator("#bulk-form button[type=submit]").click()
    page.wait_for_url("**/bulk/*")
    return page.url.rpartition("/")[2]


def _games(page: "Page", url: str) -> dict[str, str]:
    """A game with shuffled decks, a table dealt by hand, a settled round of each, and somebody who bet."""
    page.goto(f"{url}/games")
    game = _last_part(page.locator("#games tr:not(:has-text('by hand')) .lead a").first)
    table = _last_part(page.locator("#games tr:has-text('by hand') .lead a").first)
    page.goto(f"{url}/rounds?state=settled&game={table}")
    dealt = _last_part(page.locator("#rounds .lead a").first)
    page.goto(f"{url}/rounds?state=settled&game={game}")
    played = _last_part(page.locator("#rounds .lead a").first)
    page.goto(f"{url}/rounds/{played}")
    bettor = _last_part(page.locator("#bets-table .lead a").first)
    return {"game": game, "table": table, "dealt": dealt, "round": played, "bettor": bettor}


def _round_request(page: "Page", url: str) -> dict[str, str]:
    """What somebody else asks for about a settled round, and the number of that round."""
    page.goto(f"{url}/approvals")
    asked = page.locator("#round-requests .lead a").first.get_attribute("href") or ""
    return {"asked": asked, "waiting": asked.split("/")[2]}


def _rule_sets(page: "Page", url: str) -> dict[str, str]:
    """One of several stages, and one on which the house would lose."""
    page.goto(f"{url}/rule-sets")
    names = {"rules": "three-stage", "losing": "even"}
    return {
        key: _last_part(page.locator("#rule-sets .lead a", has_text=name).first)
        for key, name in names.items()
    }


def _last_part(link: "Locator") -> str:
    """The id that a link leads to."""
    return (link.get_attribute("href") or "").partition("?")[0].rpartition("/")[2]


def _bonuses(page: "Page", url: str) -> dict[str, str]:
    """An offer, the last bonus that was granted from it, and whose it is."""
    page.goto(f"{url}/bonus-offers")
    offer = page.locator("#offers .lead a").first.get_attribute("href") or ""
    page.goto(url + offer)
    bonus = (page.locator("#grants .lead a").first.get_attribute("href") or "").partition("?")[0]
    return {"offer": offer, "bonus": bonus, "bonused": bonus.split("/")[2]}


def _first_player(page: "Page", url: str, *filters: str) -> str:
    """The id of the first player by the first filter that finds one."""
    for each in filters:
        page.goto(f"{url}/players?{each}")
        link = page.locator("#players .lead a")
        if link.count():
            return (link.first.get_attribute("href") or "").rpartition("/")[2]
    raise LookupError(f"No player fits {' or '.join(filters)}: is the demo there?")


def _first_request(page: "Page", url: str, query: str) -> str:
    """The address of the first request by that filter."""
    page.goto(f"{url}/approvals?{query}")
    return page.locator("#requests .lead a").first.get_attribute("href") or ""


def _first_alert(page: "Page", url: str, query: str) -> str:
    """The address of the first alert by that filter."""
    page.goto(f"{url}/alerts?{query}")
    link = page.locator("#alerts .lead a").first
    return link.get_attribute("href") or ""
