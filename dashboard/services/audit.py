"""The two things the audit trail does on its own: prove everything, and anchor what stands.

Both need two transactions in a row, so they get `db.reading` and `db.transact` from whoever stands at
the edge: a job, a command, a page.
"""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from dashboard.services import anchors, verification
from dashboard.services.anchors import Anchor
from dashboard.services.findings import Proof
from dashboard.services.transact import Transact

Reading = Callable[[], AbstractContextManager[Session]]


def verify_and_record(
    reading: Reading,
    transact: Transact,
    *,
    key: bytes,
    folder: Path,
    now: dt.datetime,
    independently: bool = False,
) -> Proof:
    """Prove everything, as of one instant, and keep the outcome. See `verification.prove`."""
    with reading() as session:
        proof = verification.prove(session, key=key, folder=folder, now=now, independently=independently)
    transact(partial(verification.record, proof=proof))
    return proof


def take_anchor(
    reading: Reading, transact: Transact, *, key: bytes, folder: Path, now: dt.datetime
) -> Anchor:
    """Take an anchor, then write its file, and those that could not be written before.

    Raises Conflict when another is being taken, PurserError when the file cannot be written; the
    anchor then stands in the database all the same.
    """
    anchor = transact(partial(anchors.take, now=now, key=key))
    with reading() as session:
        anchors.write_missing(session, folder=folder)
    return anchor
