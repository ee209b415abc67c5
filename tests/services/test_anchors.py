"""Anchors: what they hold, how they are sealed and kept as files, and what of them shows when touched."""

import datetime as dt
import hashlib
import hmac
import json
import re
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from dashboard import clock
from dashboard.errors import Conflict, PurserError
from dashboard.models.wallet import ChangeType
from dashboard.services import anchors, chain
from dashboard.services.findings import Check
from tests import builders
from tests.conftest import drop_database
from tests.services import ledger as ledgers
from tests.services.ledger import ANCHORED, KEY, Ledger

LATER = builders.NOW + dt.timedelta(days=30)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    made = ledgers.fresh(tmp_path_factory.mktemp("anchors"))
    yield made
    drop_database(made.database)


@pytest.fixture
def ledger(clean: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """A copy of the clean ledger, to be spoilt."""
    made = clean.copy(tmp_path / "anchors")
    yield made
    drop_database(made.database)


def told(ledger: Ledger, *, key: bytes = KEY) -> list[str]:
    """What both proofs say about anchors, which must be the same."""
    proofs = [ledger.prove(independently=independently, key=key) for independently in (False, True)]
    assert [finding.message for finding in proofs[0].findings] == [
        finding.message for finding in proofs[1].findings
    ]
    assert {finding.check for finding in proofs[0].findings} <= {Check.ANCHOR}
    return [finding.message for finding in proofs[0].findings]


def test_the_root_and_the_seal_are_as_documented(clean):
    """Made here from the description alone, and from the files and plain columns."""
    root, seal = bytes(32), bytes(32)
    with clean.owned() as connection:
        for number in (1, 2):
            file = json.loads((clean.folder / f"anchor-{number:09d}.json").read_text())
            heads = connection.execute(
                "SELECT * FROM anchor_heads WHERE anchor_id = %s ORDER BY player_id, currency", [number]
            ).fetchall()
            leaves = b"".join(
                struct.pack(">q", row["player_id"])
                + struct.pack(">i", 3)
                + row["currency"].encode()
                + struct.pack(">q", row["version"])
                + row["head"]
                for row in heads
            )
            assert file["root_before"] == root.hex()
            root = hashlib.sha256(root + leaves).digest()
            assert file["root"] == root.hex()
            taken_at = dt.datetime.fromisoformat(file["taken_at"])
            microseconds = (taken_at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
            sealed = (
                b"\0\0\0\x0fpurser.anchor.1"
                + b"".join(
                    struct.pack(">iq", 8, value)
                    for value in (number, microseconds, file["balances"], file["entries"], file["heads"])
                )
                + struct.pack(">i", 32)
                + root
                + struct.pack(">i", 32)
                + seal
            )
            assert file["seal_before"] == seal.hex()
            seal = hmac.digest(KEY, sealed, "sha256")
            assert file["seal"] == seal.hex()


def test_a_known_seal():
    sealed = anchors.seal(
        KEY,
        anchor_id=1,
        taken_at=builders.NOW,
        balances=2,
        entries=3,
        heads=2,
        root=bytes(range(32)),
        seal_before=chain.GENESIS,
    )
    assert sealed.hex() == "50582295a8febef02484cfba19ebda73f3d1bb00e6d7797e9bc84c1948169d8a"


def test_an_anchor_counts_and_keeps_what_moved(ledger):
    anchor = ledger.anchor(LATER)
    assert (anchor.id, anchor.balances, anchor.entries, anchor.heads) == (3, 4, 3 * (ANCHORED + 1) + 1, 3)
    with ledger.owned() as connection:
        rows = connection.execute("SELECT * FROM anchor_heads WHERE anchor_id = 3").fetchall()
    assert {(row["currency"], row["version"]) for row in rows} == {("USD", ANCHORED + 1)}
    assert told(ledger) == []


def test_an_anchor_of_nothing_new_is_one_too(ledger):
    first, second = ledger.anchor(LATER), ledger.anchor(LATER)
    assert (second.id, second.heads, second.entries) == (first.id + 1, 0, first.entries)
    assert second.root == hashlib.sha256(first.root).digest()
    assert told(ledger) == []


def test_the_first_anchor_of_an_empty_database(database, tmp_path):
    empty = Ledger(database, tmp_path / "new" / "anchors", ())
    anchor = empty.anchor(LATER)
    assert (anchor.id, anchor.balances, anchor.entries, anchor.heads) == (1, 0, 0, 0)
    assert empty.prove().ok


def test_two_at_once_are_refused(ledger):
    with ledger.reading() as session:
        session.execute(text(f"SELECT pg_advisory_xact_lock({anchors._LOCK})"))
        with pytest.raises(Conflict, match="Another anchor is being taken"):
            ledger.anchor(LATER)
    assert ledger.anchor(LATER).id == 3


def test_a_change_in_between_belongs_to_the_next_anchor(ledger):
    """All of an anchor is of one instant, whatever is posted while it is taken."""

    def work(session):
        anchor = anchors.take(session, now=LATER, key=KEY)
        ledger.change(ledger.players[0], 500, ChangeType.ADJUSTMENT, now=LATER)
        return anchor

    assert ledger.transact(work).entries == 3 * (ANCHORED + 1) + 1
    with ledger.reading() as session:
        anchors.write_missing(session, folder=ledger.folder)
    assert told(ledger) == []
    assert ledger.anchor(LATER).heads == 1


def test_what_could_not_be_written_is_written_by_the_next(ledger):
    kept = ledger.folder.rename(ledger.folder.with_name("kept"))
    ledger.folder.write_text("a file where the folder should be")
    with pytest.raises(PurserError, match="stands in the database, but not yet as a file"):
        ledger.anchor(LATER)
    ledger.folder.unlink()
    kept.rename(ledger.folder)
    (missing,) = told(ledger)
    assert missing.startswith("Anchor 3 has no file")
    assert ledger.anchor(LATER).id == 4
    assert told(ledger) == []
    assert sorted(path.name for path in ledger.folder.iterdir()) == [
        f"anchor-{number:09d}.json" for number in (1, 2, 3, 4)
    ]


def test_an_anchor_just_taken_may_not_have_its_file_yet(ledger):
    ledger.transact(partial(anchors.take, now=clock.now(), key=KEY))
    assert told(ledger) == []


def test_a_file_taken_from_the_middle_is_not_made_anew(ledger):
    (ledger.folder / "anchor-000000001.json").unlink()
    ledger.anchor(LATER)
    (message,) = told(ledger)
    assert message.startswith("Anchor 1 has no file")


def test_a_changed_file(ledger):
    path = ledger.folder / "anchor-000000002.json"
    path.write_text(path.read_text().replace('"entries": ', '"entries": 1'))
    (message,) = told(ledger)
    assert re.search(r"Anchor 2 and its file anchor-000000002\.json in .* differ", message)


def test_a_file_that_is_no_json(ledger):
    (ledger.folder / "anchor-000000002.json").write_bytes(b"\xff{")
    (message,) = told(ledger)
    assert "differ" in message


def test_a_deleted_anchor(ledger):
    ledger.edit("DELETE FROM anchor_heads WHERE anchor_id = 1", "DELETE FROM anchors WHERE id = 1")
    messages = told(ledger)
    assert "Anchor 1 is missing from the table: it was deleted." in messages
    assert any("There is a file anchor-000000001.json" in message for message in messages)
    assert any(message.startswith("Anchor 2 does not carry our seal") for message in messages)


def test_the_last_anchor_deleted_shows_by_its_file(ledger):
    ledger.edit("DELETE FROM anchor_heads WHERE anchor_id = 2", "DELETE FROM anchors WHERE id = 2")
    (message,) = told(ledger)
    assert "There is a file anchor-000000002.json" in message
    with pytest.raises(PurserError, match="holds anchors that the database does not have"):
        ledger.anchor(LATER)


def test_all_anchors_deleted(ledger):
    ledger.edit("DELETE FROM anchor_heads", "DELETE FROM anchors")
    assert len(told(ledger)) == 2


@pytest.mark.parametrize(
    "change",
    ["taken_at = taken_at - interval '1 day'", "balances = 9", "entries = 9", "seal = sha256('')"],
)
def test_a_changed_anchor(ledger, change):
    ledger.edit(f"UPDATE anchors SET {change} WHERE id = 2")
    messages = told(ledger)
    assert any(message.startswith("Anchor 2 does not carry our seal") for message in messages)
    assert any(message.startswith("Anchor 2 and its file") for message in messages)


def test_a_changed_head_or_root(ledger):
    ledger.edit("DELETE FROM anchor_heads WHERE anchor_id = 2 AND player_id = %(p)s")
    (message,) = told(ledger)
    assert "The root of anchor 2 is not that of the 2 heads it holds (it counts 3)" in message


def test_a_root_that_was_changed_shows_in_the_one_after_it_too(ledger):
    ledger.edit("UPDATE anchors SET root = sha256('') WHERE id = 1")
    messages = told(ledger)
    assert [message for message in messages if message.startswith("The root of anchor 1")]
    assert [message for message in messages if message.startswith("The root of anchor 2")]


def test_another_key_opens_no_seal(ledger):
    messages = told(ledger, key=b"another key, which did not seal these anchors")
    assert len(messages) == 2
    assert all("does not carry our seal" in message for message in messages)
