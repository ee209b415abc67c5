"""A member of a loyalty programme, and acts of staff on the points: tried, refused and proved."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from dashboard.errors import PurserError, Rejected
from dashboard.models import LoyaltyProgramme
from dashboard.models.login import Role
from dashboard.services import chain, points
from dashboard.services.actors import Actor
from dashboard.services.points import Done
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_actor, make_operator, make_player

T = TypeVar("T")
Act = partial[T]
LATER = NOW + dt.timedelta(days=366)
"""Points without a tier that were loaded at NOW have expired."""

TABLES = (
    *("loyalty_wallets", "loyalty_entries", "points_batches", "points_allocations", "loyalty_months"),
    *("loyalty_days", "tier_members"),
    *("tier_history", "loyalty_cards", "points_requests", "loyalty_programmes", "loyalty_tiers"),
    *("staff_log", "balances", "wallet_entries", "alerts"),
)
"""What acts on points may write."""

_SUMS = text("""
SELECT w.player_id FROM loyalty_wallets w
LEFT JOIN LATERAL (
  SELECT coalesce(sum(b.remaining), 0) AS remaining, coalesce(sum(b.loaded), 0) AS loaded,
         coalesce(sum(b.redeemed), 0) AS redeemed, coalesce(sum(b.expired), 0) AS expired,
         coalesce(sum(b.reversed), 0) AS reversed, coalesce(sum(b.owed), 0) AS owed,
         coalesce(sum(b.amount_paid - b.amount_refunded), 0) AS paid, count(*) AS batches
  FROM points_batches b WHERE b.player_id = w.player_id
) AS s ON true
WHERE (w.balance, w.loaded, w.redeemed, w.expired, w.reversed, w.owed, w.amount_paid, w.batches)
  <> (s.remaining, s.loaded, s.redeemed, s.expired, s.reversed, s.owed, s.paid, s.batches)
""")
_ALLOCATED = text("""
SELECT b.number FROM points_batches b
LEFT JOIN points_allocations a ON a.player_id = b.player_id AND a.number = b.number
WHERE b.player_id = :p
GROUP BY b.player_id, b.number HAVING b.loaded - b.remaining <> coalesce(sum(a.points), 0)
""")
_BATCHES_BY_MONTH = text("""
SELECT operator_id, date_trunc('month', expires_on)::date AS month, sum(loaded), sum(remaining),
       sum(redeemed), sum(expired), sum(reversed)
FROM points_batches GROUP BY 1, 2 ORDER BY 1, 2
""")
_MONTHS = text("""
SELECT operator_id, month, sum(loaded), sum(remaining), sum(redeemed), sum(expired), sum(reversed)
FROM loyalty_months GROUP BY 1, 2 HAVING sum(loaded) > 0 ORDER BY 1, 2
""")
_DAYS_APART = text("""
SELECT operator_id, day, kind FROM (
  SELECT operator_id, day, kind, entries, points, amount FROM loyalty_days
  UNION ALL
  SELECT operator_id, CAST(created_at AT TIME ZONE 'UTC' AS date), kind, -1, -points,
         -coalesce(payment_amount, 0)
  FROM loyalty_entries
) AS both_ways
GROUP BY 1, 2, 3 HAVING (sum(entries), sum(points), sum(amount)) <> (0, 0, 0)
""")
_TIERS_APART = text("""
SELECT operator_id, tier_id FROM (
  SELECT operator_id, tier_id, members FROM tier_members
  UNION ALL
  SELECT operator_id, coalesce(tier_id, 0), -1 FROM loyalty_wallets
) AS both_ways
GROUP BY 1, 2 HAVING sum(members) <> 0
""")
_ENTRIES = text("SELECT * FROM loyalty_entries WHERE player_id = :p ORDER BY sequence")


@dataclass
class Membership:
    """A player of an operator with a programme, and who works at its desk."""

    session: Session
    operator_id: int
    player_id: int
    manager: Actor

    def __post_init__(self) -> None:
        self._keys = count(1)

    def named(self, **given: Any) -> dict[str, Any]:
        """What nearly every act is called with, and a new key."""
        return {
            "player_id": self.player_id,
            "idempotency_key": f"key-{next(self._keys)}",
            "actor": self.manager,
            "now": NOW,
            **given,
        }

    def load(self, amount: int, **given: Any) -> Done:
        """Minor units."""
        return points.load(self.session, **self.named(payment=Payment(amount), notes="Paid", **given))

    def redeem(self, wanted: int | None, **given: Any) -> Done:
        return points.redeem(self.session, **self.named(points=wanted, notes="Massage", **given))

    def adjust(self, wanted: int, **given: Any) -> Done:
        return points.adjust(self.session, **self.named(points=wanted, reason="Put right", **given))

    def run_by(self, **settings: Any) -> None:
        """Other settings of the programme."""
        programme = update(LoyaltyProgramme).filter_by(operator_id=self.operator_id)
        self.session.execute(programme.values(**settings))

    def row(self, table: str = "loyalty_wallets", where: str = "true") -> Any:
        """The one row of this member."""
        query = text(f"SELECT * FROM {table} WHERE player_id = :p AND {where}")
        return self.session.execute(query, {"p": self.player_id}).one()

    def batch(self, number: int) -> tuple[int, int, int, int]:
        """What remains, was redeemed, expired, was reversed."""
        row = self.row("points_batches", f"number = {number}")
        return row.remaining, row.redeemed, row.expired, row.reversed

    def kinds(self) -> list[str]:
        """The journal, told by the kinds of its entries."""
        return [row.kind for row in self.session.execute(_ENTRIES, {"p": self.player_id})]

    def does(self, act: Act[T], *, kinds: list[str] | None = None) -> T:
        """Act, after seeing that the preview says the same and leaves nothing; `kinds` of what it posts."""
        before, posted = self.books(), len(self.kinds())
        would = points.rehearse(self.session, act)
        assert self.books() == before
        did = act(self.session)
        assert would == did
        if kinds is not None:
            assert self.kinds()[posted:] == kinds
        self.prove()
        return did

    def refuses(
        self, act: Act[Any], message: str, *, field: str | None = None, kind: type[PurserError] = Rejected
    ) -> None:
        """The preview and the act refuse alike, and nothing is left of either."""
        before = self.books()
        said = set()
        for attempt in (partial(points.rehearse, act=act), act):
            with pytest.raises(kind, match=message) as refusal, self.session.begin_nested():
                attempt(self.session)
            assert refusal.value.field == field
            said.add((type(refusal.value), refusal.value.message))
            assert self.books() == before
        assert len(said) == 1

    def books(self) -> dict[str, list[Any]]:
        """Everything that acts could write, as it stands."""
        return {
            table: sorted(map(str, self.session.execute(text(f"SELECT * FROM {table}")).all()))
            for table in TABLES
        }

    def prove(self) -> None:
        """Wallet, batches, allocations, sums and the chained journal say the same."""
        scope = {"p": self.player_id}
        assert self.session.execute(_SUMS).all() == []
        assert self.session.execute(_ALLOCATED, scope).all() == []
        months = [tuple(row) for row in self.session.execute(_MONTHS)]
        assert months == [tuple(row) for row in self.session.execute(_BATCHES_BY_MONTH)]
        prove_sums(self.session)
        balance, head = 0, chain.GENESIS
        for sequence, entry in enumerate(self.session.execute(_ENTRIES, scope).mappings(), start=1):
            balance += entry["points"]
            assert (entry["sequence"], entry["balance_after"]) == (sequence, balance)
            head = chain.digest(dict(entry), head, form=chain.POINTS_FORMAT)
            assert bytes(entry["hash"]) == head
        wallet = self.row()
        assert (wallet.balance, bytes(wallet.head)) == (balance, head)


def prove_sums(session: Session) -> None:
    """What is counted by day and by tier is what entries and wallets come to."""
    assert session.execute(_DAYS_APART).all() == []
    assert session.execute(_TIERS_APART).all() == []


def join(session: Session, **operator: Any) -> Membership:
    """A player who has no points yet, at an operator of their own in US dollars."""
    operator_id = make_operator(session, **operator)
    return Membership(
        session,
        operator_id,
        make_player(session, operator_id=operator_id),
        make_actor(session, operator_id=operator_id, role=Role.MANAGER),
    )
