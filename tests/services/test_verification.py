"""Every edit that the owner of the database can make is found and named, by both proofs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dashboard.models.wallet import ChangeType
from dashboard.services import anchors, chain, findings, submissions, verification, withdrawals
from dashboard.services.findings import Check, Covered, Finding, Proof
from tests import builders
from tests.conftest import database_url, drop_database
from tests.services import ledger as ledgers
from tests.services.ledger import ANCHORED, REVERSED, Ledger

APPEND_ONLY = (
    "wallet_entries",
    "refusals",
    "player_notes",
    "vip_rule_versions",
    "vip_level_changes",
    "staff_log",
    "anchors",
    "anchor_heads",
    "verifications",
)
ENTRY = "WHERE player_id = %(p)s AND currency = 'USD' AND sequence"
BALANCE = "WHERE player_id = %(p)s AND currency = 'USD'"
LAST = ANCHORED + 1


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


def found(ledger: Ledger) -> Proof:
    """What both proofs find; they must agree in everything but speed."""
    proof, second = ledger.prove(), ledger.prove(independently=True)
    assert as_set(proof) == as_set(second)
    assert proof.totals == second.totals
    assert proof.covered == second.covered
    assert not proof.ok
    return proof


def as_set(proof: Proof) -> set[tuple[str, tuple[str, ...]]]:
    return {(finding.message, finding.consequences) for finding in proof.findings}


def cause(proof: Proof, ledger: Ledger, check: Check, words: str, *, sequence: int | None = None) -> Finding:
    """The one finding there is: of the first player's journal, with these words."""
    (finding,) = proof.findings
    assert finding.check == check
    assert re.search(words.format(p=f"player {ledger.players[0]} in USD"), finding.message), finding.message
    assert (finding.player_id, finding.currency) == (ledger.players[0], "USD")
    assert finding.external_id
    assert finding.operator_id
    assert finding.sequence == sequence
    return finding


def test_a_clean_ledger_has_nothing_to_find(clean):
    for independently in (False, True):
        proof = clean.prove(independently=independently)
        assert proof.findings == ()
        assert proof.ok
        assert (proof.covered, proof.anchors) == (Covered(3 * LAST + 1, 4, 0, 0), 2)


def test_an_empty_database_has_nothing_to_find(database, tmp_path):
    for independently in (False, True):
        proof = Ledger(database, tmp_path, ()).prove(independently=independently)
        assert proof.ok
        assert (proof.covered, proof.anchors) == (Covered(0, 0, 0, 0), 0)


@pytest.mark.parametrize(
    "change",
    [
        "real_delta = real_delta + 1",
        "reason = 'Something else'",
        "metadata = '{\"note\": 1}'",
        "performed_by = 'staff:99'",
        "agent_id = 99",
        "created_at = created_at - interval '1 microsecond'",
        "reference = 'T-1'",
        "idempotency_key = 'another'",
        "fingerprint = sha256('')",
        "risk_score = 100 - coalesce(risk_score, 0)",
        "hash = sha256('')",
    ],
)
def test_a_changed_field_is_named(ledger, change):
    ledger.edit(f"UPDATE wallet_entries SET {change} {ENTRY} = 3")
    first = found(ledger).findings[0]
    assert first.check == Check.HASH
    assert first.message.startswith(
        f"Entry 3 of player {ledger.players[0]} in USD does not have the hash of its content"
    )


def test_an_amount_is_the_cause_of_what_no_longer_adds_up(ledger):
    ledger.edit(f"UPDATE wallet_entries SET real_delta = real_delta + 100 {ENTRY} = 1")
    finding = cause(found(ledger), ledger, Check.HASH, "Entry 1 of {p}", sequence=1)
    consequences = " ".join(finding.consequences)
    assert "Entry 1" in consequences  # starts from elsewhere
    assert "sum of deposits" in consequences
    assert "not zero" in consequences


def test_a_changed_balance_after_is_named_once(ledger):
    ledger.edit(f"UPDATE wallet_entries SET real_after = real_after + 100 {ENTRY} = 3")
    finding = cause(found(ledger), ledger, Check.HASH, "Entry 3 of {p}", sequence=3)
    assert any(message.startswith("Entry 4") for message in finding.consequences)


def test_a_deleted_middle_row(ledger):
    ledger.edit(f"DELETE FROM wallet_entries {ENTRY} = 3")
    finding = cause(found(ledger), ledger, Check.SEQUENCE, "Entry 3 of {p} is missing", sequence=4)
    assert any("number of entries" in message for message in finding.consequences)


def test_a_deleted_first_row(ledger):
    ledger.edit(f"DELETE FROM wallet_entries {ENTRY} = 1")
    cause(found(ledger), ledger, Check.SEQUENCE, "Entry 1 of {p} is missing", sequence=2)


def test_a_deleted_last_row(ledger):
    ledger.edit(f"DELETE FROM wallet_entries {ENTRY} = {LAST}")
    finding = cause(found(ledger), ledger, Check.BALANCE, "{p} does not stand where its entries left it")
    assert "The last entry is missing." in finding.message


def test_a_cut_tail_with_a_balance_that_fits(ledger):
    ledger.edit(
        f"DELETE FROM wallet_entries {ENTRY} >= {ANCHORED}",
        f"UPDATE balances SET (version, real, head) ="
        f" (SELECT sequence, real_after, hash FROM wallet_entries {ENTRY} = {ANCHORED - 1}),"
        f" deposited = deposited + (SELECT real_delta FROM wallet_entries {ENTRY} = {REVERSED}) {BALANCE}",
    )
    cause(
        found(ledger),
        ledger,
        Check.ANCHORED,
        f"Anchor 2 holds entry {ANCHORED} of {{p}}, which is not there: the journal has {ANCHORED - 1}",
        sequence=ANCHORED,
    )


def test_a_whole_journal_deleted_with_its_balance(ledger):
    ledger.edit(f"DELETE FROM wallet_entries {BALANCE}", f"DELETE FROM balances {BALANCE}")
    cause(found(ledger), ledger, Check.ANCHORED, "Anchor 1 holds entry 2 of {p}, which is not", sequence=2)


def test_two_swapped_rows(ledger):
    ledger.edit(
        f"UPDATE wallet_entries SET sequence = 1000 {ENTRY} = 3",
        f"UPDATE wallet_entries SET sequence = 3 {ENTRY} = 4",
        f"UPDATE wallet_entries SET sequence = 4 {ENTRY} = 1000",
    )
    proof = found(ledger)
    assert {finding.sequence for finding in proof.findings} == {3, 4, 5}
    assert {finding.check for finding in proof.findings} == {Check.HASH}


def test_an_inserted_row_in_between(ledger):
    later = f"{ENTRY} > 3"
    ledger.edit(
        "ALTER TABLE wallet_entries DROP CONSTRAINT fk_wallet_entries_player_id_currency_reverses",
        f"UPDATE wallet_entries SET sequence = sequence + 1000 {later}",
        f"UPDATE wallet_entries SET sequence = sequence - 999 {later}",
        copy_of_entry(3, sequence=4),
    )
    first = found(ledger).findings[0]
    assert (first.check, first.sequence) == (Check.HASH, 4)
    assert "it does not belong there" in first.message


def test_an_inserted_row_at_the_end(ledger):
    ledger.edit(copy_of_entry(LAST, sequence=LAST + 1))
    cause(found(ledger), ledger, Check.HASH, f"Entry {LAST + 1} of {{p}}", sequence=LAST + 1)


def copy_of_entry(original: int, *, sequence: int) -> str:
    columns = (
        "player_id, currency, operator_id, change_type, contra_account, real_delta, bonus_delta, real_after,"
        " bonus_after, reason, performed_by, fingerprint, metadata, created_at, hash"
    )
    return (
        f"INSERT INTO wallet_entries (sequence, idempotency_key, {columns})"
        f" SELECT {sequence}, 'slipped in', {columns} FROM wallet_entries {ENTRY} = {original}"
    )


@pytest.mark.parametrize("column", ["real", "bonus", "version"])
def test_a_balance(ledger, column):
    ledger.edit(f"UPDATE balances SET {column} = {column} + 5 {BALANCE}")
    cause(found(ledger), ledger, Check.BALANCE, "{p} does not stand where its entries left it")


@pytest.mark.parametrize("column", findings.LIFETIME)
def test_a_lifetime_sum(ledger, column):
    ledger.edit(f"UPDATE balances SET {column} = {column} + 5 {BALANCE}")
    finding = cause(found(ledger), ledger, Check.LIFETIME, "The lifetime sums of {p} are not those")
    assert "0.05" in finding.message or column in {"deposited", "withdrawn", "largest"}


def test_pending_that_nothing_has_set_aside(ledger):
    ledger.edit(f"UPDATE balances SET pending = 5 {BALANCE}")
    cause(found(ledger), ledger, Check.PENDING, r"Pending of {p} is 0\.05, by what is set aside 0\.00")


def test_a_withdrawal_and_a_held_debit_are_pending(ledger):
    operator = ledger.transact(lambda session: builders.make_operator(session, undo_seconds=30))
    agent = ledger.transact(lambda session: builders.make_actor(session, operator_id=operator))
    player = ledger.transact(
        lambda session: builders.make_player(session, operator_id=operator, balance_minor=100_00)
    )
    withdrawal = builders.change_request(player, -10_00, ChangeType.WITHDRAWAL)
    held = builders.change_request(player, -5_00)
    ledger.transact(
        lambda session: withdrawals.request(session, request=withdrawal, actor=agent, now=builders.NOW)
    )
    ledger.transact(lambda session: submissions.submit(session, request=held, actor=agent, now=builders.NOW))

    assert ledger.prove().ok
    assert ledger.prove(independently=True).ok
    ledger.edit("UPDATE change_requests SET state = 'taken_back', ended_at = now()")
    assert [finding.check for finding in found(ledger).findings] == [Check.PENDING]


def test_a_request_that_became_another_entry(ledger):
    ledger.transact(builders.make_login)
    ledger.edit(
        f"""
        INSERT INTO change_requests (player_id, operator_id, kind, currency, change_type, real_delta, reason,
          idempotency_key, fingerprint, state, requested_by, requested_at, post_at, ended_at, sequence)
        SELECT player_id, operator_id, 'change', currency, 'adjustment', 1, 'x', 'other',
          decode(repeat('00', 32), 'hex'), 'posted', (SELECT min(id) FROM logins), now(), now(), now(), 1
        FROM wallet_entries {BALANCE} AND sequence = 1
        """
    )
    cause(found(ledger), ledger, Check.REQUEST, "Entry 1 of {p} is not what change 1 asked for", sequence=1)


def test_a_balance_that_is_gone(ledger):
    ledger.edit(
        "ALTER TABLE wallet_entries DROP CONSTRAINT fk_wallet_entries_player_id_currency_operator_id",
        f"DELETE FROM balances {BALANCE}",
    )
    cause(found(ledger), ledger, Check.BALANCE, "The balance of {p} is missing")


def test_a_reversal_that_is_not_the_opposite(ledger):
    def spoil(row: dict[str, Any]) -> None:
        if row["reverses"]:
            row["real_delta"] += 1000

    ledger.rewrite(spoil)
    finding = cause(
        found(ledger),
        ledger,
        Check.REVERSAL,
        f"Entry {REVERSED + 2} of {{p}} is not the exact opposite of entry {REVERSED}",
        sequence=REVERSED + 2,
    )
    assert any("the journal was rewritten" in message for message in finding.consequences)


def rewrite_an_amount(row: dict[str, Any]) -> None:
    if row["sequence"] == 1:
        row["real_delta"] += 1_000_000


def test_a_fully_rewritten_chain_shows_by_the_anchors(ledger):
    ledger.rewrite(rewrite_an_amount)
    cause(
        found(ledger),
        ledger,
        Check.ANCHORED,
        "Entry 2 of {p} does not have the hash that anchor 1 holds: the journal was rewritten",
        sequence=2,
    )


def test_rewriting_the_anchors_too_shows_by_the_seal(ledger):
    ledger.rewrite(rewrite_an_amount)
    forge_anchors(ledger)
    proof = found(ledger)
    assert {finding.check for finding in proof.findings} == {Check.ANCHOR}
    seals = [finding.message for finding in proof.findings if "does not carry our seal" in finding.message]
    assert [message.split(" does")[0] for message in seals] == ["Anchor 1", "Anchor 2"]


def forge_anchors(ledger: Ledger) -> None:
    """Heads, roots, seals and files made anew, all consistent; but not with our key."""
    with ledger.owned() as connection:
        connection.execute(
            "UPDATE anchor_heads h SET head = e.hash FROM wallet_entries e"
            " WHERE (e.player_id, e.currency, e.sequence) = (h.player_id, h.currency, h.version)"
        )
        connection.commit()
        for anchor_id in (1, 2):
            with ledger.reading() as session:
                _, root = anchors.roots(session)[anchor_id]
            before = connection.execute("SELECT seal FROM anchors WHERE id = %s", [anchor_id - 1]).fetchone()
            row = connection.execute("SELECT * FROM anchors WHERE id = %s", [anchor_id]).fetchone()
            assert row is not None
            sealed = anchors.seal(
                b"not our key, which we do not know",
                anchor_id=anchor_id,
                taken_at=row["taken_at"],
                balances=row["balances"],
                entries=row["entries"],
                heads=row["heads"],
                root=root,
                seal_before=before["seal"] if before else chain.GENESIS,
            )
            connection.execute(
                "UPDATE anchors SET root = %s, seal = %s WHERE id = %s", [root, sealed, anchor_id]
            )
            connection.commit()
    for path in ledger.folder.iterdir():
        path.unlink()
    with ledger.reading() as session:
        assert anchors.write_missing(session, folder=ledger.folder) == 2


def test_two_edits_are_two_findings(ledger):
    ledger.edit(
        f"UPDATE wallet_entries SET reason = 'x' {ENTRY} = 2",
        f"UPDATE wallet_entries SET reason = 'x' {ENTRY} = 6",
        "UPDATE balances SET real = real + 5 WHERE player_id <> %(p)s",
    )
    proof = found(ledger)
    assert [finding.sequence for finding in proof.findings if finding.check == Check.HASH] == [2, 6]
    assert len([finding for finding in proof.findings if finding.check == Check.BALANCE]) == 2


def test_what_is_not_told_is_counted(ledger, monkeypatch):
    for module in (findings, verification, anchors):
        monkeypatch.setattr(module, "CAP", 2)
    ledger.edit("UPDATE wallet_entries SET reason = 'x'")
    proof = found(ledger)
    assert [finding.sequence for finding in proof.findings] == [1, 1]
    assert proof.totals[Check.HASH] == 3 * LAST + 1


def test_bonus_money_and_games_are_in_the_sums(ledger):
    """Types that nothing posts yet, by the statement that will post them."""
    player = ledger.players[0]
    for place, (change_type, real, bonus) in enumerate(
        [
            (ChangeType.BONUS_GRANT, 0, 900),
            (ChangeType.WAGER, -500, -300),
            (ChangeType.SETTLEMENT, 700, 100),
            (ChangeType.WAGER, -200, 0),
            (ChangeType.REFUND, 200, 0),
            (ChangeType.BONUS_CONVERSION, 300, -700),
        ]
    ):
        request = builders.balances.Request(
            player, "USD", change_type, real, "Round 7", f"round-{place}", bonus_delta=bonus
        )
        dated = builders.balances.Dated(request, builders.SYSTEM, builders.NOW)
        ledger.transact(
            lambda session, dated=dated: builders.balances.post_many(session, [dated], with_alerts=False)
        )
    for independently in (False, True):
        assert ledger.prove(independently=independently).findings == ()


def test_the_outcome_is_kept(ledger):
    ledger.edit(f"UPDATE balances SET real = real + 5 {BALANCE}")
    proof = ledger.prove()
    ledger.transact(lambda session: verification.record(session, proof))
    with ledger.owned() as connection:
        row = connection.execute("SELECT * FROM verifications").fetchone()
    assert row is not None
    assert (row["ok"], row["entries"], row["anchors"]) == (False, proof.covered.entries, 2)
    assert "does not stand where its entries left it" in row["findings"]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_application_may_only_append(clean, table):
    with clean.owned() as connection:
        row = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
            " AND is_identity = 'NO' AND is_generated = 'NEVER' LIMIT 1",
            [table],
        ).fetchone()
    assert row is not None
    column = row["column_name"]
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with (
            psycopg.connect(database_url("app", clean.database)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)  # type: ignore[arg-type]
