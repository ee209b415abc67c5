"""GET /players/<id>/entries/<currency>/<sequence> and POST …/reversal."""

import json
from uuid import uuid4

import pytest

from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Desk, fields


def entry_path(player_id: int, sequence: int = 1) -> str:
    return f"/players/{player_id}/entries/USD/{sequence}"


def typed(**more: str) -> dict[str, str]:
    return {"reason": "Posted twice", "idempotency_key": str(uuid4()), **more}


def player_with_deposit(desk: Desk) -> int:
    """A player whose entry 1 is a deposit of 250.00."""
    player_id = desk.player()
    desk.write(lambda session: builders.change(session, player_id, 25_000, ChangeType.DEPOSIT, now=AT))
    return player_id


def test_an_entry_shows_its_seven_things(desk: Desk) -> None:
    agent, player_id = desk.sign_in(name="Maya Okafor"), desk.player(balance_minor=50_000)
    form = fields(agent.page(f"/players/{player_id}"), "adjust")
    agent.post(f"/players/{player_id}/adjustments", {**form, "amount": "24,000", "reason": "Transfer TX-7"})
    text = agent.page(entry_path(player_id, 2)).one("main").text
    entry = desk.last_entry(player_id)
    for said in (
        "2 Mar 2026, 14:00:00",
        "USD · 2",
        "Maya Okafor",
        "Deposit, against cash",
        "500.00 → becomes 24,500.00",
        "Transfer TX-7",
        f"{entry.risk_score} of 100",
        "+19: 96 % of the daily limit used",
        entry.hash.hex()[:12],
    ):
        assert said in text, said


@pytest.mark.parametrize("htmx", [True, False])
def test_a_reversal_posts_the_opposite_and_names_the_entry(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    answer = agent.post(f"{entry_path(player_id)}/reversal", typed(), htmx=htmx)
    if htmx:
        assert answer.status_code == 204
        told = json.loads(answer.headers["HX-Trigger"])
        assert told.keys() == {"toast", "dialog:close", "live:player"}
        assert told["toast"]["message"] == "Entry 1 is reversed: −250.00 USD."
    else:
        assert (answer.status_code, answer.location) == (303, f"/players/{player_id}?currency=USD")
        assert "Entry 1 is reversed" in agent.page(answer.location).by_id("toasts").text
    entry = desk.last_entry(player_id)
    assert (entry.real_delta, entry.reverses, entry.reason) == (-25_000, 1, "Posted twice")
    assert desk.real(player_id) == 0
    journal = agent.page(f"/players/{player_id}").by_id("journal").text
    assert "reversed by 2" in journal
    assert "reverses 1" in journal


def test_sent_twice_it_reverses_once(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    data = typed()
    for _ in range(2):
        assert agent.post(f"{entry_path(player_id)}/reversal", data, htmx=True).status_code == 204
    assert (desk.real(player_id), desk.version(player_id)) == (0, 2)


@pytest.mark.parametrize("htmx", [True, False])
def test_what_cannot_be_reversed_says_why(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    agent.post(f"{entry_path(player_id)}/reversal", typed())
    for sequence, why in ((1, "already been reversed"), (2, "post a new adjustment instead")):
        answer = agent.post(f"{entry_path(player_id, sequence)}/reversal", typed(), htmx=htmx)
        assert answer.status_code == 422
        assert why in answer.text
    assert desk.version(player_id) == 2
    offered = agent.page(entry_path(player_id)).one("main").text
    assert "Entry 2 has reversed it already." in offered
    assert "Reverse this entry" not in offered


def test_a_reason_is_asked_for(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    answer = agent.post(f"{entry_path(player_id)}/reversal", typed(reason=" "), htmx=True)
    assert answer.status_code == 422
    assert "Enter a reason." in Page(answer).by_id("reversal-reason-error").text
    assert desk.version(player_id) == 1


def test_a_key_of_another_change_is_a_conflict(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    entry = desk.last_entry(player_id)
    desk.write(lambda session: builders.change(session, player_id, 100, now=AT))
    key = str(uuid4())
    agent.post(f"{entry_path(player_id)}/reversal", typed(idempotency_key=key))
    answer = agent.post(f"{entry_path(player_id, 2)}/reversal", typed(idempotency_key=key), htmx=True)
    assert answer.status_code == 409
    assert (desk.version(player_id), entry.sequence) == (3, 1)


def test_an_entry_in_a_dialog_is_a_part(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    page = Page(agent.get(entry_path(player_id), htmx=True))
    assert page.one("h2", id="dialog-title").text == "Entry 1"
    assert page.one("form")["hx-target"] == "#dialog"


def test_who_may(desk: Desk) -> None:
    player_id = player_with_deposit(desk)
    auditor, partner, agent = desk.sign_in(Role.AUDITOR), desk.sign_in(Role.PARTNER), desk.sign_in()
    assert "Reverse" not in auditor.page(entry_path(player_id)).one("main").text
    assert auditor.post(f"{entry_path(player_id)}/reversal", typed()).status_code == 403
    assert partner.get(entry_path(player_id)).status_code == 403
    assert agent.get(f"{entry_path(player_id)}/reversal").status_code == 405
    for missing in ("2", "0", str(10**30)):
        assert agent.get(f"/players/{player_id}/entries/USD/{missing}").status_code == 404
    assert agent.get(f"/players/{player_id}/entries/EUR/1").status_code == 404
    assert agent.post(f"{entry_path(player_id, 9)}/reversal", typed(), htmx=True).status_code == 404


def test_another_operators_entry_is_not_there(desk: Desk) -> None:
    agent = desk.sign_in()
    elsewhere = desk.write(
        lambda session: builders.make_player(
            session, operator_id=builders.make_operator(session), balance_minor=100
        )
    )
    assert agent.get(entry_path(elsewhere)).status_code == 404
    assert agent.post(f"{entry_path(elsewhere)}/reversal", typed()).status_code == 404
    assert desk.version(elsewhere) == 1
