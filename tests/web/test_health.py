"""What whoever sends work here asks: the process, and whether it can work."""

import threading
import time

import psycopg
from flask import Flask

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


def test_a_database_that_hangs_is_not_waited_for(app: Flask, app_database: str) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(app.test_client().get("/readyz").status_code)

    with psycopg.connect(database_url("owner", app_database)) as owner:
        owner.execute("LOCK TABLE alembic_version")
        threads = [threading.Thread(target=ask) for _ in range(5)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
        counted = owner.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            " WHERE c.relname = 'alembic_version' AND NOT granted"
        ).fetchone()
        owner.rollback()
    ask()  # the question under way, however it ends
    ask()

    assert statuses[:5] == [503] * 5
    assert statuses[-1] == 200, "by itself"
    assert took < 1.9, "within a second, and what the machine needs beside it"
    assert counted == (1,), "however many ask us, the database is asked once"
