"""A desk to work at in tests: an operator, whoever signs in there, and what the database then holds."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from dashboard import db
from dashboard.db import alchemy
from dashboard.models import Alert, Balance, Refusal, WalletEntry
from dashboard.models.login import Role
from tests import builders
from tests.builders import PASSWORD, make_login
from tests.pages import Page, PageClient

AT = builders.NOW + dt.timedelta(hours=1)
"""When these tests happen: a Monday, 14:00 in Malta."""

T = TypeVar("T")


@dataclass
class Browser:
    """Somebody's browser, signed in. `htmx=True` asks as htmx does, otherwise as a plain form."""

    client: PageClient
    token: str
    name: str

    def page(self, path: str, *, status: int = 200) -> Page:
        """A whole page, with all that every page owes."""
        return self.client.page(path, status=status)

    def get(self, path: str, *, htmx: bool = False) -> TestResponse:
        """GET without following redirects."""
        return self.client.get(path, headers=_headers(htmx))

    def post(self, path: str, data: Mapping[str, Any], *, htmx: bool = False) -> TestResponse:
        """POST with the CSRF token."""
        return self.client.post(path, data={"csrf_token": self.token, **data}, headers=_headers(htmx))


@dataclass
class Desk:
    """One operator with its people and players."""

    app: Flask
    operator_id: int
    queries: list[str] = field(default_factory=list)

    def sign_in(
        self, role: Role = Role.AGENT, *, name: str = "Ana Reyes", partner_id: int | None = None
    ) -> Browser:
        """A browser of somebody new with that role."""
        operator_id = self.operator_id
        email = self.write(
            lambda session: (
                make_login(
                    session, operator_id=operator_id, role=role, name=name, partner_id=partner_id
                ).email
            )
        )
        client = self.app.test_client()
        assert isinstance(client, PageClient)
        token = client.page("/sign-in").token()
        answer = client.post("/sign-in", data={"csrf_token": token, "email": email, "password": PASSWORD})
        assert answer.status_code == 303
        return Browser(client, client.page("/account").token(), name)

    def player(self, balance_minor: int = 0, **given: Any) -> int:
        """A player with that real balance in USD."""
        return self.write(
            lambda session: builders.make_player(
                session, operator_id=self.operator_id, balance_minor=balance_minor, **given
            )
        )

    def write(self, work: Callable[[Session], T]) -> T:
        """Do something in a transaction that commits."""
        with self.app.app_context(), db.writing() as session:
            return work(session)

    def read(self, work: Callable[[Session], T]) -> T:
        """Ask something of the database."""
        with self.app.app_context(), db.reading() as session:
            return work(session)

    def real(self, player_id: int, currency: str = "USD") -> int:
        """The real balance."""
        wanted = select(Balance.real).filter_by(player_id=player_id, currency=currency)
        return self.read(lambda session: session.scalars(wanted).one())

    def version(self, player_id: int, currency: str = "USD") -> int:
        """How many entries the balance has."""
        wanted = select(Balance.version).filter_by(player_id=player_id, currency=currency)
        return self.read(lambda session: session.scalar(wanted)) or 0

    def last_entry(self, player_id: int) -> WalletEntry:
        """The player's latest entry in USD."""
        wanted = select(WalletEntry).filter_by(player_id=player_id, currency="USD")
        latest = wanted.order_by(WalletEntry.sequence.desc()).limit(1)
        return self.read(lambda session: session.scalars(latest).one())

    def count_refusals(self, player_id: int) -> int:
        """How many refused attempts are on record."""
        wanted = select(func.count()).select_from(Refusal).filter_by(player_id=player_id)
        return self.read(lambda session: session.scalar(wanted)) or 0

    def open_alerts(self, player_id: int) -> list[str]:
        """Types of the alerts that are not resolved, in alphabetical order."""
        wanted = select(Alert.type).where(Alert.player_id == player_id, Alert.state != "resolved")
        return self.read(lambda session: list(session.scalars(wanted.order_by(Alert.type))))

    def facts(self, player_id: int) -> tuple[object, ...]:
        """All that a refused or rehearsed change must leave as it was."""
        return (
            self.real(player_id),
            self.version(player_id),
            self.count_refusals(player_id),
            self.open_alerts(player_id),
        )

    def count_queries(self, work: Callable[[], object]) -> int:
        """How many statements the application sends while it does that, whichever its connection."""
        sent: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            sent.append(statement)

        with self.app.app_context():
            engines = list(alchemy.engines.values())
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        try:
            work()
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", note)
        self.queries = sent
        return len(sent)


def fields(page: Page, form_id: str) -> dict[str, str]:
    """What a form would send as it stands: hidden fields, texts and the radio that is on."""
    form = page.by_id(form_id)
    sent = {}
    for element in page.all("input"):
        if not element.is_within(form) or element.get("name") is None:
            continue
        if element.get("type") == "radio" and element.get("checked") is None:
            continue
        sent[element["name"]] = element.get("value") or ""
    return sent


def _headers(htmx: bool) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Current-URL": "http://localhost/players/1"} if htmx else {}
