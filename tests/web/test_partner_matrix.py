"""A partner's session against all that is not its own: every route of staff, every part, others' objects.

The matrix is made from the routes: a new one needs its row in ROUTES, a new kind of id its line in VALUES,
and one that partners may open without an id its line in OWN.
"""

import re
from collections.abc import Callable

import pytest
from werkzeug.routing import Rule

from dashboard.models.login import Role
from tests.web.partner_site import History, Site
from tests.web.test_access import ROUTES, STRANGERS

VALUES: dict[str, Callable[[History], tuple[object, ...]]] = {
    "act": lambda _: ("deactivation",),
    "alert_id": lambda _: (1,),
    "bonus_id": lambda _: (1,),
    "card_id": lambda _: (1,),
    "currency": lambda _: ("USD",),
    "ending": lambda _: ("csv", "xlsx"),
    "game_id": lambda history: tuple(history.game_ids[:1]),
    "level": lambda _: ("gold",),
    "login_id": lambda _: (1,),
    "offer_id": lambda _: (1,),
    "partner_id": lambda history: (history.partner_id, history.other_id),
    "payout_id": lambda history: (history.payout_id, history.other_payout_id),
    "player_id": lambda history: (history.player_ids[0], history.other_player_id),
    "report_id": lambda _: (1,),
    "request_id": lambda _: (1,),
    "round_id": lambda _: (1,),
    "rule_set_id": lambda _: (1,),
    "run_id": lambda _: (1,),
    "schedule_id": lambda _: (1,),
    "sequence": lambda _: (1,),
    "statement_id": lambda history: (history.other_statement_id, 987654321),
    "subject": lambda _: ("balance-changes",),
    "tier_id": lambda _: (1,),
    "version": lambda _: (2,),
    "view_id": lambda _: (1,),
    "withdrawal_id": lambda _: (1,),
}
"""What stands in addresses: things that there are, the partner's own and another's."""

OWN = {
    *("auth.create_code", "auth.create_ended_others", "auth.create_ended_session", "auth.delete"),
    *("auth.index", "auth.show_code", "auth.show_session"),
    "earnings.index",
    *("earnings_files.show_days", "earnings_files.show_games", "earnings_files.show_months"),
    *("earnings_files.show_rounds", "earnings_files.show_statements"),
    *("earnings_lists.list_days", "earnings_lists.list_games", "earnings_lists.list_months"),
    "earnings_lists.list_rounds",
    *("earnings_payouts.create", "earnings_payouts.index"),
    "earnings_profile.create_acceptance",  # by the number of a version of the partner's own contract
    *("earnings_profile.show", "earnings_profile.update"),
    "earnings_statements.index",
    *("live.stream", "palette.index"),
    *("second_factor.create", "second_factor.create_confirmation", "second_factor.create_recovery_codes"),
    *("second_factor.create_removal", "second_factor.new_recovery_codes", "second_factor.new_removal"),
    "second_factor.show",
}
"""What a partner may open; that it shows what is theirs alone is for test_partner_role.py to say."""


def addresses(rule: Rule, history: History) -> list[str]:
    """The rule with its variables: first the first value of each, then the last one."""
    choices = {name: VALUES[name](history) for name in rule.arguments}
    both = [{name: found[at] for name, found in choices.items()} for at in (0, -1)]
    return [_filled(rule.rule, values) for values in both[: 2 if choices else 1]]


def _filled(path: str, values: dict[str, object]) -> str:
    return re.sub(r"<(?:[^<>]+:)?(\w+)>", lambda match: str(values[match[1]]), path)


def test_a_partner_opens_nothing_of_anybody_else(site: Site) -> None:
    app, asked, wrong = site.desk.app, 0, []
    assert set(app.view_functions) == set(ROUTES), "write down in ROUTES which roles may open it"
    for rule in app.url_map.iter_rules():
        allowed = ROUTES[rule.endpoint]
        if allowed is STRANGERS or rule.endpoint in OWN:
            continue
        expected = 404 if Role.PARTNER in allowed else 403
        for path in addresses(rule, site.history):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                for htmx in (False, True):
                    browser = site.browser
                    reads = method == "GET"
                    answer = browser.get(path, htmx=htmx) if reads else browser.post(path, {}, htmx=htmx)
                    asked += 1
                    if answer.status_code != expected:
                        wrong.append(f"{method} {path} (htmx {htmx}): {answer.status_code}, not {expected}")
    assert wrong == []
    assert asked > 400


def test_what_is_a_partner_s_own_is_still_there(site: Site) -> None:
    assert {name for name, roles in ROUTES.items() if Role.PARTNER in roles} >= OWN
    answer = site.browser.get(f"/earnings/statements/{site.history.statement_id}")
    assert answer.status_code == 200


@pytest.mark.parametrize("typed", ["mira", "freeze mira", "Harbour table", "60", "P-1"])
def test_the_palette_finds_a_partner_nobody_and_nothing(site: Site, typed: str) -> None:
    page = site.browser.page(f"/palette?q={typed}")
    links = [link["href"] for link in page.all("a") if link.is_within(page.by_id("palette-results"))]
    assert [href for href in links if not href.startswith(("/earnings", "/account"))] == []


def test_the_navigation_is_a_partner_s_own(site: Site) -> None:
    page = site.browser.page("/earnings")
    links = [link for link in page.all("a") if link.is_within(page.by_id("navigation"))]
    assert [(link.text, link["href"]) for link in links[1:]] == [
        ("Overview", "/earnings"),
        ("Earnings", "/earnings/rounds"),
        ("Statements", "/earnings/statements"),
        ("Payouts", "/earnings/payouts"),
        ("Profile", "/earnings/profile"),
    ]
    assert page.all("div", id="stream") == []
