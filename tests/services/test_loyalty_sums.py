"""What moved by day and members by tier, as sums in any number of rows."""

import datetime as dt
from collections import Counter, defaultdict
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.queries import loyalty as queries
from dashboard.services import loyalty_sums, points
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_player
from tests.services import membership
from tests.services.membership import Membership, prove_sums

LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def member(session: Session) -> Membership:
    """A member who came to a tier and used points on two days; two others who have some as well."""
    found = membership.join(session)
    found.load(22_000_00)
    found.redeem(100)
    found.redeem(200, now=LATER)
    found.redeem(300, now=LATER)
    other = make_player(session, operator_id=found.operator_id)
    points.adjust(session, **found.named(player_id=other, points=7, reason="Welcome"))
    third = make_player(session, operator_id=found.operator_id)
    points.load(session, **found.named(player_id=third, payment=Payment(10_00), notes="Paid"))
    return found


def rows(session: Session, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4"))]


def totals(session: Session, table: str) -> list[tuple[Any, ...]]:
    """The sums without the ids of their rows."""
    keys = 3 if table == "loyalty_days" else 2
    found: dict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    for row in rows(session, table):
        found[row[:keys]].update(dict(enumerate(row[keys + 1 :])))
    return sorted((*key, *sums.values()) for key, sums in found.items())


def test_many_rows_become_one_each(session: Session, member: Membership) -> None:
    before = rows(session, "loyalty_days")
    loyalty_sums.fold(session)
    after = rows(session, "loyalty_days")
    prove_sums(session)
    assert (len(before), len(after)) == (7, 5)
    keys = {row[:3] for row in before}
    assert [row[:3] for row in after] == sorted(keys)
    assert {row[3] for row in after} < {row[3] for row in before}  # the first id of each stays
    redeemed = next(row for row in after if row[1:3] == (LATER.date(), "redeem"))
    assert redeemed[4:] == (2, -500, 0)
    loaded = next(row for row in after if row[2] == "load")
    assert loaded[4:] == (2, 25_010, 22_010_00)
    members = rows(session, "tier_members")
    assert [row[3] for row in members] == [2, 1]
    loyalty_sums.fold(session)
    assert (rows(session, "loyalty_days"), rows(session, "tier_members")) == (after, members)


def test_what_comes_to_nothing_goes(session: Session, member: Membership) -> None:
    tier = session.scalars(text("SELECT tier_id FROM loyalty_wallets WHERE tier_id IS NOT NULL")).one()
    loyalty_sums.count_members(session, member.operator_id, {tier: -1, None: 1})
    session.execute(
        text("""
        INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)
        SELECT operator_id, day, kind, -entries, -points, -amount FROM loyalty_days WHERE kind = 'redeem'
        """)
    )
    loyalty_sums.fold(session)
    assert {row[2] for row in rows(session, "loyalty_days")} == {"load", "transfer_tier", "adjustment"}
    assert [(row[1], row[3]) for row in rows(session, "tier_members")] == [(0, 3)]


@pytest.mark.parametrize("is_folded", [False, True])
def test_the_figures_are_the_same_before_and_after(
    session: Session, member: Membership, *, is_folded: bool
) -> None:
    if is_folded:
        loyalty_sums.fold(session)
    counted = queries.count_members(session, operator_id=member.operator_id)
    assert (counted.there, counted.without_tier) == (3, 2)
    moved = partial(queries.list_moved, session, operator_id=member.operator_id)
    since = {row.kind: (row.entries, row.points, row.amount) for row in moved(since=NOW)}
    assert since == {"adjustment": (1, 7, 0), "load": (2, 25_010, 22_010_00), "redeem": (3, -600, 0)}
    assert [(row.kind, row.entries) for row in moved(since=NOW + dt.timedelta(microseconds=1))] == [
        ("redeem", 2)
    ]
    assert moved(since=LATER + dt.timedelta(microseconds=1)) == []


def test_what_nobody_counted_is_counted_once(session: Session, member: Membership) -> None:
    """An older release writes entries and wallets, and no sums; of others there may be too many."""
    assert loyalty_sums.mend(session) == 0
    right = {table: totals(session, table) for table in ("loyalty_days", "tier_members")}
    session.execute(text("DELETE FROM loyalty_days WHERE kind IN ('load', 'expire')"))
    session.execute(
        text(
            "INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)"
            " SELECT operator_id, day + 9, kind, 1, 1, 1 FROM loyalty_days LIMIT 1"
        )
    )
    session.execute(text("DELETE FROM tier_members WHERE tier_id = 0"))
    tier = session.scalars(text("SELECT tier_id FROM loyalty_wallets WHERE tier_id IS NOT NULL")).one()
    loyalty_sums.count_members(session, member.operator_id, {tier: 1})
    assert loyalty_sums.mend(session) == 4
    prove_sums(session)
    loyalty_sums.fold(session)
    assert {table: totals(session, table) for table in right} == right
    assert loyalty_sums.mend(session) == 0


def test_another_operator_has_sums_of_its_own(session: Session, member: Membership) -> None:
    other = membership.join(session)
    other.load(45_000_00)
    counted = queries.count_members(session, operator_id=other.operator_id)
    assert (counted.there, counted.without_tier) == (1, 0)
    [moved] = queries.list_moved(session, operator_id=other.operator_id, since=NOW)
    assert (moved.entries, moved.amount) == (1, 45_000_00)
