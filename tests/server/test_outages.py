"""What happens when the server is killed, the database goes away, or clients never finish a sentence."""

import socket
import threading
from uuid import uuid4

from sqlalchemy import text

from dashboard import embedded
from tests.server.conftest import Browser, Desk

SLOW_CLIENTS = 150


def adjustment(browser: Browser, player_id: int) -> dict[str, str]:
    """The form of one adjustment of one dollar, on a balance that has only been opened."""
    return {
        "csrf_token": browser.token(f"/players/{player_id}"),
        "change_type": "adjustment",
        "currency": "USD",
        "amount": "1.00",
        "reason": "Goodwill",
        "seen_version": "1",
        "idempotency_key": str(uuid4()),
    }


def entries_with(desk: Desk, key: str) -> int:
    """How many entries have this key."""
    with desk.session() as session:
        count = session.scalar(
            text("SELECT count(*) FROM wallet_entries WHERE idempotency_key = :k"), {"k": key}
        )
        return int(count or 0)


def test_half_sent_requests_do_not_stop_ordinary_ones(running: Desk) -> None:
    stuck = []
    for _ in range(SLOW_CLIENTS):
        client = socket.create_connection(("127.0.0.1", running.port), timeout=5)
        client.sendall(b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nemail=")
        stuck.append(client)

    statuses = [Browser(running.address).open("/sign-in")[0] for _ in range(5)]

    for client in stuck:
        client.close()
    assert statuses == [200] * 5


def test_a_stopped_database_is_said_clearly_and_comes_back_by_itself(running: Desk) -> None:
    browser = Browser(running.address).sign_in()
    path = f"/players/{running.players[0]}"
    form = adjustment(browser, running.players[0])
    key = form["idempotency_key"]
    embedded.stop(running.home)

    read, posted = browser.open(path), browser.open(f"{path}/adjustments", form)
    embedded.start(running.home, fast_and_unsafe=True)
    running.wait_for(200, "/readyz")

    assert (read[0], posted[0]) == (503, 503)
    assert read[1].get("Retry-After")
    assert "database" in read[2]
    assert "Traceback" not in read[2] + posted[2]
    assert browser.open(path)[0] == 200, "still signed in"
    assert entries_with(running, key) == 0
    assert browser.open(f"{path}/adjustments", form)[0] == 303
    assert entries_with(running, key) == 1


def test_killed_in_the_middle_nothing_is_lost_and_nothing_doubled(running: Desk) -> None:
    browser = Browser(running.address).sign_in()
    forms = {player_id: adjustment(browser, player_id) for player_id in running.players[1:]}
    answered: set[str] = set()
    some_answered = threading.Event()

    def post(player_id: int, form: dict[str, str]) -> None:
        mine = Browser(running.address, browser.cookies)
        try:
            status = mine.open(f"/players/{player_id}/adjustments", form)[0]
        except OSError:
            return
        if status == 303:
            answered.add(form["idempotency_key"])
            some_answered.set()

    threads = [threading.Thread(target=post, args=item) for item in forms.items()]
    for thread in threads:
        thread.start()
    assert some_answered.wait(20)
    running.kill()
    for thread in threads:
        thread.join()
    running.start()

    assert all(entries_with(running, key) == 1 for key in answered), "acknowledged and gone"
    for player_id, form in forms.items():
        assert browser.open(f"/players/{player_id}/adjustments", form)[0] == 303, "sending it again is safe"
    assert [entries_with(running, form["idempotency_key"]) for form in forms.values()] == [1] * len(forms)
