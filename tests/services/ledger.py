"""A small ledger with anchors, and somebody who owns the database and edits it."""

import datetime as dt
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import anchors, audit, balances, chain, verification
from dashboard.services.actors import SYSTEM
from dashboard.services.findings import Proof
from tests import builders
from tests.conftest import clone, database_url, run_as_owner

T = TypeVar("T")
KEY = b"an anchor key that the database never sees"
DAY = dt.timedelta(days=1)
AMOUNTS = (
    (50_000, ChangeType.DEPOSIT),
    (-12_000, ChangeType.WITHDRAWAL),
    (3_300, ChangeType.ADJUSTMENT),
    (-250, ChangeType.FEE),
    (20_000, ChangeType.DEPOSIT),
    (-7_000, ChangeType.WITHDRAWAL),
)
REVERSED = 5
ANCHORED = len(AMOUNTS) + 1
"""So many entries the last anchor holds of each journal; one more came after it."""


@dataclass(frozen=True)
class Ledger:
    """A database with three players, two currencies, a reversal and two anchors."""

    database: str
    folder: Path
    players: tuple[int, ...]

    def copy(self, folder: Path) -> "Ledger":
        """The same again, to be spoilt."""
        name = f"purser_test_{uuid.uuid4().hex[:12]}"
        run_as_owner("CREATE DATABASE {} TEMPLATE {}", name, self.database)
        if self.folder.exists():
            shutil.copytree(self.folder, folder)
        return Ledger(name, folder, self.players)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._session() as session:
            session.connection(
                execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            )
            yield session

    def transact(self, work: Callable[[Session], T]) -> T:
        with self._session() as session:
            result = work(session)
            session.commit()
            return result

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(_engine(self.database), expire_on_commit=False) as session:
            yield session

    @contextmanager
    def owned(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection of the owner, whom no grant stops."""
        with psycopg.connect(database_url("owner", self.database), row_factory=dict_row) as connection:
            yield connection

    def edit(self, *statements: str) -> None:
        """Run statements as the owner; `%(p)s` is the first player."""
        with self.owned() as connection:
            for statement in statements:
                changed = connection.execute(statement, {"p": self.players[0]})  # type: ignore[arg-type]
                assert changed.rowcount != 0, statement

    def prove(self, *, independently: bool = False, key: bytes = KEY) -> Proof:
        with self.reading() as session:
            return verification.prove(
                session, key=key, folder=self.folder, now=builders.NOW, independently=independently
            )

    def anchor(self, now: dt.datetime) -> anchors.Anchor:
        return audit.take_anchor(self.reading, self.transact, key=KEY, folder=self.folder, now=now)

    def change(self, player_id: int, amount_minor: int, change_type: ChangeType, **more: Any) -> None:
        self.transact(lambda session: builders.change(session, player_id, amount_minor, change_type, **more))

    def rewrite(self, spoil: Callable[[dict[str, Any]], None]) -> None:
        """Edit entries of the first player's USD journal and make everything after them fit again.

        Balances, lifetime sums of deposits and hashes are right afterwards: what an owner can do who
        knows the code.
        """
        with self.owned() as connection:
            rows = connection.execute(
                "SELECT * FROM wallet_entries WHERE player_id = %s AND currency = 'USD' ORDER BY sequence",
                [self.players[0]],
            ).fetchall()
            head, real = chain.GENESIS, 0
            for row in rows:
                spoil(row)
                real += row["real_delta"]
                row["real_after"] = real
                head = row["hash"] = chain.digest(row, head)
                connection.execute(
                    "UPDATE wallet_entries SET real_delta = %(real_delta)s, real_after = %(real_after)s,"
                    " reason = %(reason)s, hash = %(hash)s"
                    " WHERE player_id = %(player_id)s AND currency = 'USD' AND sequence = %(sequence)s",
                    row,
                )
            deposited = sum(row["real_delta"] for row in rows if row["change_type"] == "deposit")
            undone = sum(row["real_delta"] for row in rows if row["change_type"] == "reversal")
            largest = max(abs(row["real_delta"]) for row in rows)
            connection.execute(
                "UPDATE balances SET real = %s, head = %s, deposited = %s, largest = %s"
                " WHERE player_id = %s AND currency = 'USD'",
                [real, head, deposited + undone, largest, self.players[0]],
            )


@lru_cache(maxsize=4)
def _engine(database: str) -> Engine:
    """A ledger's engine, the same each time: what a proof sends is compiled once."""
    url = database_url("app", database).replace("postgresql://", "postgresql+psycopg://")
    return create_engine(url, poolclass=NullPool)


def build(database: str, folder: Path) -> Ledger:
    """Fill an empty database by the one door, with an anchor after the second and the seventh entry."""
    ledger = Ledger(database, folder, ())
    operator_id = ledger.transact(lambda session: builders.make_operator(session, currencies=["JPY"]))
    players = tuple(
        ledger.transact(lambda session: builders.make_player(session, operator_id=operator_id))
        for _ in range(3)
    )
    ledger = Ledger(database, folder, players)
    for place, (amount, change_type) in enumerate(AMOUNTS):
        now = builders.NOW + place * DAY
        for player_id in players:
            ledger.change(player_id, amount + player_id, change_type, now=now)
        if place == 1:
            ledger.change(players[0], 700, ChangeType.ADJUSTMENT, currency="JPY", now=now)
            ledger.anchor(now)
    for player_id in players:
        ledger.transact(lambda session, player_id=player_id: _reverse(session, player_id))
    ledger.anchor(builders.NOW + 7 * DAY)
    for player_id in players:
        ledger.change(player_id, 111, ChangeType.ADJUSTMENT, now=builders.NOW + 8 * DAY)
    return ledger


def _reverse(session: Session, player_id: int) -> balances.BalanceChange:
    return balances.reverse(
        session,
        player_id=player_id,
        currency="USD",
        sequence=REVERSED,
        reason="Charged back",
        actor=SYSTEM,
        idempotency_key=f"reverse-{player_id}",
        now=builders.NOW + 6 * DAY,
    )


def fresh(folder: Path) -> Ledger:
    """A ledger in a database of its own; whoever made it drops it."""
    return build(clone(), folder)
