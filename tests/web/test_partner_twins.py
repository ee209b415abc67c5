"""Two houses that differ in their real figures and in the share alone: a partner is told the same.

Every route that a partner may open is asked in both, and every other one too: whatever comes back is the
same to the byte, but for what is random by its nature and named in NAMED.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from dashboard import clock, db
from dashboard.models import PartnerShownEarning
from dashboard.models.login import Role
from tests import builders
from tests.conftest import application, clone, drop_database
from tests.web import partner_site
from tests.web.desk import Browser
from tests.web.partner_site import TODAY, History
from tests.web.test_access import ROUTES, STRANGERS, requests_of

NAMED = {
    "CSRF token": rb'(?:name="csrf_token"[^>]*? value="|"X-CSRFToken": "|csrf_token": ")([^"]+)',
    "nonce": rb"'nonce-([^']+)'",
    "key of a form": rb'name="idempotency_key"[^>]*? value="([^"]+)',
    "session": rb'name="session_key" value="([^"]+)',
    "cookie": rb"Set-Cookie: ([^;\n]+)",
    "request id": rb"X-Request-Id: (\w+)",
}
"""What is drawn by lot for every answer. The time stands still."""


@dataclass(frozen=True)
class Ask:
    """Something that a partner's browser sends."""

    path: str
    data: dict[str, str] | None = None
    htmx: bool = False
    method: str = ""
    """GET, or POST with data, unless it says otherwise."""


@dataclass
class House:
    """One of the two, with the partner's browser."""

    app: Flask
    history: History
    browser: Browser

    def ask(self, wanted: Ask) -> TestResponse:
        """What it answers."""
        headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/earnings"} if wanted.htmx else {}
        method = wanted.method or ("GET" if wanted.data is None else "POST")
        data = None if wanted.data is None else {"csrf_token": self.browser.token, **wanted.data}
        # Buffered: a file that is not read to its end is closed all the same.
        return self.browser.client.open(wanted.path, method=method, data=data, headers=headers, buffered=True)


@pytest.fixture
def houses(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[House, House]]:
    """One shows half of what is played there; in the other twice as much is played and a quarter shown."""
    databases = [clone(), clone()]
    with (
        clock.frozen(TODAY),
        application(databases[0]) as one,
        application(databases[1]) as two,
    ):
        made = []
        for app, share_bp, factor in ((one, 5_000, 1), (two, 2_500, 2)):
            monkeypatch.setattr(builders, "_numbers", count(1))
            with app.app_context(), db.writing() as session:
                history = partner_site.fill(session, share_bp=share_bp, factor=factor)
            email = history.emails[history.partner_id]
            made.append(House(app, history, partner_site.enter(app, email)))
        yield made[0], made[1]
    for name in databases:
        drop_database(name)


_REAL = text("SELECT sum(real_bets), sum(real_payouts), min(share_bp) FROM partner_game_earnings")


def test_what_a_partner_is_told_says_nothing_of_what_was_really_played(houses: tuple[House, House]) -> None:
    one, two = houses
    (bets, payouts, share), (other_bets, other_payouts, other_share) = (
        _ask_sql(each, _REAL) for each in houses
    )
    assert (other_bets, other_payouts, other_share * 2) == (2 * bets, 2 * payouts, share)
    shown = select(PartnerShownEarning.bets, PartnerShownEarning.earned).order_by(PartnerShownEarning.id)
    assert _ask_sql(one, shown, every=True) == _ask_sql(two, shown, every=True)
    assert one.history == two.history

    # The figures are among it: without them everything is the same.
    assert b"125.00" in one.ask(Ask("/earnings/rounds.csv")).data
    wanted = [*_asks(one.history), *_of_others(one), Ask("/sign-out", {}), Ask("/earnings")]
    missing = set(_open_to_partners()) - {_endpoint(one.app, each) for each in wanted}
    assert missing == set(), "ask for the new route in _asks"
    different, told = [], 0
    for each in wanted:
        answers = [_plain(house.ask(each)) for house in houses]
        told += len(answers[0])
        if answers[0] != answers[1]:
            different.append(each)
    assert different == []
    assert told > 500_000


def _open_to_partners() -> list[str]:
    return [name for name, roles in ROUTES.items() if roles is STRANGERS or Role.PARTNER in roles]


def _endpoint(app: Flask, wanted: Ask) -> str:
    method = wanted.method or ("GET" if wanted.data is None else "POST")
    try:
        endpoint, _values = app.url_map.bind("localhost").match(wanted.path.partition("?")[0], method=method)
    except HTTPException:
        return "nothing"
    return str(endpoint)


def _of_others(house: House) -> list[Ask]:
    """Every route and method once more, with ids of nothing: what is refused, and how."""
    return [
        Ask(path, method=method)
        for endpoint, method, path in requests_of(house.app)
        # A stranger's page would end the session; the others are asked already.
        if ROUTES[endpoint] is not STRANGERS and endpoint != "auth.delete"
    ]


def _asks(history: History) -> list[Ask]:
    """All that a partner's pages lead to: as pages and as parts, with filters, with mistakes."""
    statement = f"/earnings/statements/{history.statement_id}"
    game = history.game_ids[0]
    lists = [
        *("/earnings", "/earnings?by=month", "/earnings?currency=JPY&by=month", "/earnings?currency=XXX"),
        *("/earnings/rounds", f"/earnings/rounds?game={game}", "/earnings/rounds?state=rejected"),
        *(
            "/earnings/rounds?after=739720.40",
            "/earnings/rounds?since=2026-05-01&until=2026-05-31&currency=USD",
        ),
        *("/earnings/rounds?since=tomorrow", "/earnings/rounds?after=nonsense"),
        *("/earnings/days", "/earnings/days?after=739700.USD", "/earnings/days?currency=JPY"),
        *("/earnings/months", f"/earnings/months?game={game}", "/earnings/months?since=2026-04-15"),
        *("/earnings/games", "/earnings/games?currency=USD&since=2026-04-15"),
        *("/earnings/statements", statement, f"{statement}?after=739710.20"),
        f"/earnings/statements/{history.other_statement_id}",
        *("/earnings/payouts", "/earnings/payouts?after=99", "/earnings/profile"),
        *("/account", "/account/second-factor", "/account/second-factor/removal"),
        *("/account/recovery-codes/renewal", "/account/session", "/palette", "/palette?q=ea"),
        *("/palette?q=freeze+mira", "/palette?q=Harbour+table", "/sign-in", "/sign-in/code"),
        *("/one-time-link?token=nothing", "/one-time-link", "/nothing/at/all"),
        *("/healthz", "/readyz"),
    ]
    files = [
        f"/earnings/{noun}.{ending}{query}"
        for noun in ("rounds", "days", "months", "games", "statements")
        for ending in ("csv", "xlsx")
        for query in ("", "?since=2026-04-15&currency=USD")
    ]
    files += [f"{statement}.{ending}" for ending in ("csv", "xlsx", "pdf")]
    files += [f"/earnings/statements/{history.other_statement_id}.{ending}" for ending in ("csv", "pdf")]
    sent: list[tuple[str, dict[str, str]]] = [
        ("/earnings/payouts", {"currency": "USD", "amount": ""}),
        ("/earnings/payouts", {"currency": "USD", "amount": "9,999,999.00", "idempotency_key": _KEY}),
        ("/earnings/payouts", {"currency": "USD", "amount": "0.01", "idempotency_key": _KEY}),
        ("/earnings/payouts", {"currency": "EUR", "amount": "60.00", "idempotency_key": _KEY}),
        ("/earnings/payouts", {"currency": "USD", "amount": "60.00", "idempotency_key": _KEY}),
        ("/earnings/payouts", {"currency": "USD", "amount": "61.00", "idempotency_key": _KEY}),
        ("/earnings/profile", {"payout_details": "x" * 2_000}),
        ("/earnings/profile", {"payout_details": "MT31 MALT 0111"}),
        ("/earnings/terms/2/acceptance", {}),
        ("/earnings/terms/2/acceptance", {}),
        ("/account/ended-sessions", {"session_key": "00"}),
        ("/account/ended-sessions/others", {}),
        ("/account/second-factor/confirmation", {"code": "000000"}),
        ("/account/second-factor/removal", {"password": "wrong"}),
        ("/account/recovery-codes/renewal", {"password": "wrong"}),
        ("/sign-in/code", {"code": "000000"}),
        ("/one-time-link", {"token": "nothing", "password": "wrong"}),
        ("/sign-in", {"email": "", "password": ""}),
    ]
    return [
        *(Ask(path, htmx=htmx) for path in lists for htmx in (False, True)),
        *(Ask(path) for path in files),
        *(Ask(path, data) for path, data in sent),
        *(Ask(path) for path in lists),
        Ask("/events?topics=alerts&topics=operator&topics=game:1", method="HEAD"),
    ]


_KEY = "7b0c1f4e-33a8-4c56-8a5e-3f4d5b0d2a11"


def _plain(answer: TestResponse) -> bytes:
    """Status, headers in their order, and body, with what is drawn by lot taken out."""
    head = "".join(f"{name}: {value}\n" for name, value in answer.headers)
    whole = f"{answer.status}\n{head}\n".encode() + answer.data
    for name, pattern in NAMED.items():
        for drawn in set(re.findall(pattern, whole)):
            whole = whole.replace(drawn, f"[{name}]".encode())
    return whole


def _ask_sql(house: House, statement: Any, *, every: bool = False) -> Any:
    with house.app.app_context(), db.reading() as session:
        rows = session.execute(statement).all()
    return rows if every else rows[0]
