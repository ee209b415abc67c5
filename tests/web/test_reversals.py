"""GET /players/<id>/entries/<currency>/<sequence>, and GET and POST of …/reversal."""

import datetime as dt
import json
from collections.abc import Sequence
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, wallets
from dashboard.services.actors import SYSTEM
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
    agent.post(
        f"/players/{player_id}/adjustments",
        {**form, "amount": "24,000", "amount_again": "24,000", "reason": "Transfer TX-7"},
    )
    shown = agent.page(entry_path(player_id, 2)).one("main").text
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
        assert said in shown, said


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
    (link,) = (link for link in page.all("a") if link.text == "Reverse this entry…")
    assert link["hx-target"] == "#dialog"
    page = Page(agent.get(link["href"], htmx=True))
    assert page.one("h2", id="dialog-title").text == "Reverse entry 1"
    assert page.one("form")["hx-target"] == "#dialog"


def test_who_may(desk: Desk) -> None:
    player_id = player_with_deposit(desk)
    auditor, partner, agent = desk.sign_in(Role.AUDITOR), desk.sign_in(Role.PARTNER), desk.sign_in()
    assert "Reverse" not in auditor.page(entry_path(player_id)).one("main").text
    assert auditor.post(f"{entry_path(player_id)}/reversal", typed()).status_code == 403
    assert partner.get(entry_path(player_id)).status_code == 403
    assert auditor.get(f"{entry_path(player_id)}/reversal").status_code == 403
    assert agent.client.delete(f"{entry_path(player_id)}/reversal").status_code == 405
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
    assert agent.get(f"{entry_path(elsewhere)}/reversal").status_code == 404
    assert agent.post(f"{entry_path(elsewhere)}/reversal", typed()).status_code == 404
    assert desk.version(elsewhere) == 1


# What hangs on it


def hanging(page: Page) -> list[str]:
    """The lines that say what hangs on the entry."""
    (part,) = page.all("ul", class_="hanging")
    return [line.text for line in page.all("li") if line.is_within(part)]


def effects(page: Page) -> list[str]:
    """What each way of undoing it would do."""
    return [part.text for part in page.all("div", class_="effect")]


def post_all(desk: Desk, player_id: int, changes: Sequence[tuple[int, ChangeType]]) -> None:
    """These changes, a minute apart, the last one at AT."""

    def work(session: Session) -> None:
        for number, (amount, kind) in enumerate(changes, start=1):
            at = AT - dt.timedelta(minutes=len(changes) - number)
            builders.change(session, player_id, amount, kind, now=at)

    desk.write(work)


def spent_deposit(desk: Desk) -> int:
    """Entry 1 is a deposit of 250.00, of which 40.00 is left."""
    player_id = desk.player()
    post_all(desk, player_id, [(25_000, ChangeType.DEPOSIT), (-21_000, ChangeType.WAGER)])
    return player_id


def test_the_latest_entry_has_little_hanging_on_it(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100_000)
    page = agent.page(f"{entry_path(player_id)}/reversal")
    assert hanging(page) == ["Nothing else: it is the latest entry."]
    assert effects(page)[0].startswith("Real balance1,000.00 → becomes 0.00")
    assert "opens “warning”, “critical”, “significant drop”" in effects(page)[0]


def test_it_says_what_hangs_on_the_entry(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=300_000)
    post_all(
        desk,
        player_id,
        [(-250_000, ChangeType.WITHDRAWAL), (-1_000, ChangeType.FEE), (1_500_000, ChangeType.DEPOSIT)],
    )
    page = agent.page(f"{entry_path(player_id, 2)}/reversal")
    lines = hanging(page)
    assert "It raised an alert: Significant drop which stays as it is unless the balance comes back." in lines
    assert "It raised an alert: Warning which is resolved." in lines
    assert "The limit that it used today is not given back." in lines
    assert "2 entries have come after it; none of them changes." in lines
    assert "15,490.00 → becomes 17,990.00" in effects(page)[0]


def test_a_debt_is_shown_before_it_is_made(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    page = agent.page(f"{entry_path(player_id)}/reversal")
    assert "Part of it is spent: 40.00 of 250.00 USD is left." in hanging(page)
    left, whole = effects(page)
    assert left.startswith("Real balance40.00 → becomes 0.00")
    assert whole.startswith("Real balance40.00 → becomes −210.00")
    assert "negative" in whole
    (chosen,) = (
        part["value"] for part in page.all("input", name="extent") if part.get("checked") is not None
    )
    assert chosen == "left"


@pytest.mark.parametrize("htmx", [True, False])
def test_up_to_what_is_left_is_an_adjustment_that_names_the_entry(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    answer = agent.post(f"{entry_path(player_id)}/reversal", typed(extent="left"), htmx=htmx)
    assert answer.status_code == (204 if htmx else 303)
    entry = desk.last_entry(player_id)
    assert (entry.change_type, entry.real_delta, entry.reverses) == ("adjustment", -4_000, None)
    assert entry.reference == "undoes part of entry 1"
    assert desk.real(player_id) == 0
    page = agent.page(f"{entry_path(player_id)}/reversal")
    assert "40.00 USD of it was undone already; 210.00 of it remains." in hanging(page)


def test_leaving_owing_reverses_all_of_it(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    assert agent.post(f"{entry_path(player_id)}/reversal", typed(extent="whole")).status_code == 303
    entry = desk.last_entry(player_id)
    assert (entry.change_type, entry.real_delta, entry.reverses) == ("reversal", -25_000, 1)
    assert desk.real(player_id) == -21_000


def test_what_was_undone_in_part_is_never_undone_twice(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    path = f"{entry_path(player_id)}/reversal"
    agent.post(path, typed(extent="left"))
    # Money comes in again: now at most the rest goes, by adjustments that name the entry too.
    desk.write(lambda session: builders.change(session, player_id, 100_000, ChangeType.DEPOSIT, now=AT))
    agent.post(path, typed(extent="whole"))
    entry = desk.last_entry(player_id)
    assert (entry.change_type, entry.real_delta) == ("adjustment", -21_000)
    assert desk.real(player_id) == 79_000
    for extent in ("left", "whole"):
        answer = agent.post(path, typed(extent=extent))
        assert answer.status_code == 422
        assert "All of this entry has been undone already." in answer.text
    assert desk.real(player_id) == 79_000


def test_a_part_sent_twice_is_undone_once(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    data = typed(extent="left")
    for _ in range(2):
        assert agent.post(f"{entry_path(player_id)}/reversal", data, htmx=True).status_code == 204
    assert (desk.real(player_id), desk.version(player_id)) == (0, 3)


def test_all_is_spent_leaves_one_way(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    post_all(desk, player_id, [(25_000, ChangeType.DEPOSIT), (-25_000, ChangeType.WAGER)])
    page = agent.page(f"{entry_path(player_id)}/reversal")
    assert "All of it is spent: nothing is left to take back." in hanging(page)
    assert [part["value"] for part in page.all("input", name="extent")] == ["whole"]


def test_a_balance_that_has_moved_on_is_shown_again_first(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    path = f"{entry_path(player_id)}/reversal"
    seen = agent.page(path).by_id("reversal-seen_version")["value"]
    desk.write(lambda session: builders.change(session, player_id, -1_000, ChangeType.WAGER, now=AT))
    for extent in ("left", "whole"):
        data = typed(extent=extent, seen_version=seen)
        answer = agent.post(path, data, htmx=True)
        assert answer.status_code == 409
        assert "The balance has changed since you looked." in answer.text
        assert desk.version(player_id) == 3
    fresh = Page(answer).by_id("reversal-seen_version")["value"]
    assert agent.post(path, {**data, "seen_version": fresh}, htmx=True).status_code == 204
    assert desk.real(player_id) == -22_000


def test_withdrawals_that_would_not_be_covered_any_more(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)

    def work(session: Session) -> None:
        builders.change(session, player_id, 5_000, ChangeType.DEPOSIT, now=AT)
        for number, amount in enumerate((6_000, 7_000)):
            session.execute(
                text("""
                INSERT INTO withdrawals (player_id, operator_id, currency, amount, reason, idempotency_key,
                                         fingerprint, requested_by, requested_at)
                VALUES (:p, :o, 'USD', :amount, 'To the bank', 'w-' || :amount, sha256('w'), 'system', :at)
                """),
                {
                    "p": player_id,
                    "o": desk.operator_id,
                    "amount": amount,
                    "at": AT - dt.timedelta(hours=3 - number),
                },
            )
        session.execute(text("UPDATE balances SET pending = 13000 WHERE player_id = :p"), {"p": player_id})

    desk.write(work)
    lines = hanging(agent.page(f"{entry_path(player_id, 2)}/reversal"))
    uncovered = [line for line in lines if "would not be covered" in line]
    assert uncovered == [
        "The withdrawal of 70.00 USD asked for 2 h ago would not be covered any more by undoing all of it."
    ]
    assert "Part of it is spent: 20.00 of 50.00 USD is left." in lines


def test_the_other_leg_of_a_transfer_is_named_and_reversed_too(desk: Desk) -> None:
    agent, payer = desk.sign_in(), desk.player(balance_minor=50_000)
    payee = desk.player(name="Tomas Berg")
    request = balances.Request(
        player_id=payer,
        currency="USD",
        change_type=ChangeType.TRANSFER,
        real_delta=-20_000,
        reason="A gift",
        idempotency_key="gift",
        other_player=payee,
    )
    desk.write(lambda session: balances.transfer(session, request=request, actor=SYSTEM, now=AT))
    page = agent.page(f"{entry_path(payer, 2)}/reversal")
    assert "The other leg of this transfer is reversed with it: −200.00 for Tomas Berg, entry 1." in hanging(
        page
    )
    # The payee has spent some of it: nothing is undone in parts, where two wallets move.
    desk.write(lambda session: builders.change(session, payee, -5_000, ChangeType.WAGER, now=AT))
    page = agent.page(f"{entry_path(payee)}/reversal")
    assert [part["value"] for part in page.all("input", name="extent")] == ["whole"]
    assert agent.post(f"{entry_path(payee)}/reversal", typed(extent="left")).status_code == 422
    assert agent.post(f"{entry_path(payer, 2)}/reversal", typed()).status_code == 303
    assert (desk.real(payer), desk.real(payee)) == (50_000, -5_000)


def test_a_second_person_is_announced_and_asked(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_deposit(desk)
    desk.write(
        lambda session: session.execute(
            text("UPDATE vip_rules SET approval_threshold = 10000 WHERE operator_id = :o"),
            {"o": desk.operator_id},
        )
    )
    page = agent.page(f"{entry_path(player_id)}/reversal")
    assert "Postedafter a second person approves" in effects(page)[0]
    answer = agent.post(f"{entry_path(player_id)}/reversal", typed(), htmx=True)
    assert answer.status_code == 204
    assert "waits for a second person" in json.loads(answer.headers["HX-Trigger"])["toast"]["message"]
    assert desk.version(player_id) == 1
    again = hanging(agent.page(f"{entry_path(player_id)}/reversal"))
    assert "Ana Reyes has asked to undo it already, just now: that waits for a decision." in again


def test_looking_changes_nothing(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    before = desk.facts(player_id)
    agent.page(f"{entry_path(player_id)}/reversal")
    assert desk.facts(player_id) == before


def test_what_is_refused_is_foretold_and_put_on_record(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), spent_deposit(desk)
    desk.write(
        lambda session: wallets.freeze(session, player_id=player_id, reason="Theft", actor=SYSTEM, now=AT)
    )
    path = f"{entry_path(player_id)}/reversal"
    foretold = agent.page(path).text
    assert "This will be refused. The wallet is frozen" in foretold.replace("refused.The", "refused. The")
    answer = agent.post(path, typed(extent="left"))
    assert answer.status_code == 422
    assert "The wallet is frozen" in answer.text
    assert desk.count_refusals(player_id) == 1
    # A reversal of all of it goes through all the same.
    assert agent.post(path, typed(extent="whole")).status_code == 303
