"""What `verify` finds of members' points that somebody has edited, both ways."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, select, text
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.models.loyalty import LoyaltyProgramme, LoyaltyTier, RefundPolicy
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    chain,
    loyalty_expiry,
    loyalty_programmes,
    loyalty_wallets,
    points,
    points_check,
    points_conversion,
    points_proof,
    points_refunds,
    points_requests,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.findings import CAP, Check, Covered, Found, Proof
from dashboard.services.points_reckoning import Payment
from tests import builders
from tests.builders import NOW
from tests.conftest import clone, database_url, drop_database
from tests.services.ledger import Ledger

ZONE = dt.timedelta(hours=10)
LATER = dt.datetime(2027, 3, 20, 9, tzinfo=dt.UTC)
"""When what was loaded first has expired, and its tier has ended."""


class _Life:
    """What one member does, a day after the other; each act has its own key."""

    def __init__(self, session: Session, player_id: int, now: dt.datetime = NOW) -> None:
        self._session, self.player_id, self.now, self._acts = session, player_id, now, 0

    def _next(self) -> dict[str, Any]:
        self._acts += 1
        self.now += dt.timedelta(days=1)
        return {
            "player_id": self.player_id,
            "idempotency_key": f"act-{self._acts}",
            "actor": SYSTEM,
            "now": self.now,
        }

    def load(self, amount: int) -> int:
        done = points.load(self._session, payment=Payment(amount), notes="Paid", **self._next())
        return done.entry.sequence

    def redeem(self, number: int | None, price: int | None = None) -> int:
        done = points.redeem(self._session, points=number, price=price, notes="Massage", **self._next())
        return done.entry.sequence

    def refund(self, sequence: int, number: int | None) -> None:
        points_refunds.refund_service(
            self._session, sequence=sequence, points=number, notes="Cancelled", **self._next()
        )

    def reverse(self, sequence: int, amount: int | None) -> None:
        points_refunds.reverse_load(
            self._session, sequence=sequence, amount=amount, notes="Charged back", **self._next()
        )

    def adjust(self, number: int) -> None:
        points.adjust(self._session, points=number, reason="Put right", **self._next())

    def convert(self, number: int) -> int:
        done = points_conversion.convert(self._session, points=number, reason="Asked for", **self._next())
        return done.done.entry.sequence

    def undo(self, sequence: int) -> None:
        points_conversion.undo(self._session, sequence=sequence, reason="By mistake", **self._next())

    def close(self) -> None:
        loyalty_wallets.close(self._session, reason="Moves away", **self._next())


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Members with everything that can become of points."""
    ledger = Ledger(clone(), tmp_path_factory.mktemp("anchors"), ())
    ledger = replace(ledger, players=ledger.transact(_live))
    ledger.anchor(LATER + dt.timedelta(days=60))
    yield ledger
    drop_database(ledger.database)


def _live(session: Session) -> tuple[int, ...]:
    house = builders.make_operator(session)
    manager = builders.make_actor(session, operator_id=house, role=Role.MANAGER)
    _run_by(session, manager, RefundPolicy.GRACE)
    rich, owing, leaving, quiet = (builders.make_player(session, operator_id=house) for _ in range(4))
    builders.change(session, rich, 10_00, ChangeType.DEPOSIT)
    _live_long(session, _Life(session, rich), manager)
    _owe(session, _Life(session, owing), manager)
    _leave(session, _Life(session, leaving), manager)
    _Life(session, quiet).load(22_000_00)
    # Nobody asks about these: the night does it.
    loyalty_expiry.expire_due(session, now=LATER, limit=100)
    loyalty_expiry.review_due(session, now=LATER, limit=100)
    abroad = builders.make_operator(session, currency="JPY", timezone="Pacific/Auckland")
    far = _Life(session, builders.make_player(session, operator_id=abroad), NOW + ZONE)
    far.load(50_000)
    far.refund(far.redeem(123, 400), 45)
    return rich, owing, leaving, quiet, far.player_id


def _run_by(session: Session, manager: Actor, policy: RefundPolicy) -> None:
    found = select(LoyaltyProgramme).filter_by(operator_id=manager.operator_id)
    stored = session.scalars(found.execution_options(populate_existing=True)).one()
    before = {name: getattr(stored, name) for name in loyalty_programmes.SETTINGS}
    named = {"refund_policy": policy, "conversion_points": 100, "conversion_amount": 50}
    settings = loyalty_programmes.Settings(**{**before, **named})
    loyalty_programmes.edit(session, settings=settings, actor=manager, now=NOW)


def _live_long(session: Session, life: _Life, manager: Actor) -> None:
    life.load(22_000_00)
    life.load(1_000_50)
    life.adjust(50)
    service = life.redeem(500, 1_000_55)
    life.refund(service, 123)
    life.refund(service, 77)
    life.adjust(-33)
    stay = life.redeem(25_000)
    kept, undone = life.convert(100), life.convert(200)
    assert kept < undone
    life.undo(undone)
    # By now all of it has expired, on two days; Silver was lost.
    life.now = LATER
    life.load(300_00)
    life.refund(stay, 101)
    life.refund(stay, 24_600)
    _run_by(session, manager, RefundPolicy.ORIGINAL)
    life.refund(stay, 13)
    _run_by(session, manager, RefundPolicy.EXTEND)
    life.refund(stay, 17)
    life.redeem(24_750)
    life.redeem(5)
    life.refund(service, None)


def _owe(session: Session, life: _Life, manager: Actor) -> None:
    paid = life.load(1_000_00)
    stay = life.redeem(900)
    life.reverse(paid, 333_33)
    life.reverse(paid, 166_67)
    life.load(250_00)
    life.refund(stay, 100)
    life.load(700_00)
    agent = builders.make_actor(session, operator_id=manager.operator_id)
    asked = points_requests.submit(
        session,
        player_id=life.player_id,
        points=600,
        reason="Goodwill",
        idempotency_key="large",
        actor=agent,
        now=life.now,
    )
    assert isinstance(asked, int)
    points_requests.approve(
        session, player_id=life.player_id, request_id=asked, reason="Fine", actor=manager, now=life.now
    )


def _leave(session: Session, life: _Life, manager: Actor) -> None:
    paid = life.load(45_000_00)
    stay = life.redeem(49_990)
    life.now = LATER
    _run_by(session, manager, RefundPolicy.GRACE)
    life.refund(stay, 1_000)
    life.refund(stay, 333)
    life.load(99_99)
    assign = partial(loyalty_programmes.assign_tier, session, player_id=life.player_id, actor=manager)
    tier_id = session.scalars(
        select(LoyaltyTier.id).filter_by(operator_id=manager.operator_id, code="platinum")
    ).one()
    assign(tier_id=tier_id, valid_until=None, reason="A good guest", now=life.now)
    life.load(50_00)
    life.reverse(paid, 1_00)
    life.close()


@pytest.fixture
def ledger(lived: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """A copy, to be spoilt."""
    made = lived.copy(tmp_path / "anchors")
    yield made
    drop_database(made.database)


def test_everything_has_happened(lived: Ledger) -> None:
    def found(query: str) -> set[Any]:
        return lived.transact(lambda session: set(session.scalars(text(query))))

    assert found("SELECT DISTINCT kind FROM loyalty_entries") == {
        *("load", "redeem", "refund_service", "refund_wallet", "expire", "adjustment", "convert"),
        *("transfer_tier", "reversal"),
    }
    assert found("SELECT DISTINCT split_part(idempotency_key, ':', 1) FROM loyalty_entries") >= {
        *("expiry", "lapse", "owed"),
    }
    assert found("SELECT count(*) > 3 FROM points_batches WHERE origin IS NOT NULL") == {True}
    assert found("SELECT count(*) > 0 FROM points_allocations WHERE prolonged_to IS NOT NULL") == {True}
    assert found("SELECT state FROM points_requests") == {"approved"}
    assert found("SELECT DISTINCT change FROM tier_history") >= {"new", "downgrade", "manual"}
    assert found("SELECT DISTINCT status FROM loyalty_wallets") == {"active", "closed"}


def test_what_was_lived_has_nothing_to_find(lived: Ledger) -> None:
    for independently in (False, True):
        proof = lived.prove(independently=independently)
        assert proof.findings == ()
        assert proof.covered.loyalty_wallets == len(lived.players)
    assert lived.prove().covered == lived.prove(independently=True).covered != Covered(0, 0, 0, 0)


@pytest.fixture
def owned(lived: Ledger) -> Iterator[Session]:
    """A session of the owner; what it edits is gone afterwards."""
    with owning(lived) as session:
        yield session
        session.rollback()


@contextmanager
def owning(ledger: Ledger) -> Iterator[Session]:
    """A session of the owner, whom no grant stops; knows the first player."""
    url = database_url("owner", ledger.database).replace("postgresql://", "postgresql+psycopg://")
    with Session(create_engine(url, poolclass=NullPool), info={"first": ledger.players[0]}) as session:
        yield session


def rehash(session: Session) -> None:
    """Make every hash of points fit what stands there now: what somebody can do who knows the format."""
    heads: dict[int, bytes] = {}
    hashes = []
    for row in session.execute(text("SELECT * FROM loyalty_entries ORDER BY player_id, sequence")).mappings():
        head = heads.get(row["player_id"], chain.GENESIS)
        heads[row["player_id"]] = chain.digest(row, head, form=chain.POINTS_FORMAT)
        hashes.append({"p": row["player_id"], "s": row["sequence"], "hash": heads[row["player_id"]]})
    session.execute(
        text("UPDATE loyalty_entries SET hash = :hash WHERE player_id = :p AND sequence = :s"), hashes
    )
    session.execute(
        text("UPDATE loyalty_wallets SET head = :head WHERE player_id = :p"),
        [{"p": player_id, "head": head} for player_id, head in heads.items()],
    )


ENTRIES = "UPDATE loyalty_entries SET"
WALLETS = "UPDATE loyalty_wallets SET"
BATCHES = "UPDATE points_batches SET"
TAKEN = "UPDATE points_allocations SET"
MONTHS = "UPDATE loyalty_months SET"
DAYS = "UPDATE loyalty_days SET"
IN_TIERS = "UPDATE tier_members SET"
HISTORY = "UPDATE tier_history SET"
REQUESTS = "UPDATE points_requests SET"
RICH, OWING, LEAVING, QUIET, FAR = (f"player_id = %(p)s + {nth}" for nth in range(5))
SERVICE = f"{RICH} AND kind = 'redeem' AND price IS NOT NULL"
STAY = f"(SELECT sequence FROM loyalty_entries WHERE {RICH} AND points = -25000)"


@pytest.mark.parametrize(
    ("check", "edits"),
    [
        (Check.CONTINUITY, [f"{ENTRIES} balance_after = balance_after + 1 WHERE {RICH} AND sequence = 3"]),
        (Check.BALANCE, [f"{WALLETS} balance = balance + 1, loaded = loaded + 1 WHERE {RICH}"]),
        (Check.BALANCE, [f"{WALLETS} version = version + 1 WHERE {OWING}"]),
        (Check.LIFETIME, [f"{WALLETS} loaded = loaded + 1, expired = expired + 1 WHERE {RICH}"]),
        (Check.LIFETIME, [f"{WALLETS} redeemed = redeemed - 1, reversed = reversed + 1 WHERE {RICH}"]),
        (Check.LIFETIME, [f"{WALLETS} refunded = refunded + 1 WHERE {RICH}"]),
        (Check.LIFETIME, [f"{WALLETS} owed = owed + 1 WHERE {OWING}"]),
        (Check.LIFETIME, [f"{WALLETS} amount_paid = amount_paid + 1 WHERE {OWING}"]),
        (Check.LIFETIME, [f"{WALLETS} batches = batches + 1 WHERE {QUIET}"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} base_points = base_points - 1, bonus_points = bonus_points + 1"
         f" WHERE {SERVICE}"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} payment_amount = payment_amount + 1 WHERE {SERVICE}"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} price = price - 100 WHERE {SERVICE}"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} discount_bp = 0 WHERE {SERVICE}"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} payment_amount = payment_amount + 100 WHERE kind = 'load'"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} tier_id = NULL WHERE kind = 'load' AND bonus_points > 0"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} payment_amount = payment_amount - 1"
         " WHERE kind = 'refund_service' AND payment_amount > 0"]),
        (Check.POINTS_ENTRY, [f"{ENTRIES} payment_amount = payment_amount + 1 WHERE kind = 'refund_wallet'"]),
        (Check.POINTS_ENTRY, [f"DELETE FROM points_allocations WHERE {RICH} AND sequence = {STAY}"]),
        (Check.POINTS_ENTRY, [f"{TAKEN} base_points = base_points - 1 WHERE {LEAVING} AND points > 20000"]),
        (Check.POINTS_TAKEN, [f"{TAKEN} place = 9 WHERE {RICH} AND sequence = {STAY} AND place = 1"]),
        (Check.POINTS_TAKEN, [f"{TAKEN} base_points = base_points - 1, bonus_points = bonus_points + 1"
         f" WHERE {RICH} AND points > 10000"]),
        (Check.POINTS_TAKEN, [f"{TAKEN} number = 3 WHERE {RICH} AND sequence = {STAY} AND number = 2"]),
        (Check.POINTS_TAKEN, [f"{ENTRIES} expires_on = '2027-03-07' WHERE {RICH} AND sequence = 1",
         f"{BATCHES} expires_on = '2027-03-07' WHERE {RICH} AND number = 1"]),
        (Check.POINTS_TAKEN, [f"{ENTRIES} expires_on = '2026-03-04' WHERE {RICH} AND sequence = 1"]),
        (Check.POINTS_TAKEN, [f"{ENTRIES} idempotency_key = 'expiry:2027-03-31'"
         f" WHERE {QUIET} AND kind = 'expire'"]),
        (Check.POINTS_TAKEN, [f"{ENTRIES} created_at = '2026-12-01' WHERE {QUIET} AND kind = 'expire'"]),
        (Check.POINTS_TAKEN, [f"{TAKEN} number = 2 WHERE {OWING} AND sequence = 3"]),
        (Check.POINTS_REFUND, [f"{TAKEN} refunded = refunded - 1 WHERE {RICH} AND refunded > 0"]),
        (Check.POINTS_REFUND, [f"{TAKEN} refunded = refunded + 1 WHERE {RICH} AND points - refunded = 269"]),
        (Check.POINTS_REFUND, [f"{ENTRIES} reverses = {STAY} WHERE {RICH} AND kind = 'refund_service'"
         f" AND sequence = (SELECT max(sequence) FROM loyalty_entries WHERE {RICH} AND reverses > 0)"]),
        (Check.POINTS_REFUND, [f"{ENTRIES} reverses = 1 WHERE {OWING} AND kind = 'refund_service'"]),
        (Check.POINTS_REFUND, [f"{ENTRIES} reverses = 2 WHERE {OWING} AND kind = 'reversal'"]),
        (Check.POINTS_REFUND, [f"{ENTRIES} kind = 'adjustment' WHERE {RICH} AND sequence = {STAY}"]),
        (Check.POINTS_REFUND, [f"{BATCHES} base_loaded = base_loaded - 1, bonus_loaded = bonus_loaded + 1"
         f" WHERE {LEAVING} AND origin = 1"]),
        (Check.POINTS_REFUND, [f"{BATCHES} origin = 3 WHERE {RICH} AND origin = 1"]),
        (Check.POINTS_REFUND, [f"{TAKEN} prolonged_to = prolonged_to - 1 WHERE prolonged_to > '2027-01-01'"]),
        (Check.POINTS_BATCH, [f"{TAKEN} prolonged_to = NULL WHERE prolonged_to > '2027-01-01'"]),
        (Check.POINTS_BATCH, [f"{BATCHES} remaining = remaining - 1, expired = expired + 1"
         f" WHERE {RICH} AND remaining > 0"]),
        (Check.POINTS_BATCH, [f"{BATCHES} redeemed = redeemed - 1, reversed = reversed + 1"
         f" WHERE {RICH} AND redeemed > 0"]),
        (Check.POINTS_BATCH, [f"{BATCHES} owed = owed + 1 WHERE {OWING} AND number = 1"]),
        (Check.POINTS_BATCH, [f"{BATCHES} amount_refunded = 1 WHERE {OWING} AND number = 1"]),
        (Check.POINTS_BATCH, [f"{BATCHES} amount_paid = amount_paid + 1 WHERE {QUIET}"]),
        (Check.POINTS_BATCH, [f"{BATCHES} expires_on = expires_on + 1 WHERE {OWING} AND number = 2"]),
        (Check.POINTS_BATCH, [f"{BATCHES} loaded_on = loaded_on - 2 WHERE {OWING} AND number = 2"]),
        (Check.POINTS_BATCH, [f"{BATCHES} base_loaded = base_loaded - 1, bonus_loaded = bonus_loaded + 1"
         f" WHERE {QUIET}"]),
        (Check.POINTS_BATCH, [f"{BATCHES} sequence = sequence + 1 WHERE {QUIET}"]),
        (Check.POINTS_BATCH, [f"{BATCHES} origin = NULL WHERE {RICH} AND origin = 1"]),
        (Check.POINTS_BATCH, [f"{ENTRIES} payment_amount = payment_amount + 1 WHERE {OWING}"
         " AND kind = 'reversal' AND payment_amount IS NOT NULL"]),
        (Check.POINTS_MONTH, [f"{MONTHS} loaded = loaded + 1, remaining = remaining + 1"]),
        (Check.POINTS_MONTH, [f"{MONTHS} slot = slot + 10"]),
        (Check.POINTS_MONTH, ["DELETE FROM loyalty_months WHERE expired > 0"]),
        (Check.POINTS_MONTH, [f"{BATCHES} expires_on = expires_on + 40 WHERE {OWING} AND number = 2"]),
        (Check.POINTS_DAY, [f"{DAYS} entries = entries + 1 WHERE kind = 'convert'"]),
        (Check.POINTS_DAY, [f"{DAYS} points = points - 1 WHERE kind = 'redeem'"]),
        (Check.POINTS_DAY, [f"{DAYS} amount = amount + 1 WHERE kind = 'load'"]),
        (Check.POINTS_DAY, [f"{DAYS} day = day + 1 WHERE kind = 'expire'"]),
        (Check.POINTS_DAY, ["DELETE FROM loyalty_days WHERE kind = 'reversal'"]),
        (Check.POINTS_DAY, ["INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)"
         " SELECT id, '2020-01-01', 'load', 1, 1, 1 FROM operators"]),
        (Check.POINTS_DAY, [f"{ENTRIES} created_at = created_at - interval '1 day'"
         f" WHERE {RICH} AND sequence = 1"]),
        (Check.TIER_MEMBERS, [f"{IN_TIERS} members = members + 1"]),
        (Check.TIER_MEMBERS, [f"{IN_TIERS} tier_id = tier_id + 1000 WHERE tier_id <> 0"]),
        (Check.TIER_MEMBERS, ["DELETE FROM tier_members WHERE members < 0"]),
        (Check.TIER_MEMBERS, [f"{WALLETS} tier_id = NULL, tier_valid_until = NULL, discount_bp = 0"
         " WHERE tier_id IS NOT NULL"]),
        (Check.TIER, [f"{WALLETS} discount_bp = discount_bp + 1 WHERE tier_id IS NOT NULL"]),
        (Check.TIER, [f"{WALLETS} tier_valid_until = tier_valid_until + 1"
         " WHERE tier_id IS NOT NULL"]),
        (Check.TIER, [f"{HISTORY} valid_until = valid_until + 1 WHERE tier_id IS NOT NULL"]),
        (Check.TIER, [f"{HISTORY} reason = 'Somebody asked' WHERE {QUIET}"]),
        (Check.TIER, [f"{HISTORY} changed_at = changed_at - interval '1 microsecond' WHERE {QUIET}"]),
        (Check.TIER, [f"{HISTORY} previous_tier_id = NULL WHERE {LEAVING} AND change = 'manual'"]),
        (Check.TIER, [f"DELETE FROM tier_history WHERE {QUIET}"]),
        (Check.TIER, [f"{ENTRIES} discount_bp = 501 WHERE {FAR} AND kind = 'transfer_tier'"]),
        (Check.CONVERSION, [f"{ENTRIES} wallet_sequence = 1 WHERE {RICH} AND wallet_sequence = 2"]),
        (Check.CONVERSION, [f"{ENTRIES} payment_amount = payment_amount + 50 WHERE kind = 'convert'"]),
        (Check.CONVERSION, ["UPDATE wallet_entries SET metadata = replace(metadata, '100', '101')"
         " WHERE change_type = 'points_conversion'"]),
        (Check.CONVERSION, ["UPDATE wallet_entries SET metadata = '{}' WHERE change_type = 'reversal'"]),
        (Check.CONVERSION, ["UPDATE wallet_entries SET metadata = '{\"points_sequence\": 1}'"
         " WHERE change_type = 'reversal'"]),
        (Check.CONVERSION, ["UPDATE wallet_entries SET real_delta = real_delta + 1"
         " WHERE change_type = 'points_conversion'"]),
        (Check.POINTS_REQUEST, [f"{REQUESTS} points = points + 1"]),
        (Check.POINTS_REQUEST, [f"{REQUESTS} sequence = 1"]),
        (Check.POINTS_REQUEST, [f"{REQUESTS} reason = 'A bet'"]),
        (Check.POINTS_REQUEST, [f"{REQUESTS} idempotency_key = 'another'"]),
        (Check.POINTS_REQUEST, [f"{REQUESTS} requested_by = decided_by, decided_by = requested_by"]),
    ],
)  # fmt: skip
def test_an_edit_is_found_both_ways(owned: Session, check: Check, edits: list[str]) -> None:
    for edit in edits:
        changed = owned.connection().exec_driver_sql(edit, {"p": owned.info["first"]})
        assert changed.rowcount != 0, edit
    rehash(owned)
    first, second = by_statements(owned), Found()
    points_check.check(owned, second)
    assert check in first.totals
    assert {finding.message for finding in first.first()} == {finding.message for finding in second.first()}
    assert first.totals == second.totals


def by_statements(session: Session) -> Found:
    """What the statements about points find in the session's own transaction."""
    found, everybody = Found(), {"first": 0, "last": 2**62, "cap": CAP}
    found.take(session.execute(points_proof.WALK, everybody).all(), points_proof.WORDS)
    for statement in points_proof.STATEMENTS:
        found.take(session.execute(statement, {"cap": CAP}).all(), points_proof.WORDS)
    return found


@pytest.mark.parametrize(
    "change",
    [
        "base_points = base_points - 1, bonus_points = bonus_points + 1",
        "notes = 'Something else'",
        "performed_by = 'staff:99'",
        "invoice = 'I-1'",
        "payment = 'P-1'",
        "payment_mode = 'cash'",
        "payment_amount = payment_amount + 1",
        "expires_on = expires_on + 1",
        "tier_id = tier_id + 1",
        "idempotency_key = 'another'",
        "fingerprint = sha256('')",
        "created_at = created_at - interval '1 microsecond'",
        "hash = sha256('')",
    ],
)
def test_a_changed_field_is_named(ledger: Ledger, change: str) -> None:
    ledger.edit(f"{ENTRIES} {change} WHERE {RICH} AND sequence = 1")
    first = both(ledger).findings[0]
    assert (first.check, first.sequence, first.currency) == (Check.HASH, 1, "points")


def test_a_journal_that_was_rewritten(ledger: Ledger) -> None:
    with owning(ledger) as session:
        session.execute(text("UPDATE loyalty_entries SET notes = 'Something else' WHERE sequence = 1"))
        rehash(session)
        session.commit()
    assert set(both(ledger).totals) == {Check.ANCHORED}


def test_a_deleted_entry(ledger: Ledger) -> None:
    ledger.edit(
        f"DELETE FROM tier_history WHERE {QUIET} AND sequence = 2",
        f"DELETE FROM loyalty_entries WHERE {QUIET} AND sequence = 2",
    )
    first = both(ledger).findings[0]
    assert (first.check, first.sequence) == (Check.SEQUENCE, 3)
    assert "Entry 2 of player 4 in points is missing" in first.message


FOLLOWING = (
    "DELETE FROM loyalty_days",
    "INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)"
    " SELECT operator_id, CAST(created_at AT TIME ZONE 'UTC' AS date), kind, count(*), sum(points),"
    " coalesce(sum(payment_amount), 0) FROM loyalty_entries GROUP BY 1, 2, 3",
    "DELETE FROM tier_members",
    "INSERT INTO tier_members (operator_id, tier_id, members)"
    " SELECT operator_id, coalesce(tier_id, 0), count(*) FROM loyalty_wallets GROUP BY 1, 2",
)
"""The sums, made again from what is left."""


def test_a_cut_tail_of_what_an_anchor_holds(ledger: Ledger) -> None:
    far = f"player_id = {ledger.players[-1]}"
    ledger.edit(
        f"DELETE FROM points_allocations WHERE {far}",
        f"DELETE FROM points_batches WHERE {far}",
        f"DELETE FROM tier_history WHERE {far}",
        f"DELETE FROM loyalty_entries WHERE {far}",
        f"DELETE FROM loyalty_wallets WHERE {far}",
        f"DELETE FROM loyalty_months WHERE slot = {ledger.players[-1]}",
        *FOLLOWING,
    )
    proof = both(ledger)
    assert set(proof.totals) == {Check.ANCHORED}
    (finding,) = proof.findings
    assert f"Anchor 1 holds entry 4 of player {ledger.players[-1]} in points" in finding.message
    assert "its end was cut off" in finding.message


def test_an_anchor_counts_points(lived: Ledger) -> None:
    covered = lived.prove().covered
    with lived.owned() as connection:
        (anchor,) = connection.execute("SELECT * FROM anchors").fetchall()
        heads = connection.execute("SELECT * FROM anchor_heads WHERE currency = 'points'").fetchall()
    assert anchor["entries"] == covered.entries + covered.points_entries
    assert anchor["balances"] == covered.loyalty_wallets + 1
    assert len(heads) == len(lived.players)


def both(ledger: Ledger) -> Proof:
    """What both proofs find, which must be the same."""
    first, second = ledger.prove(), ledger.prove(independently=True)
    assert {finding.message for finding in first.findings} == {finding.message for finding in second.findings}
    assert first.totals == second.totals
    assert all(finding.operator_id for finding in first.findings)
    return first
