"""Fixtures of the tests that go through the web application."""

from collections.abc import Iterator

import pytest
from flask import Flask

from dashboard import clock, db
from tests.builders import make_operator
from tests.conftest import application, clone, drop_database
from tests.web import partner_site
from tests.web.desk import AT, Desk
from tests.web.partner_site import History, Site


@pytest.fixture
def desk(app: Flask) -> Iterator[Desk]:
    """An operator's desk, at an hour that stands still."""
    with clock.frozen(AT):
        with app.app_context(), db.writing() as session:
            operator_id = make_operator(session, currencies=["EUR", "JPY", "KWD"])
        yield Desk(app, operator_id)


@pytest.fixture(scope="session")
def partner_history() -> Iterator[tuple[str, History]]:
    """The name of a database in which two partners have a history; tests look at copies of it."""
    name = clone()
    with application(name) as app, app.app_context(), db.writing() as session:
        history = partner_site.fill(session)
    yield name, history
    drop_database(name)


@pytest.fixture
def site(partner_history: tuple[str, History]) -> Iterator[Site]:
    """A partner at its pages, at an hour that stands still."""
    template, history = partner_history
    name = clone(template)
    with clock.frozen(partner_site.TODAY), application(name) as app:
        browser = partner_site.enter(app, history.emails[history.partner_id])
        yield Site(Desk(app, history.operator_id), history, browser)
    drop_database(name)
