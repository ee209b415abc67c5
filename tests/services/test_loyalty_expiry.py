"""What lapses by itself: the job and an act of the member write the same, each batch once, on its day."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Rejected
from dashboard.models.loyalty import TierLoss
from dashboard.services import chain, loyalty_expiry, points, points_standing
from dashboard.services.actors import SYSTEM
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_operator, make_player

LATER = dt.datetime(2028, 3, 4, 12, tzinfo=dt.UTC)
"""Two years and two days later."""
Act = Callable[[Session, int, dt.datetime], object]


def load(session: Session, player_id: int, units: int, *, now: dt.datetime = NOW) -> None:
    points.load(
        session,
        player_id=player_id,
        payment=Payment(units * 100),
        notes="Paid at the desk",
        idempotency_key=f"load {now} {units}",
        actor=SYSTEM,
        now=now,
    )


def redeem(session: Session, player_id: int, number: int, *, now: dt.datetime) -> points.Done:
    return points.redeem(
        session,
        player_id=player_id,
        points=number,
        notes="Massage",
        idempotency_key=f"redeem {now} {number}",
        actor=SYSTEM,
        now=now,
    )


def by_the_job(session: Session, player_id: int, now: dt.datetime) -> None:
    """As the worker does it."""
    while loyalty_expiry.expire_due(session, now=now, limit=100):
        pass
    while loyalty_expiry.review_due(session, now=now, limit=100):
        pass


def by_an_act(session: Session, player_id: int, now: dt.datetime) -> None:
    """As each act of the member begins."""
    member = points_standing.lock(session, player_id=player_id, actor=SYSTEM, now=now)
    points.settle_day(session, member, now)


def written(session: Session, player_id: int) -> dict[str, list[dict[str, Any]]]:
    """All that is stored about a member."""
    tables = {
        "loyalty_wallets": "player_id",
        "loyalty_entries": "sequence",
        "points_batches": "number",
        "points_allocations": "sequence, place",
        "tier_history": "sequence",
        "loyalty_months": "month",
    }
    found = {}
    for table, order in tables.items():
        of_whom = "true" if table == "loyalty_months" else "player_id = :p"
        rows = session.execute(
            text(f"SELECT * FROM {table} WHERE {of_whom} ORDER BY {order}"), {"p": player_id}
        )
        found[table] = [{k: v for k, v in row.items() if k != "id"} for row in rows.mappings()]
    return found


def entries(session: Session, player_id: int, kind: str = "expire") -> list[Mapping[str, Any]]:
    rows = session.execute(
        text("SELECT * FROM loyalty_entries WHERE player_id = :p AND kind = :kind ORDER BY sequence"),
        {"p": player_id, "kind": kind},
    )
    return [dict(row) for row in rows.mappings()]


def remaining(session: Session, player_id: int) -> list[int]:
    return list(
        session.scalars(
            text("SELECT remaining FROM points_batches WHERE player_id = :p ORDER BY number"),
            {"p": player_id},
        )
    )


def the_same(session: Session, player_id: int, now: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """What the job writes, byte for byte what an act writes."""
    outcomes = []
    for way in (by_an_act, by_the_job):
        attempt = session.begin_nested()
        way(session, player_id, now)
        outcomes.append(written(session, player_id))
        attempt.rollback()
    assert outcomes[0] == outcomes[1]
    return outcomes[1]


@pytest.fixture
def player_id(session: Session) -> int:
    return make_player(session, operator_id=make_operator(session))


def test_the_job_writes_byte_for_byte_what_an_act_writes(session: Session, player_id: int) -> None:
    for number, units in enumerate((22_000, 31, 700, 45_000, 1, 92_017)):
        load(session, player_id, units, now=NOW + dt.timedelta(days=number // 2))
    redeem(session, player_id, 25_135, now=NOW + dt.timedelta(days=5))
    session.execute(text("UPDATE loyalty_wallets SET tier_valid_until = '2030-01-01'"))

    found = the_same(session, player_id, NOW + dt.timedelta(days=400))

    lapses = [entry for entry in found["loyalty_entries"] if entry["kind"] == "expire"]
    assert [entry["notes"] for entry in lapses] == [
        "Not used in time: batches 3, 4",
        "Not used in time: batches 5, 6",
    ]
    assert [entry["idempotency_key"] for entry in lapses] == ["expiry:2027-03-03", "expiry:2027-03-04"]
    assert found["loyalty_wallets"][0]["balance"] == 0
    head = chain.GENESIS
    for entry in found["loyalty_entries"]:
        head = chain.digest(entry, head, form=chain.POINTS_FORMAT)
        assert bytes(entry["hash"]) == head


def test_many_batches_of_a_day_are_counted_and_not_named(session: Session, player_id: int) -> None:
    for number in range(130):
        load(session, player_id, 1 + number)

    found = the_same(session, player_id, NOW + dt.timedelta(days=400))

    assert found["loyalty_entries"][-1]["notes"] == "Not used in time: 130 batches"
    assert found["loyalty_entries"][-1]["points"] == -sum(range(1, 131))


def test_very_large_batches_are_divided_without_overflow(session: Session, player_id: int) -> None:
    session.execute(text("UPDATE loyalty_tiers SET points = points * 10000"))
    load(session, player_id, 9_999_999_999_999)
    redeem(session, player_id, 54_321_987_654_321_000, now=NOW)
    session.execute(text("UPDATE loyalty_wallets SET tier_valid_until = '2030-01-01'"))

    found = the_same(session, player_id, NOW + dt.timedelta(days=400))

    assert found["loyalty_wallets"][0]["balance"] == 0


@pytest.mark.parametrize(
    ("zone", "loaded", "last"),
    [
        ("Europe/Malta", dt.date(2025, 3, 28), dt.date(2026, 3, 28)),  # the night before 23 hours
        ("Europe/Malta", dt.date(2025, 3, 29), dt.date(2026, 3, 29)),  # the day of 23 hours
        ("Europe/Malta", dt.date(2025, 10, 24), dt.date(2026, 10, 24)),
        ("Europe/Malta", dt.date(2025, 10, 25), dt.date(2026, 10, 25)),  # of 25
        ("Pacific/Kiritimati", dt.date(2025, 3, 29), dt.date(2026, 3, 29)),
        ("Pacific/Pago_Pago", dt.date(2025, 10, 25), dt.date(2026, 10, 25)),
    ],
)
def test_a_batch_lapses_at_the_operators_midnight(
    session: Session, zone: str, loaded: dt.date, last: dt.date
) -> None:
    player = make_player(session, operator_id=make_operator(session, timezone=zone))
    load(session, player, 100, now=clock.between(loaded, loaded, zone).start)
    midnight = clock.between(last, last + dt.timedelta(days=1), zone).end
    just_before = midnight - dt.timedelta(microseconds=1)

    assert loyalty_expiry.expire_due(session, now=just_before, limit=10) == []
    redeem(session, player, 10, now=just_before)
    done = loyalty_expiry.expire_due(session, now=midnight, limit=10)

    assert [(each.player_id, each.batches) for each in done] == [(player, 1)]
    assert loyalty_expiry.expire_due(session, now=midnight, limit=10) == []
    assert [entry["points"] for entry in entries(session, player)] == [-90]
    with pytest.raises(Rejected, match="There are 0 points"):
        redeem(session, player, 1, now=midnight)


def test_each_operator_has_its_own_day(session: Session) -> None:
    zones = ("Pacific/Kiritimati", "Europe/Malta", "Pacific/Pago_Pago")
    players = [make_player(session, operator_id=make_operator(session, timezone=zone)) for zone in zones]
    for player, zone in zip(players, zones, strict=True):
        load(session, player, 5, now=clock.between(dt.date(2025, 6, 1), dt.date(2025, 6, 1), zone).start)
    lapsed = []
    for hour in range(10, 36, 1):
        now = dt.datetime(2026, 6, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        lapsed += [(hour, each.player_id) for each in loyalty_expiry.expire_due(session, now=now, limit=10)]
    # Midnight is at 10:00, 22:00 and, of the day after, 11:00 UTC.
    assert lapsed == [(10, players[0]), (22, players[1]), (35, players[2])]


def test_at_most_so_many_at_once_and_the_soonest_first(session: Session) -> None:
    operator_id = make_operator(session)
    players = [make_player(session, operator_id=operator_id) for _ in range(5)]
    for number, player in enumerate(reversed(players)):
        load(session, player, 5, now=NOW + dt.timedelta(days=number))
    rounds = []
    while done := loyalty_expiry.expire_due(session, now=LATER, limit=2):
        rounds.append([each.player_id for each in done])
    assert [sorted(each) for each in rounds] == [players[3:], players[1:3], players[:1]]


def test_after_two_years_each_day_has_its_entry(session: Session, player_id: int) -> None:
    for month in range(20):
        load(session, player_id, 10, now=NOW + dt.timedelta(days=30 * month))
    found = the_same(session, player_id, LATER + dt.timedelta(days=400))
    assert len([entry for entry in found["loyalty_entries"] if entry["kind"] == "expire"]) == 20
    assert found["loyalty_wallets"][0]["expired"] == 200


@pytest.mark.parametrize("tier_loss", TierLoss)
@pytest.mark.parametrize(
    ("paid_later", "expected"),
    [
        ({}, {"one_step": ["gold", "silver", None], "qualifying": [None]}),
        ({100: 22_000}, {"one_step": ["gold", "silver", None], "qualifying": ["silver", None]}),
        ({100: 50_000, 364: 42_000}, {"one_step": None, "qualifying": None}),
    ],
)
def test_tiers_end_by_the_job_as_by_an_act(
    session: Session,
    player_id: int,
    tier_loss: TierLoss,
    paid_later: dict[int, int],
    expected: dict[str, list[str | None] | None],
) -> None:
    session.execute(text("UPDATE loyalty_programmes SET tier_loss = :loss"), {"loss": tier_loss})
    load(session, player_id, 92_000, now=NOW - dt.timedelta(days=1))
    for days, units in paid_later.items():
        load(session, player_id, units, now=NOW + dt.timedelta(days=days))

    found = the_same(session, player_id, NOW + dt.timedelta(days=366 * 3 + 30))

    codes = {row.id: row.code for row in session.execute(text("SELECT id, code FROM loyalty_tiers"))}
    later = found["tier_history"][1:]
    tiers = [codes.get(row["tier_id"]) for row in later]
    if (steps := expected[tier_loss]) is None:
        assert (later[0]["change"], tiers[0]) == ("renewal", "platinum")
    else:
        assert tiers[: len(steps)] == steps
        assert {row["change"] for row in later} == {"downgrade"}
        assert tiers[-1] is None


def test_a_tier_is_reviewed_after_its_last_day_and_once(session: Session, player_id: int) -> None:
    load(session, player_id, 22_000)
    midnight = clock.between(dt.date(2027, 3, 3), dt.date(2027, 3, 3), "Europe/Malta").start
    before = midnight - dt.timedelta(microseconds=1)
    assert loyalty_expiry.review_due(session, now=before, limit=10) == []
    assert [player for _, player in loyalty_expiry.review_due(session, now=midnight, limit=10)] == [player_id]
    assert loyalty_expiry.review_due(session, now=midnight, limit=10) == []
    assert len(entries(session, player_id, "transfer_tier")) == 2


def test_a_suspended_member_loses_points_and_tier_too(session: Session, player_id: int) -> None:
    load(session, player_id, 22_000)
    session.execute(
        text("UPDATE loyalty_wallets SET status = 'suspended', status_reason = 'Asked', status_at = now()")
    )
    by_the_job(session, player_id, LATER)
    assert remaining(session, player_id) == [0]
    assert session.scalar(text("SELECT tier_id FROM loyalty_wallets")) is None
