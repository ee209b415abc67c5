"""GET /players/<id>/explanation: what a balance is made of, who, and what proves it."""

import datetime as dt
import json
from itertools import pairwise

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Desk


def rows(page: Page) -> dict[str, list[str]]:
    """The cells of each table row by the first of them."""
    found = {}
    for row in page.all("tr"):
        cells = [cell.text for cell in page.elements if cell.tag == "td" and cell.is_within(row)]
        if cells:
            found[cells[0]] = cells[1:]
    return found


def facts(page: Page) -> dict[str, str]:
    """What stands beside each label."""
    terms = [element for element in page.elements if element.tag in {"dt", "dd"}]
    return {
        label.text: value.text for label, value in pairwise(terms) if label.tag == "dt" and value.tag == "dd"
    }


def lively_player(desk: Desk) -> int:
    """Opened with 500.00; 250.00 in, of which Maya took back one of 100.00; 40.00 out; a fee of 1.50."""
    player_id = desk.player(balance_minor=50_000)

    def work(session: Session) -> None:
        maya = builders.actor_of(
            builders.make_login(session, operator_id=desk.operator_id, name="Maya Okafor")
        )
        builders.change(session, player_id, 15_000, ChangeType.DEPOSIT, now=AT - dt.timedelta(hours=5))
        builders.change(session, player_id, 10_000, ChangeType.DEPOSIT, now=AT - dt.timedelta(hours=4))
        balances.reverse(
            session,
            player_id=player_id,
            currency="USD",
            sequence=3,
            reason="Posted twice",
            actor=maya,
            idempotency_key="undo",
            now=AT - dt.timedelta(hours=3),
        )
        builders.change(session, player_id, -4_000, ChangeType.WITHDRAWAL, now=AT - dt.timedelta(hours=2))
        builders.change(
            session, player_id, -150, ChangeType.FEE, actor=maya, now=AT - dt.timedelta(minutes=30)
        )

    desk.write(work)
    return player_id


def test_every_class_of_movement_adds_up_to_the_balance(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), lively_player(desk)
    page = agent.page(f"/players/{player_id}/explanation")
    table = rows(page)
    assert table["Opening"] == ["1", "+500.00", "1 h ago · System"]
    assert table["Deposits"] == ["2−1 reversed", "+150.00", "3 h ago · Maya Okafor"]
    assert table["Withdrawals"] == ["1", "−40.00", "2 h ago · System"]
    assert table["Fees"] == ["1", "−1.50", "30 min ago · Maya Okafor"]
    assert table["Balance"] == ["6", "608.50", "adds up"]
    assert desk.real(player_id) == 60_850
    assert "A reversal counts with what it reverses" in page.text


def test_who_entered_changes_by_hand(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), lively_player(desk)
    table = rows(agent.page(f"/players/{player_id}/explanation"))
    assert table["Maya Okafor"] == ["2", "", "−101.50", "30 min ago"]
    untouched = desk.player(balance_minor=100)
    assert "every entry was made by the system" in agent.page(f"/players/{untouched}/explanation").text


def test_pending_is_told_in_its_parts(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)
    maya = desk.write(
        lambda session: builders.make_login(session, operator_id=desk.operator_id, name="Maya Okafor").id
    )
    scope = {"p": player_id, "o": desk.operator_id, "maya": maya, "now": AT}
    desk.write(lambda session: set_aside(session, scope))
    said = facts(agent.page(f"/players/{player_id}/explanation"))
    assert said["Withdrawal requested"] == "To the bank · System, just now −30.00"
    assert said["Held debit"] == "Wrong bonus · Maya Okafor, just now; posted just now −12.50"
    assert said["Withdrawable"] == "57.50 USD"
    assert said["Credit line"] == "adjustments, fees and reversals may go down to −10,000.00"


def set_aside(session: Session, scope: dict[str, object]) -> None:
    """A withdrawal of 30.00 that is requested, and a debit of 12.50 that is held."""
    session.execute(
        text("""
        INSERT INTO withdrawals (player_id, operator_id, currency, amount, reason, idempotency_key,
                                 fingerprint, requested_by, requested_at)
        VALUES (:p, :o, 'USD', 3000, 'To the bank', 'w-1', sha256('w'), 'system', :now)
        """),
        scope,
    )
    session.execute(
        text("""
        INSERT INTO change_requests (player_id, operator_id, kind, currency, change_type, real_delta, reason,
                                     idempotency_key, fingerprint, state, requested_by, requested_at, post_at)
        VALUES (:p, :o, 'change', 'USD', 'adjustment', -1250, 'Wrong bonus', 'h-1', sha256('h'), 'held',
                :maya, :now, :now)
        """),
        scope,
    )
    session.execute(text("UPDATE balances SET pending = 4250 WHERE player_id = :p"), scope)


def test_sums_that_do_not_add_up_are_said_loudly(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)
    desk.write(
        lambda session: session.execute(
            text("UPDATE balances SET real = real + 1 WHERE player_id = :p"), {"p": player_id}
        )
    )
    page = agent.page(f"/players/{player_id}/explanation")
    assert "This does not add up." in page.text
    assert "The balance says 100.01 real" in page.text
    assert "adds up" not in rows(page)["Balance"][-1]


def prove(session: Session, *, findings: list[dict[str, object]], at: dt.datetime) -> None:
    session.execute(
        text("""
        INSERT INTO verifications (started_at, finished_at, ok, entries, balances, anchors, findings)
        VALUES (:at, :at, :ok, 1, 1, 1, :findings)
        """),
        {"at": at, "ok": not findings, "findings": json.dumps(findings)},
    )


def test_what_proves_it(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), lively_player(desk)
    said = facts(agent.page(f"/players/{player_id}/explanation"))
    assert said["Last proof of every hash and sum"] == "none yet; it runs every night"
    assert said["Sealed by"] == "no anchor yet; one is taken every night"

    def proof(session: Session) -> None:
        prove(session, findings=[], at=AT - dt.timedelta(hours=1))
        session.execute(
            text("""
            WITH a AS (
              INSERT INTO anchors (id, taken_at, balances, entries, heads, root, seal)
              VALUES (14, :at, 1, 5, 1, sha256('r'), sha256('s')) RETURNING id)
            INSERT INTO anchor_heads (player_id, currency, version, anchor_id, head)
            SELECT :p, 'USD', 5, a.id, sha256('h') FROM a
            """),
            {"p": player_id, "at": AT - dt.timedelta(hours=1)},
        )

    desk.write(proof)
    said = facts(agent.page(f"/players/{player_id}/explanation"))
    assert said["Last proof of every hash and sum"] == "2 Mar 2026, 13:00:00 · 1 entry has come since"
    assert said["Sealed by"] == (
        "anchor 14 of 2 Mar 2026, 13:00:00 · entries 1 to 5; the next anchor seals 1 more"
    )


def test_a_finding_in_this_journal_is_told_and_others_are_not(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), lively_player(desk)
    about = {"currency": "USD", "message": "Entry 2 was edited."}
    elsewhere = {"player_id": player_id + 1, "currency": "USD", "message": "Not yours."}
    desk.write(lambda session: prove(session, findings=[{**about, "player_id": player_id}, elsewhere], at=AT))
    said = agent.page(f"/players/{player_id}/explanation").text
    assert "The last proof found something in this journal.Entry 2 was edited." in said
    assert "Not yours" not in said


def test_bonus_money_has_a_column_of_its_own(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)

    def work(session: Session) -> None:
        for amount, kind in ((2_000, ChangeType.BONUS_GRANT), (-500, ChangeType.BONUS_EXPIRY)):
            request = balances.Request(
                player_id=player_id,
                currency="USD",
                change_type=kind,
                real_delta=0,
                bonus_delta=amount,
                reason="Welcome",
                idempotency_key=kind,
            )
            balances.change(session, request=request, actor=SYSTEM, now=AT)

    desk.write(work)
    table = rows(agent.page(f"/players/{player_id}/explanation"))
    assert table["Bonuses granted"][:3] == ["1", "0.00", "+20.00"]
    assert table["Bonuses expired"][:3] == ["1", "0.00", "−5.00"]
    assert table["Balance"] == ["3", "100.00", "15.00", "adds up"]


def test_each_currency_explains_itself(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000)
    desk.write(
        lambda session: builders.change(session, player_id, 1_500, ChangeType.DEPOSIT, currency="JPY", now=AT)
    )
    assert rows(agent.page(f"/players/{player_id}/explanation?currency=JPY"))["Balance"][1] == "1,500"
    for missing in ("EUR", "CHF", "x"):
        assert agent.get(f"/players/{player_id}/explanation?currency={missing}").status_code == 404


def test_it_is_a_dialog_for_htmx_and_stands_on_the_balance_card(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=1_000)
    (link,) = (
        link
        for link in agent.page(f"/players/{player_id}").all("a")
        if link.text == "Why is this the balance?"
    )
    part = Page(agent.get(link["href"], htmx=True))
    assert part.one("h2", id="dialog-title").text == "Why is this the balance?"
    assert not part.all("html")
    assert "Why is this" not in agent.page(f"/players/{player_id}?currency=EUR").by_id("balance-card").text


def test_it_takes_few_statements(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), lively_player(desk)
    path = f"/players/{player_id}/explanation"
    # One for the session; as a part the frame asks nothing.
    assert desk.count_queries(lambda: agent.get(path, htmx=True)) <= 5, desk.queries


def test_who_may(desk: Desk) -> None:
    path = f"/players/{desk.player(balance_minor=1)}/explanation"
    assert desk.sign_in(Role.PARTNER).get(path).status_code == 403
    assert desk.sign_in(Role.AUDITOR).get(path).status_code == 200
    elsewhere = desk.write(
        lambda session: builders.make_player(
            session, operator_id=builders.make_operator(session), balance_minor=100
        )
    )
    assert desk.sign_in().get(f"/players/{elsewhere}/explanation").status_code == 404
    assert desk.sign_in().client.post(path).status_code == 405
