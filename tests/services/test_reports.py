"""Rows of reports against plain sums of the tables, and never another operator's; reports that are kept."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.queries import report_subjects, saved_reports
from dashboard.queries import reports as queries
from dashboard.queries.report_fields import Source
from dashboard.queries.reports import Row
from dashboard.services import report_definitions, reports, rollups
from dashboard.services.actors import Actor
from dashboard.services.report_definitions import Choice, Definition, Filter, Operation, PeriodKind
from tests import builders
from tests.builders import NOW
from tests.services.house import House, open_house
from tests.services.report_house import DAY, change, fill, read, within


@pytest.fixture
def house(session: Session) -> House:
    """One operator beside another that has had all of the same."""
    fill(session)
    return fill(session)


def sums(rows: list[Row], *names: str) -> dict[tuple[str, ...], tuple[int, ...]]:
    """By currency."""
    found: dict[tuple[str, ...], tuple[int, ...]] = {}
    for row in rows:
        key = (row["currency"],)
        before = found.get(key, (0,) * len(names))
        found[key] = tuple(had + (row[name] or 0) for had, name in zip(before, names, strict=True))
    return found


PLAIN: Mapping[str, tuple[tuple[str, ...], str]] = {
    "balance-changes": (
        ("real", "bonus"),
        "SELECT currency, sum(real_delta), sum(bonus_delta) FROM wallet_entries"
        " WHERE operator_id = :o AND created_at >= :s AND created_at < :e GROUP BY 1",
    ),
    "player-days": (
        ("deposits", "withdrawals", "stakes", "payouts", "entries"),
        "SELECT currency, sum(CASE WHEN change_type = 'deposit' THEN real_delta ELSE 0 END),"
        " sum(CASE WHEN change_type = 'withdrawal' THEN real_delta ELSE 0 END),"
        " sum(CASE WHEN change_type = 'wager' THEN real_delta + bonus_delta ELSE 0 END),"
        " sum(CASE WHEN change_type IN ('settlement', 'refund') THEN real_delta + bonus_delta ELSE 0 END),"
        " count(*) FROM wallet_entries"
        " WHERE operator_id = :o AND created_at >= :s AND created_at < :e GROUP BY 1",
    ),
    "adjustments": (
        ("net",),
        "SELECT currency, sum(real_delta + bonus_delta) FROM wallet_entries WHERE operator_id = :o"
        " AND contra_account = 'adjustments' AND created_at >= :s AND created_at < :e GROUP BY 1",
    ),
    "alerts": (
        ("hits",),
        "SELECT currency, sum(hits) FROM alerts"
        " WHERE operator_id = :o AND raised_at >= :s AND raised_at < :e GROUP BY 1",
    ),
    "refusals": (
        ("real",),
        "SELECT currency, sum(real_delta) FROM refusals"
        " WHERE operator_id = :o AND refused_at >= :s AND refused_at < :e GROUP BY 1",
    ),
    "balances": (
        ("real", "bonus", "pending"),
        "SELECT currency, sum(real), sum(bonus), sum(pending) FROM balances"
        " WHERE operator_id = :o GROUP BY 1",
    ),
    "bonuses": (
        ("amount", "remaining"),
        "SELECT currency, sum(amount), sum(remaining) FROM bonuses"
        " WHERE operator_id = :o AND granted_at >= :s AND granted_at < :e GROUP BY 1",
    ),
    "partner-earnings": (
        ("real_profit", "earned"),
        "SELECT s.currency, sum(g.real_profit), sum(s.earned) FROM partner_shown_earnings s"
        " JOIN partner_game_earnings g USING (id) WHERE s.operator_id = :o"
        " AND s.day >= (CAST(:s AS timestamptz) AT TIME ZONE 'Europe/Malta')::date"
        " AND s.day < (CAST(:e AS timestamptz) AT TIME ZONE 'Europe/Malta')::date GROUP BY 1",
    ),
    "points": (
        ("points", "payment"),
        "SELECT 'USD', sum(points), sum(payment_amount) FROM loyalty_entries"
        " WHERE operator_id = :o AND created_at >= :s AND created_at < :e",
    ),
}


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_ready_made_report_comes_to_the_plain_sum(house: House, name: str) -> None:
    names, plain = PLAIN[name]
    whole = Definition(name, columns=(*names, "currency"))
    start, end = within(house, whole).span
    given = {"o": house.operator_id, "s": start, "e": end}
    expected = {(row[0],): tuple(map(int, row[1:])) for row in house.session.execute(text(plain), given)}
    assert expected
    assert any(value for values in expected.values() for value in values)
    assert sums(read(house, whole), *names) == expected
    usual = report_definitions.usual(report_subjects.SOURCES[name].subject)
    totals = queries.totals(house.session, usual, within(house, usual))
    shown = [each for each in names if each in totals[0].sums]
    assert {(total.currency,): tuple(total.sums[each] for each in shown) for total in totals} == {
        key: tuple(value for each, value in zip(names, values, strict=True) if each in shown)
        for key, values in expected.items()
    }


def test_the_trial_balance_is_nothing_in_every_currency(house: House) -> None:
    rows = read(house, Definition("trial-balance"))
    assert {row["account"] for row in rows} >= {"real", "bonus", "cash", "gaming", "promotions"}
    assert set(sums(rows, "amount").values()) == {(0,)}
    held = sum(row["amount"] for row in rows if row["side"] == "players" and row["account"] == "real")
    plain = text("SELECT sum(real) FROM balances WHERE operator_id = :o")
    assert held == house.session.scalar(plain, {"o": house.operator_id})


@pytest.mark.parametrize("rolled", [0, 1, 2, 1_000])
def test_the_trial_balance_is_that_of_all_entries(house: House, rolled: int) -> None:
    rollups.begin(house.session)
    if rolled:
        assert rollups.roll(house.session, each=rolled)
    plain = text(
        "SELECT currency, contra_account, -sum(real_delta + bonus_delta) FROM wallet_entries"
        " WHERE operator_id = :o GROUP BY 1, 2 ORDER BY 1, 2"
    )
    found = [
        (row["currency"], row["account"], row["amount"])
        for row in read(house, Definition("trial-balance"))
        if row["side"] == "house"
    ]
    assert found == [tuple(row) for row in house.session.execute(plain, {"o": house.operator_id})]


def test_loyalty_is_what_batches_hold_by_the_month_of_their_end(house: House) -> None:
    rows = read(house, Definition("loyalty-liability"))
    plain = text(
        "SELECT date_trunc('month', expires_on::timestamp)::date, sum(loaded), sum(remaining)"
        " FROM points_batches WHERE operator_id = :o GROUP BY 1 ORDER BY 1"
    )
    found = house.session.execute(plain, {"o": house.operator_id}).all()
    assert [(row["expires"], row["loaded"], row["remaining"]) for row in rows] == [
        tuple(row) for row in found
    ]
    assert rows


def test_a_day_of_a_player_adds_up_from_opening_to_closing(house: House) -> None:
    whole = Definition(
        "player-days", columns=tuple(each.name for each in report_subjects.PLAYER_DAYS.subject.fields)
    )
    rows = read(house, whole)
    parts = ("opening", "deposits", "bonuses", "stakes", "payouts", "withdrawals", "other")
    assert len(rows) > 4
    assert all(sum(row[part] for part in parts) == row["closing"] for row in rows)
    by_balance: dict[tuple[int, str], int] = {}
    for row in rows:
        key = (row["player_id"], row["currency"])
        assert by_balance.get(key, row["opening"]) == row["opening"]
        by_balance[key] = row["closing"]


def days_of(house: House, player: int, period: Choice) -> list[tuple[Any, ...]]:
    """Day, opening, moved, closing of one player."""
    mine = Filter("player_id", Operation.IS, str(player))
    columns = tuple(each.name for each in report_subjects.PLAYER_DAYS.subject.fields)
    rows = read(house, Definition("player-days", columns=columns, filters=(mine,), period=period))
    parts = ("deposits", "bonuses", "stakes", "payouts", "withdrawals", "other")
    return [(row["day"], row["opening"], sum(row[part] for part in parts), row["closing"]) for row in rows]


def test_days_follow_each_other_whatever_was_dated_into_the_past(house: House) -> None:
    player = builders.make_player(house.session, operator_id=house.operator_id)
    for back, amount in ((3, 100_00), (0, 20_00), (2, 3_00), (40, 1_00), (3, 50)):
        change(house.session, player, amount, ChangeType.DEPOSIT, NOW - back * DAY)
    today = NOW.date()
    three, two = today - 3 * DAY, today - 2 * DAY
    whole = [(three, 1_00, 100_50, 101_50), (two, 101_50, 3_00, 104_50), (today, 104_50, 20_00, 124_50)]
    assert days_of(house, player, Choice(PeriodKind.MONTHLY)) == whole
    assert days_of(house, player, Choice(PeriodKind.CUSTOM, three, two)) == whole[:2], (
        "what came after is not of it"
    )


def test_a_day_that_a_period_cuts_opens_where_it_begins(house: House) -> None:
    player = builders.make_player(house.session, operator_id=house.operator_id)
    for hours, amount in ((24, 5_00), (22, 7_00), (0, 9_00)):
        change(house.session, player, amount, ChangeType.DEPOSIT, NOW - hours * DAY / 24)
    assert [row[1:] for row in days_of(house, player, Choice(PeriodKind.DAILY))] == [
        (5_00, 7_00, 12_00),
        (12_00, 9_00, 21_00),
    ]


@pytest.mark.parametrize(("rate", "value"), [((100, 5_00), 5), ((3, 1), 1 / 3), ((None, None), None)])
def test_points_are_worth_what_the_programme_gives_for_them(
    house: House, rate: tuple[int | None, int | None], value: float | None
) -> None:
    given = text(
        "UPDATE loyalty_programmes SET conversion_points = :p, conversion_amount = :a WHERE operator_id = :o"
    )
    house.session.execute(given, {"p": rate[0], "a": rate[1], "o": house.operator_id})
    liability = Definition("loyalty-liability")
    rows = read(house, liability)
    assert {row["currency"] for row in rows} == {house.currency}
    assert sum(row["remaining"] for row in rows) > 100
    worth = [None if value is None else round(row["remaining"] * value) for row in rows]
    assert [row["value"] for row in rows] == worth
    (total,) = queries.totals(house.session, liability, within(house, liability))
    assert total.sums["value"] == (None if value is None else sum(each or 0 for each in worth))


@pytest.mark.parametrize("name", sorted(report_subjects.SOURCES))
def test_another_operators_rows_are_in_no_report(session: Session, name: str) -> None:
    fill(session)
    empty = open_house(session)
    assert read(empty, Definition(name)) == []


@pytest.mark.parametrize("name", sorted(report_subjects.SOURCES))
def test_every_field_can_be_shown_and_grouped_by(house: House, name: str) -> None:
    subject = report_subjects.SOURCES[name].subject
    everything = tuple(each.name for each in subject.fields)
    rows = read(house, Definition(name, columns=everything))
    assert set(rows[0]) >= set(everything)
    for each in subject.fields:
        if each.can_group:
            grouped = read(house, Definition(name, columns=everything, group=(each.name,)))
            assert sum(row["rows"] for row in grouped) == len(rows)


def test_filters_narrow_and_their_amounts_are_of_the_chosen_currency(house: House) -> None:
    filters = (
        Filter("currency", Operation.IS, "USD"),
        Filter("real", Operation.LEAST, "900"),
        Filter("player", Operation.HAS, "ANN"),
    )
    rows = read(house, Definition("balance-changes", columns=("real", "player"), filters=filters))
    assert {(row["real"], row["player"]) for row in rows} == {(1_000_00, "=Ann()")}
    nobody = Filter("player", Operation.HAS, "%")
    assert read(house, Definition("balance-changes", filters=(nobody,))) == []


def test_groups_are_by_day_of_the_operator(house: House) -> None:
    late = dt.datetime(2026, 3, 1, 23, 30, tzinfo=dt.UTC)  # half an hour into 2 March in Malta
    player = builders.make_player(house.session, operator_id=house.operator_id)
    change(house.session, player, 11_00, ChangeType.DEPOSIT, late)
    mine = Filter("player_id", Operation.IS, str(player))
    (row,) = read(house, Definition("balance-changes", filters=(mine,), group=("day", "week", "month")))
    assert (row["day"], row["week"], row["month"]) == (
        dt.date(2026, 3, 2),
        dt.date(2026, 3, 2),
        dt.date(2026, 3, 1),
    )
    assert (row["rows"], row["real"]) == (1, 11_00)


def test_a_refusal_says_everything_that_was_said(house: House) -> None:
    row, *_rest = read(house, Definition("refusals", columns=("code", "because")))
    assert (row["code"], row["because"]) == ("minimum", "Too little is left. Too much today.")


def test_a_preview_has_the_first_rows_and_the_totals_of_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PREVIEW_ROWS", 3)
    whole = Definition("balance-changes")
    rows = read(house, whole)
    preview = queries.preview(house.session, whole, within(house, whole))
    assert [dict(row) for row in preview.rows] == [dict(row) for row in rows[:3]]
    assert preview.count == len(rows) > 3
    assert {total.currency: total.sums["real"] for total in preview.totals} == {
        key[0]: value for key, (value,) in sums(rows, "real").items()
    }


def test_a_preview_stops_counting_and_adding_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PREVIEW_ROWS", 3)
    monkeypatch.setattr(queries, "COUNT_MOST", 4)
    whole = Definition("balance-changes")
    preview = queries.preview(house.session, whole, within(house, whole))
    assert (preview.count, preview.totals) == (5, [])


def test_a_statement_that_takes_too_long_leaves_the_transaction_as_it_was(house: House) -> None:
    whole = Definition("balance-changes")
    house.session.execute(text("SELECT set_config('statement_timeout', '30ms', true)"))
    slow = Source(
        report_subjects.CHANGES.subject,
        report_subjects.CHANGES.sql + " AND pg_sleep(0.05) IS NOT NULL",
        report_subjects.CHANGES.order,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dict_of_sources(), "balance-changes", slow)
        preview = queries.preview(house.session, whole, within(house, whole))
    assert preview.is_too_long
    house.session.execute(text("SELECT set_config('statement_timeout', '0', true)"))
    assert house.session.scalar(text("SELECT 1")) == 1


def dict_of_sources() -> dict[str, Source]:
    """The catalogue, as something to be changed."""
    found = report_subjects.SOURCES
    assert isinstance(found, dict)
    return found


# Kept ones


@pytest.fixture
def maker(session: Session) -> Actor:
    """A manager."""
    return builders.make_actor(session, operator_id=builders.make_operator(session), role=Role.MANAGER)


def keep(session: Session, actor: Actor, name: str = "Monday", *, is_shared: bool = False) -> int:
    """A report about last week."""
    definition = Definition("balance-changes", period=Choice(PeriodKind.LAST_WEEK))
    return reports.create(
        session, actor=actor, name=name, definition=definition, is_shared=is_shared, now=NOW
    )


def test_a_report_is_its_makers_until_it_is_shared(session: Session, maker: Actor) -> None:
    other = builders.make_actor(session, operator_id=maker.operator_id, role=Role.AUDITOR)
    stranger = builders.make_actor(session, operator_id=builders.make_operator(session), role=Role.MANAGER)
    report_id = keep(session, maker)
    assert [row.id for row in saved_reports.list_reports(session, actor=maker)] == [report_id]
    assert saved_reports.list_reports(session, actor=other) == []
    kept = saved_reports.get_report(session, actor=maker, report_id=report_id)
    definition = report_definitions.read(kept.definition)
    reports.change(
        session,
        actor=maker,
        report_id=report_id,
        name="Every Monday",
        definition=definition,
        is_shared=True,
        now=NOW,
    )
    assert [row.name for row in saved_reports.list_reports(session, actor=other)] == ["Every Monday"]
    assert saved_reports.list_reports(session, actor=stranger) == []
    with pytest.raises(NotFound):
        saved_reports.get_report(session, actor=stranger, report_id=report_id)


def test_only_its_maker_changes_or_deletes_it(session: Session, maker: Actor) -> None:
    other = builders.make_actor(session, operator_id=maker.operator_id, role=Role.ADMIN)
    report_id = keep(session, maker, is_shared=True)
    with pytest.raises(NotFound):
        reports.remove(session, actor=other, report_id=report_id, now=NOW)
    with pytest.raises(NotFound):
        saved_reports.get_own(session, actor=other, report_id=report_id)
    reports.remove(session, actor=maker, report_id=report_id, now=NOW)
    assert saved_reports.list_reports(session, actor=maker) == []
    assert keep(session, maker) != report_id, "its name is free again"


def test_a_name_stands_once_for_each_person(session: Session, maker: Actor) -> None:
    keep(session, maker)
    with pytest.raises(Rejected, match="already") as refused:
        keep(session, maker)
    assert refused.value.field == "name"
    other = builders.make_actor(session, operator_id=maker.operator_id, role=Role.MANAGER)
    assert keep(session, other)


def test_what_was_kept_stands_in_the_staff_log(session: Session, maker: Actor) -> None:
    report_id = keep(session, maker)
    logged = session.execute(text("SELECT action, details FROM staff_log ORDER BY id DESC LIMIT 1")).one()
    assert logged.action == "report.saved"
    assert json.loads(logged.details) == {"report": report_id, "name": "Monday", "is_shared": False}
