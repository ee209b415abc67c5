"""Fixtures of the tests that go through the web application."""

from collections.abc import Iterator

import pytest
from flask import Flask

from dashboard import clock, db
from tests.builders import make_operator
from tests.web.desk import AT, Desk


@pytest.fixture
def desk(app: Flask) -> Iterator[Desk]:
    """An operator's desk, at an hour that stands still."""
    with clock.frozen(AT):
        with app.app_context(), db.writing() as session:
            operator_id = make_operator(session, currencies=["EUR", "JPY", "KWD"])
        yield Desk(app, operator_id)
