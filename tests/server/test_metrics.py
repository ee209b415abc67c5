"""What whoever watches gets to see, from the web server and the worker as processes of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from dashboard.web import CONNECTIONS
from tests import builders
from tests.server.conftest import ROOT, Browser, Desk, select_pause

TOKEN = "0123456789-abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def watched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The desk, whose server lets itself be watched."""
    monkeypatch.setenv("PURSER_METRICS_TOKEN", TOKEN)
    desk.kill()
    with desk.session() as session:
        login_id = session.scalars(text("SELECT id FROM logins")).one()
        builders.allow(session, login_id, per_change=10**15)
        session.commit()
    desk.start()
    yield desk
    with desk.session() as session:
        session.execute(text("DELETE FROM allowances"))
        session.commit()
    desk.kill()


def figures(desk: Desk) -> dict[str, float]:
    """Every figure by its name with labels."""
    status, headers, content = Browser(desk.address).open(
        "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    lines = [line for line in content.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def adjust(desk: Desk, browser: Browser, amount: str, change_type: str = "deposit") -> int:
    """Post a change by the form; its status."""
    player_id = desk.players[0]
    page = browser.open(f"/players/{player_id}")[2]
    seen = re.search(r'name="seen_version"[^>]*value="(\d+)"', page)
    assert seen
    form = {
        "csrf_token": browser.token(f"/players/{player_id}"),
        "change_type": change_type,
        "currency": "USD",
        "amount": amount,
        "amount_again": amount,
        "reason": "Bank transfer",
        "seen_version": seen[1],
        "idempotency_key": str(uuid4()),
    }
    return browser.open(f"/players/{player_id}/adjustments", form)[0]


def test_what_happened_is_counted_after_it_was_committed(watched: Desk) -> None:
    browser = Browser(watched.address).sign_in()
    assert adjust(watched, browser, "5.00") == 303
    assert adjust(watched, browser, "9,000,000.00") == 422
    assert adjust(watched, browser, "10.00", "fee") == 303

    seen = figures(watched)

    assert seen['purser_entries_total{type="deposit"}'] == 1
    assert seen['purser_entries_total{type="fee"}'] == 1
    assert seen['purser_change_seconds_count{type="deposit"}'] == 1
    assert seen['purser_refusals_total{reason="above_maximum"}'] == 1
    assert seen['purser_alerts_raised_total{type="warning"}'] == 1
    requests = 'purser_http_requests_total{endpoint="wallets.create_adjustment",method="POST",status="%d"}'
    assert (seen[requests % 303], seen[requests % 422]) == (2, 1)
    assert seen['purser_http_request_seconds_count{endpoint="wallets.create_adjustment"}'] == 3
    assert seen["purser_database_up"] == 1
    assert seen['purser_jobs{state="failed"}'] == 0
    assert (seen["purser_pool_size"], seen["purser_live_streams"]) == (CONNECTIONS, 0)
    assert not any("@" in name for name in seen)


def test_nobody_reads_without_the_token(watched: Desk) -> None:
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        status, headers, content = Browser(watched.address).open("/metrics", headers=given)
        assert (status, headers["WWW-Authenticate"], content) == (401, "Bearer", "")


def test_without_a_token_there_is_no_such_page(running: Desk) -> None:
    assert Browser(running.address).open("/metrics")[0] == 404


def test_what_the_worker_does_is_counted_too(watched: Desk) -> None:
    before = figures(watched).get('purser_entries_total{type="fee"}', 0)
    code = (
        "import sys; from dashboard import clock, db; from dashboard.jobs.application import application\n"
        "from tests import builders; from dashboard.models.wallet import ChangeType\n"
        "with application().app_context():\n"
        " db.transact(lambda s: builders.change(s, int(sys.argv[1]), -100, ChangeType.FEE))\n"
    )
    environment = {**os.environ, "PURSER_HOME": str(watched.home), "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", code, str(watched.players[1])], cwd=ROOT, env=environment, check=True
    )

    assert figures(watched)['purser_entries_total{type="fee"}'] == before + 1


def test_readiness(running: Desk) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "worker", "--child", f"--parent={os.getpid()}"],
        cwd=ROOT,
        env={**os.environ, "PURSER_HOME": str(running.home), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    try:
        seen = running.ask("/readyz")
        while seen["worker_seen_seconds_ago"] is None:
            select_pause()
            seen = running.ask("/readyz")
    finally:
        worker.terminate()
        worker.wait(20)
    assert {**seen, "worker_seen_seconds_ago": 0} == {
        "ok": True,
        "database": "ok",
        "schema": "ok",
        "worker_seen_seconds_ago": 0,
    }


def test_not_ready_while_the_schema_is_behind(running: Desk) -> None:
    """A newer schema is fine: the release before goes on working while the next one is brought up."""

    def set_revision(revision: str) -> str:
        with running.session() as session:
            before = str(session.scalar(text("SELECT version_num FROM alembic_version")))
            session.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
            session.commit()
        return before

    head = set_revision("20261121_0001")
    behind = Browser(running.address).open("/readyz")
    set_revision("29990101_0001")
    ahead = Browser(running.address).open("/readyz")
    set_revision(head)

    assert (behind[0], ahead[0]) == (503, 200)
    assert '"schema":"behind"' in behind[2]
    assert behind[1]["Retry-After"]
