"""Every page that can be opened stands in the table of screens, and so in pictures and browser tests."""

import re

from flask import Flask
from werkzeug.routing import RequestRedirect

from dashboard import screens

EXCEPTIONS = {
    "health.live": "for machines",
    "health.ready": "for machines",
    "live.stream": "events, not a page",
    "auth.show_session": "says yes or no to the browser, never a page",
    "alerts.show_count": "a part; as a page it leads to alerts",
    "analytics.show_csv": "a file",
    "analytics.show_more_csv": "a file",
    "analytics_agents.show_csv": "a file",
    "analytics_games.show_csv": "a file",
    "analytics_liability.show_csv": "a file",
    "analytics_player.show_csv": "a file",
    "anomalies.new_mark": "what is odd is the model's to say: see tests/web/test_anomalies.py",
    "anomalies.new_note": "the demo is too young for odd hours: see tests/web/test_anomalies.py",
    "approvals.show_count": "a part; as a page it leads to approvals",
    "approvals.show_rounds": "a part; as a page it leads to approvals",
    "approvals.show_points": "a part; as a page it leads to approvals",
    "approvals.show_prospect": "a part; as a page it leads to the request",
    "loyalty_imports.show": "the demo moved nothing in: see tests/web/test_loyalty_imports.py",
    "held.index": "a part; as a page it leads to the player",
    "auth.show_code": "open only while a sign-in waits: see tests/browser/test_second_factor.py",
    "audit.show_log": "a part; as a page it leads to the audit",
    "audit.show_verification": "a part; as a page it leads to the audit",
    "bulk.show_progress": "a part; as a page it leads to the list",
    "report_runs.show": "the demo has made no file: see tests/web/test_report_runs.py",
    "report_runs.show_progress": "a part; as a page it leads to the file",
    "report_schedules.edit": "the demo has no schedule: see tests/web/test_report_schedules.py",
    "saved_views.edit": "like save-view; the demo has no view to change",
    "desk.show_figures": "a part; as a page it leads to the desk",
    "desk.show_recent": "a part; as a page it leads to the desk",
    "members.show_card": "a part; as a page it leads to the member",
    "movements.list_of_player": "a part; as a page it leads to the player",
    "settings.show_request": "the demo has no such request: see tests/web/test_settings.py",
    "partners.show_count": "a part; as a page it leads to partners",
    "bonuses.index": "a part; as a page it leads to the player",
    "points_requests.show": "the demo has no such request: see tests/web/test_points_requests.py",
    "points_requests.show_prospect": "a part; as a page it leads to the request",
    "players.show_header": "a part; as a page it leads to the player",
    "players.show_balance": "a part; as a page it leads to the player",
    "players.show_alerts": "a part; as a page it leads to the player",
    "players.show_journal": "a part; as a page it leads to the player",
    "players.show_bets": "a part; as a page it leads to the player",
    "round_requests.show_waiting": "a part; as a page it leads to the round",
    "rounds.show_proof": "a file",
    "rounds.show_script": "a file",
    "players.show_notes": "a part; as a page it leads to the player",
    "earnings_files.show_days": "a file",
    "earnings_files.show_document": "a file",
    "earnings_files.show_games": "a file",
    "earnings_files.show_months": "a file",
    "earnings_files.show_rounds": "a file",
    "earnings_files.show_statement": "a file",
    "earnings_files.show_statements": "a file",
    "partner_files.show_script": "a file",
    "player_reports.show_document": "a file",
    "reports.edit_saved": "like report-save; the demo has no report to change",
    "reports.show_saved": "the demo keeps no report: see tests/web/test_reports.py",
    "partner_files.show_statement": "a file",
}
SUBJECTS = {
    "list": "1",
    "player": "1",
    "loyal": "1",
    "loaded": "1",
    "redeemed": "2",
    "tier": "1",
    "frozen": "2",
    "closed": "3",
    "bonused": "4",
    "bonus": "/players/4/bonuses/1",
    "offer": "/bonus-offers/1",
    "alert": "/players/1/alerts/1",
    "snoozed": "/players/1/alerts/2",
    "resolved": "/players/1/alerts/3",
    "selection": "alert=1-1",
    "currency": "USD",
    "entry": "1",
    "member": "1",
    "request": "/approvals/1/1",
    "decided": "/approvals/1/2",
    "game": "1",
    "rules": "1",
    "losing": "2",
    "table": "2",
    "round": "1",
    "dealt": "2",
    "bettor": "1",
    "asked": "/rounds/2/requests/1",
    "waiting": "2",
    "withdrawal": "/players/1/withdrawals/1",
    "partner": "1",
    "user": "/partners/1/users/1/deactivation",
    "statement": "/partners/statements/1",
    "stated": "1",
    "payout": "/partners/payouts/1",
}


def endpoint_of(app: Flask, path: str) -> str | None:
    """Which view answers that address; None where there is none."""
    try:
        endpoint, _values = app.url_map.bind("localhost").match(path.partition("?")[0])
    except (LookupError, RequestRedirect):
        return None
    return str(endpoint)


def test_every_page_is_in_the_table_or_excepted_for_a_reason(app: Flask) -> None:
    pages = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    shown = {endpoint_of(app, screen.path.format(**SUBJECTS)) for screen in screens.SCREENS}
    assert pages - shown - set(EXCEPTIONS) == set(), "add a line to SCREENS in dashboard/screens.py"
    assert set(EXCEPTIONS) & shown == set()
    assert set(EXCEPTIONS) <= pages


def test_names_of_screens_are_those_of_files_and_stand_once() -> None:
    names = [screen.name for screen in screens.SCREENS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []
