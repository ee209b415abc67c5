"""Who may open what: every route by every role. A new route needs a row in ROUTES."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import db
from dashboard.models.login import Role
from dashboard.views import access
from tests.builders import PASSWORD, make_login
from tests.pages import PageClient

DESK = {Role.AGENT, Role.MANAGER, Role.ADMIN, Role.AUDITOR}
WRITERS = {Role.AGENT, Role.MANAGER, Role.ADMIN}
SUPERVISORS = {Role.MANAGER, Role.ADMIN}
READERS_OF_RULES = {Role.MANAGER, Role.ADMIN, Role.AUDITOR}
VERIFIERS = {Role.ADMIN, Role.AUDITOR}
EVERYBODY = set(Role)
STRANGERS: set[Role] = set()  # public: whoever asks

# Endpoint: the roles that may. The unknown ids in the paths are 404 to those, and 403 to all others.
ROUTES: dict[str, set[Role]] = {
    "alert_acts.create_acknowledgement": WRITERS,
    "alert_acts.create_assignment": WRITERS,
    "alert_acts.create_next": WRITERS,
    "alert_acts.create_release": WRITERS,
    "alert_acts.create_resolution": WRITERS,
    "alert_acts.create_selection": WRITERS,
    "alert_acts.create_snooze": WRITERS,
    "alert_acts.create_taking": WRITERS,
    "alert_acts.create_waking": WRITERS,
    "alert_acts.new_acknowledgement": WRITERS,
    "alert_acts.new_assignment": WRITERS,
    "alert_acts.new_resolution": WRITERS,
    "alert_acts.new_selection": WRITERS,
    "alert_acts.new_snooze": WRITERS,
    "alerts.index": DESK,
    "alerts.show": DESK,
    "alerts.show_count": DESK,
    "alerts.show_figures": DESK,
    "analytics.index": READERS_OF_RULES,
    "analytics.show_csv": READERS_OF_RULES,
    "analytics.show_more": READERS_OF_RULES,
    "analytics.show_more_csv": READERS_OF_RULES,
    "analytics_agents.index": READERS_OF_RULES,
    "analytics_agents.show_csv": READERS_OF_RULES,
    "analytics_games.index": READERS_OF_RULES,
    "analytics_games.show_csv": READERS_OF_RULES,
    "analytics_liability.index": READERS_OF_RULES,
    "analytics_liability.show_csv": READERS_OF_RULES,
    "analytics_player.show": DESK,
    "analytics_player.show_csv": DESK,
    "anomalies.create_mark": WRITERS,
    "anomalies.create_note": WRITERS,
    "anomalies.index": DESK,
    "anomalies.list_hours": DESK,
    "anomalies.new_mark": WRITERS,
    "anomalies.new_note": WRITERS,
    "approvals.create_decision": SUPERVISORS,
    "approvals.index": DESK,
    "approvals.show": DESK,
    "approvals.show_count": DESK,
    "approvals.show_points": DESK,
    "approvals.show_prospect": DESK,
    "approvals.show_rounds": DESK,
    "audit.create_verification": VERIFIERS,
    "audit.index": READERS_OF_RULES,
    "audit.show_log": READERS_OF_RULES,
    "audit.show_trial_balance": READERS_OF_RULES,
    "audit.show_verification": READERS_OF_RULES,
    "auth.show": STRANGERS,
    "auth.create": STRANGERS,
    "auth.delete": EVERYBODY,
    "auth.index": EVERYBODY,
    "auth.show_session": EVERYBODY,
    "auth.create_code": EVERYBODY,
    "auth.create_ended_others": EVERYBODY,
    "auth.create_ended_session": EVERYBODY,
    "auth.show_code": EVERYBODY,
    "bonus_offers.create": SUPERVISORS,
    "bonus_offers.create_retirement": SUPERVISORS,
    "bonus_offers.edit": SUPERVISORS,
    "bonus_offers.index": DESK,
    "bonus_offers.new": SUPERVISORS,
    "bonus_offers.show": DESK,
    "bonus_offers.update": SUPERVISORS,
    "bonuses.create": WRITERS,
    "bonuses.create_cancellation": WRITERS,
    "bonuses.create_surrender": WRITERS,
    "bonuses.index": DESK,
    "bonuses.new": WRITERS,
    "bonuses.new_cancellation": WRITERS,
    "bonuses.new_surrender": WRITERS,
    "bonuses.show": DESK,
    "bulk.create": SUPERVISORS,
    "bulk.create_cancellation": SUPERVISORS,
    "bulk.create_check": SUPERVISORS,
    "bulk.create_posting": SUPERVISORS,
    "bulk.create_refused_rows": SUPERVISORS,
    "bulk.index": READERS_OF_RULES,
    "bulk.show": READERS_OF_RULES,
    "bulk.show_progress": READERS_OF_RULES,
    "desk.index": DESK,
    "desk.show_cash_flow": DESK,
    "desk.show_figures": DESK,
    "desk.show_recent": DESK,
    "earnings.index": {Role.PARTNER},
    "earnings_files.show_days": {Role.PARTNER},
    "earnings_files.show_document": {Role.PARTNER},
    "earnings_files.show_games": {Role.PARTNER},
    "earnings_files.show_months": {Role.PARTNER},
    "earnings_files.show_rounds": {Role.PARTNER},
    "earnings_files.show_statement": {Role.PARTNER},
    "earnings_files.show_statements": {Role.PARTNER},
    "earnings_lists.list_days": {Role.PARTNER},
    "earnings_lists.list_games": {Role.PARTNER},
    "earnings_lists.list_months": {Role.PARTNER},
    "earnings_lists.list_rounds": {Role.PARTNER},
    "earnings_payouts.create": {Role.PARTNER},
    "earnings_payouts.index": {Role.PARTNER},
    "earnings_profile.create_acceptance": {Role.PARTNER},
    "earnings_profile.show": {Role.PARTNER},
    "earnings_profile.update": {Role.PARTNER},
    "earnings_statements.index": {Role.PARTNER},
    "earnings_statements.show": {Role.PARTNER},
    "explain.show": DESK,
    "exports.create_alerts": READERS_OF_RULES,
    "exports.create_journal": READERS_OF_RULES,
    "exports.create_players": READERS_OF_RULES,
    "exports.create_rounds": READERS_OF_RULES,
    "exports.create_recent_changes": READERS_OF_RULES,
    "exports.create_staff_log": READERS_OF_RULES,
    "held.create_entry": WRITERS,
    "held.create_taking_back": WRITERS,
    "held.index": DESK,
    "games.create": SUPERVISORS,
    "games.create_retirement": SUPERVISORS,
    "games.create_running": SUPERVISORS,
    "games.edit": SUPERVISORS,
    "games.index": DESK,
    "games.new": SUPERVISORS,
    "games.new_retirement": SUPERVISORS,
    "games.show": DESK,
    "games.show_fairness": DESK,
    "games.update": SUPERVISORS,
    "health.live": STRANGERS,
    "health.ready": STRANGERS,
    "links.create": STRANGERS,
    "links.show": STRANGERS,
    "live.stream": EVERYBODY,
    "live_round.create_bet": SUPERVISORS,
    "live_round.create_round": SUPERVISORS,
    "live_round.show": DESK,
    "loyalty.index": DESK,
    "loyalty.show_settings": DESK,
    "loyalty.update_settings": SUPERVISORS,
    "loyalty_files.create_expiries": READERS_OF_RULES,
    "loyalty_files.create_members": READERS_OF_RULES,
    "loyalty_files.create_tiers": READERS_OF_RULES,
    "loyalty_imports.index": DESK,
    "loyalty_imports.show": DESK,
    "loyalty_lists.list_expiries": DESK,
    "loyalty_lists.list_members": DESK,
    "loyalty_tiers.create": SUPERVISORS,
    "loyalty_tiers.create_retirement": SUPERVISORS,
    "loyalty_tiers.edit": SUPERVISORS,
    "loyalty_tiers.index": DESK,
    "loyalty_tiers.new": SUPERVISORS,
    "loyalty_tiers.show_prospect": SUPERVISORS,
    "loyalty_tiers.show_prospect_of_new": SUPERVISORS,
    "loyalty_tiers.update": SUPERVISORS,
    "member_acts.create_adjust": WRITERS,
    "member_acts.create_convert": WRITERS,
    "member_acts.create_load": WRITERS,
    "member_acts.create_redeem": WRITERS,
    "member_acts.new_adjust": WRITERS,
    "member_acts.new_convert": WRITERS,
    "member_acts.new_load": WRITERS,
    "member_acts.new_redeem": WRITERS,
    "member_acts.preview_adjust": WRITERS,
    "member_acts.preview_convert": WRITERS,
    "member_acts.preview_load": WRITERS,
    "member_acts.preview_redeem": WRITERS,
    "member_entry_acts.create_refund": WRITERS,
    "member_entry_acts.create_reversal": WRITERS,
    "member_entry_acts.create_undoing": WRITERS,
    "member_entry_acts.new_refund": WRITERS,
    "member_entry_acts.new_reversal": WRITERS,
    "member_entry_acts.new_undoing": WRITERS,
    "member_entry_acts.preview_refund": WRITERS,
    "member_entry_acts.preview_reversal": WRITERS,
    "member_entry_acts.preview_undoing": WRITERS,
    "member_status.create_card": SUPERVISORS,
    "member_status.create_card_end": SUPERVISORS,
    "member_status.create_close": SUPERVISORS,
    "member_status.create_resume": WRITERS,
    "member_status.create_suspend": WRITERS,
    "member_status.create_tier": SUPERVISORS,
    "member_status.new_card": SUPERVISORS,
    "member_status.new_card_end": SUPERVISORS,
    "member_status.new_close": SUPERVISORS,
    "member_status.new_resume": WRITERS,
    "member_status.new_suspend": WRITERS,
    "member_status.new_tier": SUPERVISORS,
    "member_status.preview_close": SUPERVISORS,
    "member_status.preview_tier": SUPERVISORS,
    "members.show": DESK,
    "members.show_batches": DESK,
    "members.show_card": DESK,
    "members.show_entry": DESK,
    "points_requests.create_decision": SUPERVISORS,
    "points_requests.show": DESK,
    "points_requests.show_prospect": DESK,
    "palette.index": EVERYBODY,
    "partner_contracts.create": SUPERVISORS,
    "partner_contracts.new": SUPERVISORS,
    "partner_contracts.show_prospect": SUPERVISORS,
    "partner_earnings.create_approval": SUPERVISORS,
    "partner_earnings.create_rejection": SUPERVISORS,
    "partner_earnings.index": READERS_OF_RULES,
    "partner_files.create_earnings": READERS_OF_RULES,
    "partner_files.create_statements": READERS_OF_RULES,
    "partner_files.show_script": READERS_OF_RULES,
    "partner_files.show_statement": READERS_OF_RULES,
    "partner_earnings.new_rejection": SUPERVISORS,
    "partner_payouts.create_approval": SUPERVISORS,
    "partner_payouts.create_payment": SUPERVISORS,
    "partner_payouts.create_rejection": SUPERVISORS,
    "partner_payouts.index": READERS_OF_RULES,
    "partner_payouts.list_of_partner": READERS_OF_RULES,
    "partner_payouts.show": READERS_OF_RULES,
    "partner_statements.create": SUPERVISORS,
    "partner_statements.create_decision": SUPERVISORS,
    "partner_statements.index": READERS_OF_RULES,
    "partner_statements.list_of_partner": READERS_OF_RULES,
    "partner_statements.new": SUPERVISORS,
    "partner_statements.show": READERS_OF_RULES,
    "partner_users.create": SUPERVISORS,
    "partner_users.create_act": SUPERVISORS,
    "partner_users.new": SUPERVISORS,
    "partner_users.new_act": SUPERVISORS,
    "partner_what_if.show": READERS_OF_RULES,
    "partners.create": SUPERVISORS,
    "partners.create_status": SUPERVISORS,
    "partners.edit": SUPERVISORS,
    "partners.index": READERS_OF_RULES,
    "partners.new": SUPERVISORS,
    "partners.new_status": SUPERVISORS,
    "partners.show": READERS_OF_RULES,
    "partners.show_count": SUPERVISORS,
    "partners.show_players": READERS_OF_RULES,
    "partners.show_prospect": SUPERVISORS,
    "partners.update": SUPERVISORS,
    "player_list.index": DESK,
    "players.create_note": WRITERS,
    "players.show": DESK,
    "players.show_alerts": DESK,
    "players.show_balance": DESK,
    "players.show_bets": DESK,
    "players.show_header": DESK,
    "players.show_journal": DESK,
    "players.show_notes": DESK,
    "round_acts.create_betting": SUPERVISORS,
    "round_acts.create_card": SUPERVISORS,
    "round_acts.create_closing": SUPERVISORS,
    "round_acts.create_correction": SUPERVISORS,
    "round_acts.create_deal": SUPERVISORS,
    "round_acts.create_settlement": SUPERVISORS,
    "round_acts.create_undone_card": SUPERVISORS,
    "round_acts.create_void": SUPERVISORS,
    "round_acts.new_correction": SUPERVISORS,
    "round_acts.new_void": SUPERVISORS,
    "round_requests.create_decision": SUPERVISORS,
    "round_requests.show": DESK,
    "round_requests.show_waiting": DESK,
    "rounds.index": DESK,
    "rounds.show": DESK,
    "rounds.show_proof": DESK,
    "rounds.show_script": DESK,
    "rounds.show_verify": DESK,
    "second_factor.create": EVERYBODY,
    "second_factor.create_confirmation": EVERYBODY,
    "second_factor.create_recovery_codes": EVERYBODY,
    "second_factor.create_removal": EVERYBODY,
    "second_factor.new_recovery_codes": EVERYBODY,
    "second_factor.new_removal": EVERYBODY,
    "second_factor.show": EVERYBODY,
    "staff.create": {Role.ADMIN},
    "staff.create_act": {Role.ADMIN},
    "staff.create_role": {Role.ADMIN},
    "staff.index": VERIFIERS,
    "staff.new": {Role.ADMIN},
    "staff.new_act": {Role.ADMIN},
    "staff.show": VERIFIERS,
    "movements.cancel_withdrawal": WRITERS,
    "movements.create_transfer": WRITERS,
    "movements.create_withdrawal": WRITERS,
    "movements.index": DESK,
    "movements.list_of_player": DESK,
    "movements.new_transfer": WRITERS,
    "movements.new_withdrawal": WRITERS,
    "movements.pay_withdrawal": WRITERS,
    "movements.preview_transfer": WRITERS,
    "movements.preview_withdrawal": WRITERS,
    "movements.show_withdrawal": DESK,
    "referrals.create": SUPERVISORS,
    "referrals.new": SUPERVISORS,
    "player_reports.show": READERS_OF_RULES,
    "player_reports.show_document": READERS_OF_RULES,
    "report_files.create_document": READERS_OF_RULES,
    "report_files.create_export": READERS_OF_RULES,
    "reports.create_removal": SUPERVISORS,
    "reports.create_saved": SUPERVISORS,
    "reports.edit_saved": SUPERVISORS,
    "reports.index": READERS_OF_RULES,
    "reports.new_saved": SUPERVISORS,
    "reports.show": READERS_OF_RULES,
    "reports.show_saved": READERS_OF_RULES,
    "reports.update_saved": SUPERVISORS,
    "report_runs.create": READERS_OF_RULES,
    "report_runs.create_cancellation": READERS_OF_RULES,
    "report_runs.create_download": READERS_OF_RULES,
    "report_runs.index": READERS_OF_RULES,
    "report_runs.show": READERS_OF_RULES,
    "report_runs.show_progress": READERS_OF_RULES,
    "report_schedules.create": SUPERVISORS,
    "report_schedules.create_stop": SUPERVISORS,
    "report_schedules.edit": SUPERVISORS,
    "report_schedules.index": READERS_OF_RULES,
    "report_schedules.new": SUPERVISORS,
    "report_schedules.update": SUPERVISORS,
    "reversals.create": WRITERS,
    "reversals.new": WRITERS,
    "settings.create": {Role.ADMIN},
    "settings.create_allowance": {Role.ADMIN},
    "settings.create_decision": {Role.ADMIN},
    "settings.edit_allowance": {Role.ADMIN},
    "settings.index": {Role.ADMIN, Role.AUDITOR},
    "settings.list_requests": {Role.ADMIN, Role.AUDITOR},
    "settings.show_request": {Role.ADMIN, Role.AUDITOR},
    "rule_sets.create": SUPERVISORS,
    "rule_sets.create_activation": SUPERVISORS,
    "rule_sets.create_retirement": SUPERVISORS,
    "rule_sets.create_version": SUPERVISORS,
    "rule_sets.edit": SUPERVISORS,
    "rule_sets.index": DESK,
    "rule_sets.new": SUPERVISORS,
    "rule_sets.show": DESK,
    "rule_sets.show_prospect": SUPERVISORS,
    "rule_sets.show_prospect_of_version": SUPERVISORS,
    "saved_views.create": DESK,
    "saved_views.create_removal": DESK,
    "saved_views.edit": DESK,
    "saved_views.new": DESK,
    "saved_views.update": DESK,
    "vip_rules.create_version": {Role.ADMIN},
    "vip_rules.edit": {Role.ADMIN},
    "vip_rules.index": READERS_OF_RULES,
    "vip_rules.show": READERS_OF_RULES,
    "wallets.create_adjustment": WRITERS,
    "wallets.create_closure": SUPERVISORS,
    "wallets.create_freeze": WRITERS,
    "wallets.create_unfreeze": WRITERS,
    "wallets.new_closure": SUPERVISORS,
    "wallets.new_freeze": WRITERS,
    "wallets.new_unfreeze": WRITERS,
    "wallets.preview_adjustment": WRITERS,
    "wallets.show_entry": DESK,
}


@pytest.fixture
def clients(app: Flask) -> dict[Role, FlaskClient]:
    """A browser per role, signed in at one operator."""
    signed_in: dict[Role, FlaskClient] = {}
    with app.app_context(), db.writing() as session:
        emails = {role: make_login(session, role=role).email for role in Role}
    for role, email in emails.items():
        client = app.test_client()
        assert isinstance(client, PageClient)
        token = client.page("/sign-in").token()
        data = {"csrf_token": token, "email": email, "password": PASSWORD}
        assert client.post("/sign-in", data=data).status_code == 303
        signed_in[role] = client
    return signed_in


def requests_of(app: Flask) -> list[tuple[str, str, str]]:
    """Endpoint, method and a path with ids of nothing, for every route and method.

    HEAD stands for GET: the view runs, and an event stream does not begin.
    """
    return [
        (rule.endpoint, method, re.sub(r"<(?:([^<>]+):)?\w+>", _of_nothing, rule.rule))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"GET", "OPTIONS"})
    ]


_OF_NOTHING = {
    "level": "gold",
    "staff_act": "deactivation",
    "partner_user_act": "deactivation",
    "report_subject": "balance-changes",
    "string(length=3)": "XXX",
    "any(csv, xlsx)": "csv",
    "currency": "XXX",
    None: "XXX",
}


def _of_nothing(variable: re.Match[str]) -> str:
    return _OF_NOTHING.get(variable[1], "987654321")


def test_every_route_has_a_row_here(app: Flask) -> None:
    assert set(app.view_functions) == set(ROUTES), "write down in ROUTES which roles may open it"


def test_every_role_may_exactly_what_stands_here(app: Flask, clients: dict[Role, FlaskClient]) -> None:
    wrong = []
    for endpoint, method, path in requests_of(app):
        if ROUTES[endpoint] is STRANGERS:
            continue
        for role, client in clients.items():
            # Without a token: where a role may, a post ends at 400 and changes nothing.
            answer = client.open(path, method=method)
            refused = answer.status_code == 403
            if answer.status_code == 401 or refused != (role not in ROUTES[endpoint]):
                wrong.append(f"{role} {method} {path}: {answer.status_code}")
    assert not wrong


def test_strangers_are_sent_to_sign_in(app: Flask) -> None:
    client = app.test_client()
    for endpoint, method, path in requests_of(app):
        answer = client.open(path, method=method)
        if ROUTES[endpoint] is STRANGERS:
            assert answer.status_code in {200, 400}, path
        elif method == "HEAD" and endpoint != "live.stream":
            assert answer.location.startswith("/sign-in?next="), path
        else:
            assert answer.status_code == 401, path


def test_every_post_needs_the_token(app: Flask, clients: dict[Role, FlaskClient]) -> None:
    for endpoint, method, path in requests_of(app):
        if method == "HEAD":
            continue
        for role in ROUTES[endpoint]:
            assert clients[role].open(path, method=method).status_code == 400, f"{method} {path}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "http://localhost.evil.test"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_post_must_come_from_our_own_pages(
    clients: dict[Role, FlaskClient], headers: dict[str, str], status: int
) -> None:
    client = clients[Role.AGENT]
    assert isinstance(client, PageClient)
    data = {"csrf_token": client.page("/account").token()}
    assert client.post("/sign-out", data=data, headers=headers).status_code == status


def test_a_part_asked_for_by_htmx_leaves_the_page_and_what_is_typed_there(app: Flask) -> None:
    headers = {
        "HX-Request": "true",
        "HX-Current-URL": "http://localhost/players/42?tab=notes",
        "Accept": "text/html, text/event-stream",
    }
    answer = app.test_client().get("/account", headers=headers)
    assert answer.status_code == 401
    assert "HX-Redirect" not in answer.headers
    assert 'id="sign-in-again"' in answer.text


def test_an_event_stream_is_refused_barely(app: Flask) -> None:
    answer = app.test_client().get("/events", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.data) == (401, b"")


@pytest.mark.parametrize(("mark", "complaint"), [(None, "names no permission"), ("desk:fly", "no role has")])
def test_a_route_without_a_known_permission_stops_the_start(
    app: Flask, mark: str | None, complaint: str
) -> None:
    def forgotten() -> str:
        return ""

    broken = Flask("broken", static_folder=None)
    broken.add_url_rule("/forgotten", view_func=access.requires(mark)(forgotten) if mark else forgotten)
    with pytest.raises(RuntimeError, match=f"forgotten.*{complaint}"):
        access.check_routes(broken)
