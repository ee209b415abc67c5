"""The engine, and the two ways to use it: `reading()` and `writing()`; `partner_reading()` has its own.

Only the edge (a view, a job, a command, a test) opens a transaction; services receive the session
and never commit.
"""

import datetime as dt
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, MetaData, Text, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, registry

from dashboard import arrays, metrics
from dashboard.errors import OutcomeUnknown

# serialization_failure; deadlock_detected; unique_violation: somebody wrote the same key meanwhile (in
# another currency, so that no lock was shared), and begun again the work finds it and says so.
_RETRIED = {"40001", "40P01", "23505"}
_LOCK_NOT_AVAILABLE = "55P03"
_ATTEMPTS = 3

T = TypeVar("T")


class Base(DeclarativeBase):
    """The base of every table: constraint names by rule, 64-bit integers, instants with a zone."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={int: BigInteger, str: Text, dt.datetime: DateTime(timezone=True)},
    )


arrays.register()
alchemy = SQLAlchemy(model_class=Base)

EXPORTS = "exports"
"""The name of the engine whose connections live as long as one streamed answer."""
PARTNERS = "partners"
"""The name of the engine that signs in as the partners' database role: it sees shown figures alone."""
PARTNER_EXPORTS = "partner-exports"
"""As `EXPORTS`, by the partners' database role."""
_AS_PARTNER = text("SELECT set_config('purser.partner_id', :id, true)")
_LONGER = text(
    "SELECT set_config('statement_timeout', '10min', true),"
    " set_config('idle_in_transaction_session_timeout', '2min', true)"
)


_read: ContextVar[Session | None] = ContextVar("read", default=None)


@contextmanager
def reading() -> Iterator[Session]:
    """A read-only REPEATABLE READ transaction: every figure of a page is of one instant.

    Within another one it is the same, so that what the frame of a page counts is of that instant
    too, and no request holds two connections.
    """
    outer = _read.get()
    if outer is not None:
        yield outer
        return
    with Session(alchemy.engine, expire_on_commit=False) as session:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        token = _read.set(session)
        try:
            yield session
        finally:
            _read.reset(token)


@contextmanager
def partner_reading(partner_id: int) -> Iterator[Session]:
    """A transaction as of `reading()` in which the database shows what this partner may see, and no more.

    It is another connection, of another role: row-level security asks for the partner whom the first
    statement names, and nothing of a request ever stands in a statement that could name another.
    """
    with Session(alchemy.engines[PARTNERS], expire_on_commit=False) as session:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        session.execute(_AS_PARTNER, {"id": str(int(partner_id))})
        yield session


def open_export(partner_id: int | None = None) -> Session:
    """A transaction as of `reading()` for an answer that is streamed, on a connection of its own.

    With a partner's id it is as of `partner_reading()`. It outlives the request, so it takes no place in
    the pool; closing the session closes the connection. The database ends it where nobody takes anything
    for two minutes.
    """
    engine = alchemy.engines[EXPORTS if partner_id is None else PARTNER_EXPORTS]
    session = Session(engine, expire_on_commit=False)
    try:
        session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        if partner_id is not None:
            session.execute(_AS_PARTNER, {"id": str(int(partner_id))})
        session.execute(_LONGER)
    except BaseException:
        session.close()
        raise
    return session


@contextmanager
def writing() -> Iterator[Session]:
    """A transaction that commits at the end of the block and rolls back on any exception.

    Raises OutcomeUnknown when the connection is lost while committing: then nobody can say
    whether it was done, and only sending the same idempotency key again is safe.
    """
    begun = time.perf_counter()
    with Session(alchemy.engine, expire_on_commit=False) as session:
        yield session
        session.flush()
        try:
            session.commit()
        except OperationalError as error:
            raise OutcomeUnknown(
                "The connection was lost while saving: it may have been done. Sending it again is safe."
            ) from error
        metrics.committed(session, time.perf_counter() - begun)


def transact(work: Callable[[Session], T]) -> T:
    """Run `work` in a writing transaction; begin again (at most 3 times) when another was in its way.

    PostgreSQL ends one of two transactions that wait for each other; the whole of it is then run
    anew, after a random pause so that the two do not meet again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with writing() as session:
                return work(session)
        except DBAPIError as error:
            if attempt == _ATTEMPTS or getattr(error.orig, "sqlstate", None) not in _RETRIED:
                raise
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311 - a pause, no secret
    raise AssertionError("unreachable")


def is_lock_held(error: DBAPIError) -> bool:
    """Whether a statement gave up because somebody else holds the lock that it waited for."""
    return getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


@contextmanager
def rehearsing(*, lock_timeout_ms: int) -> Iterator[Session]:
    """A transaction that is always rolled back: what would happen, without it happening.

    Waits for a lock at most `lock_timeout_ms`.
    """
    with Session(alchemy.engine, expire_on_commit=False) as session:
        session.execute(
            text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{lock_timeout_ms}ms"}
        )
        yield session
        session.rollback()
