"""GET /players/<id>?as_of=…: the page as of a moment."""

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, vip_rules, wallets
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Desk

HOUR = dt.timedelta(hours=1)


def player_with_history(desk: Desk) -> int:
    """100.00, 101.00 and 102.00 in USD, at 11, 12 and 13 o'clock in Malta; opened with nothing."""
    player_id = desk.player()

    def work(session: Session) -> None:
        for number in range(3):
            at = AT - HOUR * (3 - number)
            builders.change(session, player_id, 10_000 + number * 100, ChangeType.DEPOSIT, now=at)

    desk.write(work)
    return player_id


def sequences(page: Page) -> list[int]:
    return [
        int(row["id"].rsplit("-")[-1]) for row in page.all("tr") if (row.get("id") or "").startswith("entry-")
    ]


@pytest.mark.parametrize(
    ("at", "real", "entries"),
    [
        ("2026-03-02T10:59", "0.00", []),
        ("2026-03-02T11:00", "100.00", [1]),
        ("2026-03-02T12:30", "201.00", [2, 1]),
        ("2026-03-02T12:59:59", "201.00", [2, 1]),
        ("2026-03-02T14:00", "303.00", [3, 2, 1]),
        # The same instants, named otherwise.
        ("2026-03-02T11:00:00Z", "201.00", [2, 1]),
        ("2026-03-02T10:59:59.999999Z", "100.00", [1]),
        ("2026-03-02T06:00-05:00", "201.00", [2, 1]),
    ],
)
def test_balance_and_journal_are_those_of_the_moment(
    desk: Desk, at: str, real: str, entries: list[int]
) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    page = agent.page(f"/players/{player_id}?as_of={at}")
    assert f"Real {real} USD Withdrawable {real} Bonus 0.00 Pending withdrawal 0.00" in page.text
    assert sequences(page) == entries


def test_it_says_which_moment_it_is_and_nothing_acts(desk: Desk) -> None:
    manager, player_id = desk.sign_in(Role.MANAGER), player_with_history(desk)
    page = manager.page(f"/players/{player_id}?as_of=2026-03-02T12:30")
    banner = next(part for part in page.all("section") if "As of" in (part.get("aria-label") or ""))
    assert "As of 2 Mar 2026, 12:30:00" in banner.text
    assert "After entry 2." in banner.text
    (back,) = (link for link in page.all("a") if link.text == "Back to now")
    assert back["href"] == f"/players/{player_id}?currency=USD"
    main = page.one("main")
    assert not [form for form in page.all("form", method="post") if form.is_within(main)]
    assert not [
        part for part in page.elements if part.is_within(main) and "live:" in (part.get("hx-trigger") or "")
    ]
    why = "This is the page as of 2 Mar 2026, 12:30: go back to now to act."
    idle = [part for part in page.all("button", aria_disabled="true") if part.is_within(main)]
    assert [part.text.partition(".")[0] for part in idle] == ["Freeze…", "Close…", "Adjust balance"]
    assert {part["title"] for part in idle} == {why}


def test_an_entry_opened_from_there_is_not_reversed_either(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    page = agent.page(f"/players/{player_id}?as_of=2026-03-02T12:30")
    (link, *_others) = page.all("a", class_="entry-link")
    assert agent.get(link["hx-get"], htmx=True).status_code == 200
    entry = agent.page(link["href"])
    assert not [form for form in entry.all("form", method="post") if form.is_within(entry.one("main"))]
    (button,) = entry.all("button", aria_disabled="true")
    assert "go back to now to act" in button.text


def test_an_entry_leads_to_just_before_and_just_after_it(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    # Three entries of one instant: only their order tells before from after.
    desk.write(
        lambda session: [
            builders.change(session, player_id, 100 * number, ChangeType.DEPOSIT, now=AT)
            for number in (1, 2, 3)
        ]
    )
    entry = agent.page(f"/players/{player_id}/entries/USD/2")
    ways = {link.text: link["href"] for link in entry.all("a")}
    before, after = agent.page(ways["just before"]), agent.page(ways["just after"])
    assert sequences(before) == [1]
    assert "Real 1.00 USD" in before.text
    assert sequences(after) == [2, 1]
    assert "Real 3.00 USD" in after.text
    # And from there one goes on, entry by entry.
    ways = {link.text: link["href"] for link in after.all("a")}
    assert sequences(agent.page(ways["Entry after"])) == [3, 2, 1]
    assert sequences(agent.page(ways["Entry before"])) == [1]
    ways = {link.text: link["href"] for link in before.all("a")}
    first = agent.page(ways["Entry before"])
    assert "Before the first entry." in first.text
    assert "Nothing had moved in USD yet" in first.text


def test_status_and_level_are_those_of_the_moment(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100)

    def work(session: Session) -> None:
        maya = builders.actor_of(
            builders.make_login(session, operator_id=desk.operator_id, role=Role.MANAGER, name="Maya Okafor")
        )
        vip_rules.set_level(
            session, player_id=player_id, actor=maya, level=Level.GOLD, reason="VIP", now=AT - 4 * HOUR
        )
        wallets.freeze(session, player_id=player_id, actor=maya, reason="Lost card", now=AT - 3 * HOUR)
        wallets.unfreeze(session, player_id=player_id, actor=maya, reason="Found", now=AT - 2 * HOUR)
        vip_rules.set_level(
            session, player_id=player_id, actor=maya, level=Level.SILVER, reason="Too high", now=AT - HOUR
        )

    desk.write(work)
    for at, status, level, lowest in (
        ("09:59", "Active", "No level", "−10,000.00"),
        ("10:00", "Active", "Gold", "−15,000.00"),
        ("11:30", "Frozen", "Gold", "−15,000.00"),
        ("12:00", "Active", "Gold", "−15,000.00"),
        ("13:30", "Active", "Silver", "−10,000.00"),
    ):
        page = agent.page(f"/players/{player_id}?as_of=2026-03-02T{at}")
        tags = [tag.text for tag in page.all("span", class_="tag") if tag.text != "Play money"]
        assert tags == [status, level], at
        assert ("Lost card — Maya Okafor, 2 Mar 2026, 11:00:00" in page.text) == (status == "Frozen")
        if at >= "13":  # rules begin with the operator, at 13 o'clock
            assert f"Lowest real balance{lowest}" in page.text
    closed = desk.player()
    desk.write(
        lambda session: wallets.close(session, player_id=closed, reason="Asked", actor=SYSTEM, now=AT - HOUR)
    )
    assert "This wallet was closed. Asked — System" in agent.page(
        f"/players/{closed}?as_of=2026-03-02T13:30"
    ).text.replace("closed.Asked", "closed. Asked")


def test_the_rule_in_force_and_what_was_used_of_it(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    minute = dt.timedelta(minutes=1)

    def work(session: Session) -> None:
        builders.change(session, player_id, 70_000, ChangeType.DEPOSIT, now=AT - 15 * HOUR)  # the day before
        builders.change(session, player_id, 200_000, ChangeType.DEPOSIT, now=AT - 40 * minute)
        builders.change(session, player_id, -50_000, ChangeType.WITHDRAWAL, now=AT - 20 * minute)
        session.execute(
            text("""
            INSERT INTO vip_rule_versions
            SELECT (jsonb_populate_record(v, jsonb_build_object(
                     'version', 2, 'daily_limit', 9000000, 'changed_at', CAST(:at AS timestamptz)))).*
            FROM vip_rule_versions v
            WHERE v.operator_id = :o AND v.level = 'default' AND v.currency = 'USD'
            """),
            {"at": AT - 20 * minute, "o": desk.operator_id},
        )

    desk.write(work)
    for at, used, version in (
        ("12:59", "No VIP rule was in force for USD yet.", ""),
        ("13:19", "0.00 of 25,000.00", "rule version 1"),
        ("13:39", "2,000.00 of 25,000.00", "rule version 1"),
        ("13:40", "2,500.00 of 90,000.00", "rule version 2"),
    ):
        page = agent.page(f"/players/{player_id}?as_of=2026-03-02T{at}")
        assert used in page.text, at
        assert version in page.text


def test_what_was_pending_then(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=10_000)
    desk.write(lambda session: ask_and_cancel(session, player_id, desk.operator_id))
    for at, said in (
        ("13:14", "Withdrawable 100.00 Bonus 0.00 Pending withdrawal 0.00"),
        ("13:15", "Withdrawable 70.00 Bonus 0.00 Pending withdrawal 30.00"),
        ("13:44", "Withdrawable 70.00 Bonus 0.00 Pending withdrawal 30.00"),
        ("13:45", "Withdrawable 100.00 Bonus 0.00 Pending withdrawal 0.00"),
    ):
        assert said in agent.page(f"/players/{player_id}?as_of=2026-03-02T{at}").text, at


def ask_and_cancel(session: Session, player_id: int, operator_id: int) -> None:
    """A withdrawal of 30.00, requested at 13:15 and cancelled at 13:45."""
    asked, ended = AT - dt.timedelta(minutes=45), AT - dt.timedelta(minutes=15)
    session.execute(
        text("""
        INSERT INTO withdrawals (player_id, operator_id, currency, amount, reason, idempotency_key,
                                 fingerprint, requested_by, requested_at)
        VALUES (:p, :o, 'USD', 3000, 'To the bank', 'w-1', sha256('w'), 'system', :at)
        """),
        {"p": player_id, "o": operator_id, "at": asked},
    )
    session.execute(
        text("""
        UPDATE withdrawals SET state = 'cancelled', ended_by = 'system', ended_at = :at WHERE player_id = :p
        """),
        {"p": player_id, "at": ended},
    )


def test_what_was_undone_later_had_not_been_undone(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    desk.write(
        lambda session: balances.reverse(
            session,
            player_id=player_id,
            currency="USD",
            sequence=3,
            reason="Wrong",
            actor=SYSTEM,
            idempotency_key="undo",
            now=AT,
        )
    )
    assert "reversed by" not in agent.page(f"/players/{player_id}?as_of=2026-03-02T13:30").text
    assert "reversed by 4" in agent.page(f"/players/{player_id}?as_of=2026-03-02T14:00").text


def test_alerts_that_were_open_then(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100_000)

    def work(session: Session) -> None:
        builders.change(session, player_id, -95_000, ChangeType.WITHDRAWAL, now=AT - HOUR / 2)
        builders.change(session, player_id, 500_000, ChangeType.DEPOSIT, now=AT)

    desk.write(work)
    for at, said in (("13:29", False), ("13:30", True), ("13:59:59", True), ("14:00", False)):
        page = agent.page(f"/players/{player_id}?as_of=2026-03-02T{at}")
        assert ("Critical raised 2 Mar 2026, 13:30:00" in page.text) == said, at
    assert "Nothing asked for attention." in agent.page(f"/players/{player_id}?as_of=2026-03-02T13:29").text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("2026-03-02T14:01", "That has not come yet"),
        ("2031-01-01T00:00", "That has not come yet"),
        ("2025-03-30T02:30", "02:30 did not come on 30 Mar 2025: the clocks went forward over it."),
        ("yesterday", "Enter a day and a time"),
        ("2026-02-30T10:00", "There is no such day or time."),
        ("2026-02-03", "Enter a day and a time"),
        ("0001-01-01T00:00", "a moment of our time"),
        ("9999-12-31T23:59", "a moment of our time"),
        ("٢٠٢٦-03-02T10:00", "Enter a day and a time"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_at_the_field(desk: Desk, typed: str, message: str) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    page = agent.page(f"/players/{player_id}?as_of={typed}", status=422)
    assert message in page.by_id("past-as_of-error").text
    assert page.by_id("past-as_of")["aria-invalid"] == "true"
    assert page.by_id("past-as_of")["value"] == typed
    # It is the present page, with its forms.
    assert sequences(page) == [3, 2, 1]
    assert page.by_id("adjust")


def test_a_moment_that_came_twice_says_so_and_leads_to_the_other(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()

    def work(session: Session) -> None:
        for number, at in enumerate(("00:30", "01:30"), start=1):
            moment = dt.datetime.fromisoformat(f"2025-10-26T{at}+00:00")
            builders.change(session, player_id, number * 100, ChangeType.DEPOSIT, now=moment)

    desk.write(work)
    first = agent.page(f"/players/{player_id}?as_of=2025-10-26T02:45")
    assert "this time came twice, and this is the first." in first.text
    assert sequences(first) == [1]
    (way,) = (link["href"] for link in first.all("a") if link.text == "Show the second")
    second = agent.page(way)
    assert "this is the second" in second.text
    assert sequences(second) == [2, 1]
    (way,) = (link["href"] for link in second.all("a") if link.text == "Show the first")
    assert sequences(agent.page(way)) == [1]


def test_the_journal_goes_on_page_by_page(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player()

    def work(session: Session) -> None:
        for number in range(120):
            at = AT - dt.timedelta(minutes=120 - number)
            builders.change(session, player_id, 100, ChangeType.DEPOSIT, now=at)

    desk.write(work)
    page = agent.page(f"/players/{player_id}?as_of=2026-03-02T13:50")  # the entry of 13:50 is the 111th
    assert sequences(page) == list(range(111, 61, -1))
    (link,) = (link for link in page.all("a") if link.text == "Load 50 more")
    rows = Page(agent.get(link["hx-get"], htmx=True))
    assert sequences(rows) == list(range(61, 11, -1))
    plain = agent.page(link["href"])
    assert sequences(plain) == list(range(61, 11, -1))
    assert "As of 2 Mar 2026, 13:50:00" in plain.text


def test_another_currency_keeps_the_moment(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    desk.write(
        lambda session: builders.change(
            session, player_id, 1_500, ChangeType.DEPOSIT, currency="JPY", now=AT - 2 * HOUR
        )
    )
    page = agent.page(f"/players/{player_id}?as_of=2026-03-02T12:30")
    (way,) = (link["href"] for link in page.all("a") if link.text == "JPY 1,500")
    assert "Real 1,500 JPY" in agent.page(way).text
    earlier = agent.page(f"/players/{player_id}?currency=JPY&as_of=2026-03-02T11:59")
    assert "Real 0 JPY" in earlier.text
    agent.page(f"/players/{player_id}?currency=CHF&as_of=2026-03-02T11:59", status=404)


def test_before_there_was_a_player(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=100, name="Priya Raman")
    page = agent.page(f"/players/{player_id}?as_of=2026-03-01T12:00")
    assert "Priya Raman was not known here yet, only since 2 Mar 2026, 13:00:00." in page.text
    assert "Real 0.00 USD" in page.text


def test_the_journal_leads_there(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    page = agent.page(f"/players/{player_id}")
    field = page.by_id("past-as_of")
    assert (field["type"], field.get("value")) == ("datetime-local", "")
    assert not [part for part in page.elements if part.get("id") == "past-as_of-error"]
    # An empty field asks for nothing.
    assert sequences(agent.page(f"/players/{player_id}?currency=USD&as_of=")) == [3, 2, 1]


def test_it_takes_few_statements(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), player_with_history(desk)
    path = f"/players/{player_id}?as_of=2026-03-02T12:30"
    assert desk.count_queries(lambda: agent.get(path)) <= 12, desk.queries


def test_who_may(desk: Desk) -> None:
    player_id = player_with_history(desk)
    path = f"/players/{player_id}?as_of=2026-03-02T12:30"
    assert desk.sign_in(Role.PARTNER).get(path).status_code == 403
    auditor = desk.sign_in(Role.AUDITOR).page(path)
    assert not auditor.all("button", aria_disabled="true")
    elsewhere = desk.write(
        lambda session: builders.make_player(session, operator_id=builders.make_operator(session))
    )
    assert desk.sign_in().get(f"/players/{elsewhere}?as_of=2026-03-02T12:30").status_code == 404
