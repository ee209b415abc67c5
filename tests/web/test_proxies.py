"""Whose word is taken for where a request comes from."""

from collections.abc import Callable

import pytest
from flask import Flask, request

import dashboard
from dashboard.config import settings
from tests.conftest import database_url

FORWARDED = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Forwarded-Proto": "https"}


@pytest.fixture
def behind(database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Flask]:
    """The application behind so many proxies."""

    def make(count: int) -> Flask:
        monkeypatch.setenv("PURSER_TRUSTED_PROXIES", str(count))
        settings.cache_clear()
        app = dashboard.create_app(TESTING=True, SQLALCHEMY_DATABASE_URI=database_url("app", database))
        monkeypatch.undo()
        settings.cache_clear()
        return app

    return make


@pytest.mark.parametrize(
    ("count", "address", "scheme"),
    [(0, "127.0.0.1", "http"), (1, "198.51.100.7", "https"), (2, "203.0.113.9", "http")],
)
def test_as_many_proxies_are_believed_as_were_named(
    behind: Callable[[int], Flask], count: int, address: str, scheme: str
) -> None:
    app, seen = behind(count), []
    app.before_request(lambda: seen.append((request.remote_addr, request.scheme)))

    app.test_client().get("/healthz", headers=FORWARDED)

    assert seen == [(address, scheme)]
