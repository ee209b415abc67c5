"""What whoever sends work here asks: the process, and whether it can work."""

import threading

import psycopg
import pytest
from flask import Flask

from dashboard.views import health
from tests.conftest import database_url
from tests.pages import PageClient


def test_the_process_answers(client: PageClient) -> None:
    assert client.get("/healthz").get_json() == {"ok": True}


def test_ready_without_a_worker_too(client: PageClient) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json() == {
        "ok": True,
        "database": "ok",
        "schema": "ok",
        "worker_seen_seconds_ago": None,
    }


def test_a_database_that_hangs_is_not_waited_for(
    app: Flask, app_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(app.test_client().get("/readyz").status_code)

    with psycopg.connect(database_url("owner", app_database)) as owner:
        owner.execute("LOCK TABLE alembic_version")
        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = owner.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            " WHERE c.relname = 'alembic_version' AND NOT granted"
        ).fetchone()
        owner.rollback()
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 60.0)
    ask()  # the question under way, however it ends
    ask()

    assert statuses[:5] == [503] * 5
    assert statuses[-1] == 200, "by itself"
    assert counted == (1,), "all were answered while it hung; however many ask us, it is asked once"
