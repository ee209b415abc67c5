"""The web application: wiring only. What a request meets on its way stands in `views/edge.py`."""

import re
from typing import Any

from flask import Flask
from jinja2 import StrictUndefined
from sqlalchemy import NullPool
from whitenoise import WhiteNoise

from dashboard import keys, roles
from dashboard import live as live_updates
from dashboard.config import ROOT, settings
from dashboard.db import EXPORTS, PARTNER_EXPORTS, PARTNERS, alchemy
from dashboard.views import (
    access,
    alert_acts,
    alerts,
    analytics,
    analytics_agents,
    analytics_games,
    analytics_liability,
    analytics_pages,
    analytics_player,
    anomalies,
    approvals,
    audit,
    auth,
    bonus_offers,
    bonuses,
    bulk,
    cards,
    compression,
    converters,
    desk,
    earnings,
    earnings_files,
    earnings_lists,
    earnings_payouts,
    earnings_profile,
    earnings_statements,
    edge,
    errors,
    explain,
    exports,
    games,
    headers,
    health,
    held,
    links,
    lists,
    live,
    live_round,
    loyalty,
    loyalty_files,
    loyalty_imports,
    loyalty_lists,
    loyalty_pages,
    loyalty_tiers,
    member_acts,
    member_entry_acts,
    member_status,
    members,
    metrics,
    movements,
    palette,
    partner_contracts,
    partner_earnings,
    partner_files,
    partner_pages,
    partner_payouts,
    partner_statements,
    partner_users,
    partner_what_if,
    partners,
    player_list,
    player_reports,
    players,
    points_requests,
    presenting,
    referrals,
    report_files,
    report_runs,
    report_schedules,
    reports,
    reversals,
    round_acts,
    round_requests,
    rounds,
    rule_sets,
    saved_views,
    second_factor,
    staff,
    vip_rules,
    wallets,
)
from dashboard.views import settings as settings_pages

BLUEPRINTS = (
    auth.bp,
    second_factor.bp,
    links.bp,
    desk.bp,
    analytics.bp,
    reports.bp,
    report_files.bp,
    report_runs.bp,
    report_schedules.bp,
    player_reports.bp,
    analytics_agents.bp,
    analytics_games.bp,
    analytics_liability.bp,
    analytics_player.bp,
    anomalies.bp,
    player_list.bp,
    players.bp,
    wallets.bp,
    held.bp,
    movements.bp,
    explain.bp,
    reversals.bp,
    exports.bp,
    bulk.bp,
    saved_views.bp,
    games.bp,
    live_round.bp,
    rounds.bp,
    rule_sets.bp,
    round_acts.bp,
    round_requests.bp,
    bonus_offers.bp,
    bonuses.bp,
    loyalty.bp,
    loyalty_files.bp,
    loyalty_imports.bp,
    members.bp,
    member_acts.bp,
    member_entry_acts.bp,
    member_status.bp,
    points_requests.bp,
    loyalty_lists.bp,
    loyalty_tiers.bp,
    partners.bp,
    partner_contracts.bp,
    partner_users.bp,
    partner_earnings.bp,
    partner_files.bp,
    partner_statements.bp,
    partner_payouts.bp,
    partner_what_if.bp,
    referrals.bp,
    alerts.bp,
    alert_acts.bp,
    approvals.bp,
    vip_rules.bp,
    audit.bp,
    settings_pages.bp,
    staff.bp,
    earnings.bp,
    earnings_files.bp,
    earnings_lists.bp,
    earnings_statements.bp,
    earnings_payouts.bp,
    earnings_profile.bp,
    health.bp,
    live.bp,
    palette.bp,
)
REQUEST_THREADS = 20
CONNECTIONS = REQUEST_THREADS + 5
"""To the database, of one process. The five are for open pages, which ask now and then whether their
session still stands."""
TEMPLATES_MOST = 1_000
"""Compiled ones that are kept: more than there are, so that none is compiled twice."""
PARTNER_CONNECTIONS = 10
"""As the partners' database role, of one process."""


def create_app(**overrides: Any) -> Flask:
    """The web application; `overrides` replace entries of its configuration.

    Raises RuntimeError when a route names no permission.
    """
    app = Flask("dashboard", root_path=str(ROOT), template_folder="templates", static_folder=None)
    app.jinja_options = {
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "cache_size": TEMPLATES_MOST,
    }
    app.config.update(_configuration(overrides), **overrides)
    alchemy.init_app(app)
    access.init_app(app)
    edge.init_app(app)
    compression.init_app(app)
    headers.init_app(app)
    errors.init_app(app)
    presenting.init_app(app)
    lists.init_app(app)
    analytics_pages.init_app(app)
    cards.init_app(app)
    partner_pages.init_app(app)
    loyalty_pages.init_app(app)
    converters.init_app(app)
    live_updates.init_app(app)
    exports.init_app(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    metrics.init_app(app)
    access.check_routes(app)
    _serve_files(app)
    return app


def _configuration(overrides: dict[str, Any]) -> dict[str, Any]:
    at = settings()
    url = overrides.get("SQLALCHEMY_DATABASE_URI") or roles.url_for("app")
    partner_url = overrides.get("PARTNER_DATABASE_URI") or roles.url_for("partner")
    return {
        "SECRET_KEY": overrides.get("SECRET_KEY") or keys.session_key(),
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_BINDS": {
            EXPORTS: {
                "url": url,
                "poolclass": NullPool,
                "hide_parameters": True,
                "connect_args": {"connect_timeout": 3, "application_name": "purser-export"},
            },
            PARTNERS: {
                "url": partner_url,
                "pool_size": PARTNER_CONNECTIONS,
                "max_overflow": 0,
                "pool_timeout": 3,
                "pool_use_lifo": True,
                "hide_parameters": True,
                "connect_args": {"connect_timeout": 3, "application_name": "purser-partner"},
            },
            PARTNER_EXPORTS: {
                "url": partner_url,
                "poolclass": NullPool,
                "hide_parameters": True,
                "connect_args": {"connect_timeout": 3, "application_name": "purser-partner-export"},
            },
        },
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_size": CONNECTIONS,
            "max_overflow": 0,
            "pool_timeout": 3,
            "pool_use_lifo": True,
            # When the database restarts, the first lost connection empties the pool: no need for pings.
            "pool_pre_ping": False,
            "hide_parameters": True,  # an error never quotes what was typed
            "connect_args": {"connect_timeout": 3, "application_name": "purser-web"},
        },
        "SESSION_COOKIE_NAME": "__Host-purser" if at.secure_cookies else "purser",
        "SESSION_COOKIE_SECURE": at.secure_cookies,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "WTF_CSRF_TIME_LIMIT": None,  # the token dies with the session; an hour would break a page left open
        "MAX_CONTENT_LENGTH": 256 * 1024,
        "TRUSTED_HOSTS": list(at.trusted_hosts),
    }


def _serve_files(app: Flask) -> None:
    """Fingerprinted files may be kept for ever; before the asset build there is nothing to serve."""
    if presenting.DIST.is_dir():
        app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
            app.wsgi_app,
            root=str(presenting.DIST),
            prefix="static/dist/",
            max_age=60,
            immutable_file_test=lambda _path, url: re.search(r"\.[0-9a-f]{12}\.\w+$", url) is not None,
            add_headers_function=_protect_file,
        )


def _protect_file(served: Any, _path: str, _url: str) -> None:
    served["X-Content-Type-Options"] = "nosniff"
    served["Cross-Origin-Resource-Policy"] = "same-origin"
