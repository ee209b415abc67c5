"""The web application as tests use it: one after the other the same one, each on a database of its own.

Making one compiles some hundred routes, every template and every statement anew: half the time of a web
test. One that a test has left otherwise than it got it is used by nobody else.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

import dashboard
from dashboard import db, live
from dashboard.config import Settings, settings
from tests.databases import database_url
from tests.pages import PageClient

_RESTLESS = ("_got_first_request", "extensions", "jinja_env", "jinja_loader")
"""What of an application its use changes."""
_KEPT_MOST = 5
"""Connections that may wait for the next test."""


def _picture(value: Any) -> Any:
    """All that a value is made of, to be compared later: by identity where it is no collection.

    Without what is empty: looking a thing up leaves such behind.
    """
    if isinstance(value, dict):
        pictures = {key: _picture(each) for key, each in value.items()}
        return {key: picture for key, picture in pictures.items() if picture not in ({}, [])}
    if isinstance(value, list | tuple | set):
        return [_picture(each) for each in value]
    return _Same(value)


@dataclass(frozen=True, eq=False)
class _Same:
    """A thing that is equal to itself alone. Holding it keeps another from getting its number."""

    thing: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


@dataclass
class _Application:
    app: Flask
    made_with: Settings
    database: str
    engines: dict[str | None, Engine] = field(init=False)
    as_made: Any = field(init=False)

    def __post_init__(self) -> None:
        with self.app.app_context():
            self.engines = dict(db.alchemy.engines)
        for engine in self.engines.values():
            event.listen(engine, "do_connect", self._direct)
        self.as_made = self._look()

    @classmethod
    def make(cls, database: str) -> "_Application":
        app = dashboard.create_app(TESTING=True, **_addresses(database))
        app.test_client_class = PageClient
        # Processes share what templates compile to.
        app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(settings().home))
        return cls(app, settings(), database)

    def point_at(self, database: str) -> None:
        """Have it work on that database, as if it had just been made."""
        if database != self.database:
            self.disconnect()
            self.database = database
            for engine in self.engines.values():
                engine.url = engine.url.set(database=database)
            self.app.config.update(_addresses(database))
            self.as_made = self._look()
        else:
            self._drop_lost_connections()
        self.app._got_first_request = False
        for name in ("exports", "partner-exports", "readiness"):
            self.app.extensions[name] = type(self.app.extensions[name])()
        live.init_app(self.app)

    def rest(self) -> bool:
        """End what it does in the background. False if it cannot be used again."""
        self.app.extensions["live"].close()
        # Answers that nobody waits for any more may still be on their way.
        deadline = time.monotonic() + 5
        while self._busy() and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self._busy() and self._look() == self.as_made

    def disconnect(self) -> None:
        """Give every connection back to the database."""
        for engine in self.engines.values():
            engine.dispose()

    def _direct(self, _dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> None:
        named["dbname"] = self.database

    def _busy(self) -> bool:
        return any(engine.pool.checkedout() for engine in self._pooled())

    def _pooled(self) -> list[Engine]:
        return [self.engines[None], self.engines[db.PARTNERS]]

    def _look(self) -> Any:
        app, jinja = self.app, self.app.jinja_env
        rest = {name: value for name, value in vars(app).items() if name not in _RESTLESS}
        extensions = {name: type(value) for name, value in app.extensions.items()}
        listeners = [len(engine.dispatch.before_cursor_execute) for engine in self.engines.values()]
        return [
            *map(_picture, (rest, extensions, jinja.globals, jinja.filters, jinja.tests)),
            listeners,
        ]

    def _drop_lost_connections(self) -> None:
        for engine in self._pooled():
            waiting = engine.pool.checkedin()
            try:
                with ExitStack() as opened:
                    for _ in range(waiting):
                        opened.enter_context(engine.connect()).exec_driver_sql("SELECT 1")
            except DBAPIError:
                engine.dispose()
            if waiting > _KEPT_MOST:
                engine.dispose()


def _addresses(database: str) -> dict[str, str]:
    return {
        "SQLALCHEMY_DATABASE_URI": database_url("app", database),
        "PARTNER_DATABASE_URI": database_url("partner", database),
        "DATABASE_OWNER_URL": database_url("owner", database),
    }


_resting: list[_Application] = []


def _one_for(database: str) -> _Application:
    fitting = [each for each in _resting if each.made_with == settings()]
    if not fitting:
        return _Application.make(database)
    chosen = next((each for each in fitting if each.database == database), fitting[0])
    _resting.remove(chosen)
    chosen.point_at(database)
    return chosen


@contextmanager
def application(database: str, *, stays_connected: bool = False) -> Iterator[Flask]:
    """The application on that database, as if it had just been made.

    `stays_connected` is for a database that the next test uses too.
    """
    chosen = _one_for(database)
    yield chosen.app
    is_reusable = chosen.rest()
    if not (is_reusable and stays_connected):
        chosen.disconnect()
    if is_reusable:
        _resting.append(chosen)
