"""Backups, rehearsed: made under way, brought back, proved, and held against the anchors."""

import io
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session

from dashboard import embedded, keys
from dashboard.backup import BackupFailed, write
from dashboard.config import ROOT, settings
from dashboard.models.login import Role, SignInSession
from dashboard.models.wallet import ChangeType
from dashboard.services import points, points_reckoning
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.conftest import Finished, database_url, drop_database, run_as_owner
from tests.services.ledger import KEY, Ledger, build

CHANGES = 500
BACKUP_KEY = "correct-horse-battery-staple-0123456789"
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
GRANTS = """
SELECT relname, acl::text FROM pg_class, unnest(relacl) AS acl
WHERE relnamespace = 'public'::regnamespace AND acl::text NOT LIKE 'purser_owner=%'
UNION ALL
SELECT relname || '.' || attname, acl::text FROM pg_class c JOIN pg_attribute ON attrelid = c.oid,
  unnest(attacl) AS acl
WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT nspname, acl::text FROM pg_namespace, unnest(nspacl) AS acl WHERE nspname = 'public'
"""
POLICIES = """
SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies
UNION ALL
SELECT relname, 'forced', NULL, NULL, NULL, NULL FROM pg_class WHERE relrowsecurity AND relforcerowsecurity
"""
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"


@pytest.fixture
def ledger(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Some players, entries, points and anchors, in the database that the commands work on."""
    monkeypatch.setenv("PURSER_ANCHOR_DIR", str(tmp_path / "anchors"))
    monkeypatch.setenv("PURSER_ANCHOR_KEY", KEY.decode())
    monkeypatch.setenv("PURSER_BACKUP_KEY", BACKUP_KEY)
    settings.cache_clear()
    made = build(database, tmp_path / "anchors")
    load = partial(
        points.load, payment=points_reckoning.Payment(22_000_00), notes="Paid", idempotency_key="load"
    )
    made.transact(partial(load, player_id=made.players[0], actor=SYSTEM, now=builders.NOW))
    return made


@pytest.fixture
def backup(command: Callable[..., Finished], ledger: Ledger, tmp_path: Path) -> Path:
    """A backup of that ledger."""
    path = tmp_path / "purser.backup"
    assert command("db", "backup", str(path)).code == 0
    return path


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database, which the commands work on from now on."""
    name = f"purser_test_{uuid.uuid4().hex[:12]}"
    run_as_owner("CREATE DATABASE {}", name)
    yield name
    drop_database(name)


@pytest.fixture
def turn_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the commands work on another database."""

    def turn(name: str) -> None:
        monkeypatch.setenv("DATABASE_URL", database_url("owner", name))
        settings.cache_clear()

    return turn


def rows(database: str, query: str) -> list[tuple[object, ...]]:
    """What the owner sees, in a steady order."""
    with psycopg.connect(database_url("owner", database)) as connection:
        return sorted(connection.execute(query).fetchall(), key=repr)  # type: ignore[call-overload, no-any-return]


def contents(database: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    return {str(name): rows(database, f"SELECT * FROM {name}") for (name,) in rows(database, TABLES)}


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What the person at the terminal answers."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{text}\n"))


def test_rehearsal(command, ledger: Ledger, backup: Path, empty: str, turn_to) -> None:
    before = contents(ledger.database)
    grants, policies, sequences = (rows(ledger.database, query) for query in (GRANTS, POLICIES, SEQUENCES))
    for number in range(CHANGES):
        ledger.change(ledger.players[number % 3], 100 + number, ChangeType.ADJUSTMENT)
    assert command("anchor").code == 0
    turn_to(empty)

    finished = command("db", "restore", str(backup))

    assert (finished.code, finished.err) == (0, "")
    # One entry of each of the three players came after the last anchor before the backup.
    assert f"The anchors know {CHANGES:,} entries more, the last of 20" in finished.out
    assert "proved: nothing differs.\nPoints: 2 entries, 1 loyalty wallets." in finished.out
    assert command("verify").code == 0
    after = contents(empty)
    for written in ("staff_log", "verifications"):  # of the restoring itself
        assert [row for row in before.pop(written) if row not in after.pop(written, [])] == []
    assert {name: found for name, found in after.items() if name in before} == before
    assert rows(empty, GRANTS) == grants
    assert rows(empty, POLICIES) == policies
    assert len(policies) > 20, "row-level security came along"
    moved = {"staff_log_id_seq", "verifications_id_seq"}
    assert [s for s in rows(empty, SEQUENCES) if s[0] not in moved] == [
        s for s in sequences if s[0] not in moved
    ]


def test_work_goes_on_where_the_backup_ended(
    command, ledger: Ledger, backup: Path, empty: str, turn_to
) -> None:
    ledger.change(ledger.players[0], 999, ChangeType.DEPOSIT)
    assert command("anchor").code == 0
    turn_to(empty)
    command("db", "restore", str(backup))
    restored = Ledger(empty, ledger.folder, ledger.players)

    restored.change(ledger.players[0], 777, ChangeType.DEPOSIT)
    operator_id = restored.transact(builders.make_operator)
    with psycopg.connect(database_url("app", empty)) as application:
        application.execute(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('q', 't', 0, NULL, NULL, '{}', NULL)"
            "::procrastinate_job_to_defer_v1])"
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM wallet_entries")

    assert operator_id == max(row[0] for row in rows(empty, "SELECT id FROM operators"))
    assert command("anchor").out.startswith("Anchor 3 holds ")
    verified = command("verify")
    assert verified.code == 0
    assert verified.err.startswith("A backup was restored once: ")
    aside = sorted(path.name for path in ledger.folder.glob("set-aside-*/*"))
    assert aside == ["anchor-000000003.json"], "what the database knows no more is kept"


def test_a_restored_database_lets_nobody_go_on(command, ledger: Ledger, tmp_path, empty, turn_to) -> None:
    def sign_in(session: Session) -> None:
        login = builders.make_login(session, role=Role.AGENT)
        session.add(
            SignInSession(
                id_hash=b"h" * 32,
                login_id=login.id,
                started_at=builders.NOW,
                seen_at=builders.NOW,
                user_agent="A browser",
            )
        )

    ledger.transact(sign_in)
    path = tmp_path / "b"
    command("db", "backup", str(path))
    turn_to(empty)
    command("db", "restore", str(path))

    assert rows(empty, "SELECT * FROM sign_in_sessions") == []
    logged = rows(empty, "SELECT details FROM staff_log WHERE action = 'database.restored'")
    assert len(logged) == len(rows(empty, "SELECT id FROM operators"))
    assert "backup_made_at" in str(logged[0])


def test_the_file_is_closed_to_others_and_says_what_it_is(backup: Path) -> None:
    content = backup.read_bytes()

    assert backup.stat().st_mode & 0o777 == 0o600
    assert content.startswith(b"purser.backup.1\n")
    assert b'"revision": "2026' in content[:2000]
    assert b"Harbour Games" not in content, "encrypted"
    assert [path.name for path in backup.parent.glob(".purser*")] == []


def test_a_file_that_is_there_is_never_written_over(command, backup: Path) -> None:
    before = backup.read_bytes()
    finished = command("db", "backup", str(backup))

    assert (finished.code, finished.err) == (1, f"{backup} is there already: give another name.\n")
    assert backup.read_bytes() == before


def test_who_would_miss_rows_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """Another role than the database's owner: policies decide what it is shown."""
    with pytest.raises(BackupFailed, match="would miss rows"):
        write(tmp_path / "x", owner_url=database_url("report", ledger.database), key=b"k" * 32)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("spoil", ["flip", "cut", "head"])
def test_a_damaged_file_changes_nothing(command, backup: Path, empty, turn_to, spoil: str) -> None:
    content = bytearray(backup.read_bytes())
    if spoil == "flip":
        content[-100] ^= 1
    elif spoil == "cut":
        del content[-50:]
    else:
        content = content.replace(b'"release": "0', b'"release": "9')
    backup.write_bytes(content)
    turn_to(empty)

    finished = command("db", "restore", str(backup))

    assert finished.code == 1
    assert finished.err.startswith("The backup does not open: it was changed or cut short")
    assert rows(empty, TABLES) == []


def test_another_key_opens_nothing(command, backup: Path, empty, turn_to, monkeypatch) -> None:
    monkeypatch.setenv("PURSER_BACKUP_KEY", BACKUP_KEY[::-1])
    turn_to(empty)

    assert command("db", "restore", str(backup)).code == 1
    assert rows(empty, TABLES) == []


def test_what_is_no_backup_is_said(command, empty, turn_to, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PGDMP" * 100)
    turn_to(empty)

    assert command("db", "restore", str(tmp_path / "x")).err == "This is no backup of Purser's.\n"
    assert "cannot be read" in command("db", "restore", str(tmp_path / "none")).err
    assert command("db", "backup", str(tmp_path / "y")).err.startswith("The database is empty")


def test_a_full_database_is_replaced_after_its_name_was_typed(
    command, ledger: Ledger, backup: Path, monkeypatch
) -> None:
    ledger.change(ledger.players[0], 5, ChangeType.DEPOSIT)
    entries = "SELECT count(*) FROM wallet_entries"
    (counted,) = rows(ledger.database, entries)[0]

    refused = command("db", "restore", str(backup))
    type_in(monkeypatch, "purser")
    mistyped = command("db", "restore", str(backup), "--replace")
    untouched = rows(ledger.database, entries)
    type_in(monkeypatch, ledger.database)
    done = command("db", "restore", str(backup), "--replace")

    assert (
        refused.err == f"The database {ledger.database} is not empty. `--replace` drops all that it holds.\n"
    )
    assert "That is not its name: nothing was changed." in mistyped.err
    assert untouched == [(counted,)]
    assert done.code == 0
    assert rows(ledger.database, entries) == [(int(str(counted)) - 1,)]


def test_a_database_in_use_is_not_replaced(command, ledger: Ledger, backup: Path, monkeypatch) -> None:
    type_in(monkeypatch, ledger.database)
    with psycopg.connect(database_url("app", ledger.database)):
        finished = command("db", "restore", str(backup), "--replace")

    assert finished.code == 1
    assert "1 other connections use this database: stop `run`, `web` and `worker` first." in finished.err


def test_when_a_row_does_not_go_in_nothing_is_changed(
    command, ledger: Ledger, backup: Path, empty, turn_to
) -> None:
    # A type of that name is no table, so the database counts as empty, and is in the way of one.
    with psycopg.connect(database_url("owner", empty)) as connection:
        connection.execute("CREATE TYPE wallet_entries AS (x int)")
    turn_to(empty)

    finished = command("db", "restore", str(backup))

    assert finished.code == 1
    assert finished.err.startswith("psql: ERROR:  ")
    assert rows(empty, TABLES) == []


def test_anchors_with_another_seal_are_not_believed(command, ledger, backup, empty, turn_to) -> None:
    newest = sorted(ledger.folder.glob("anchor-*.json"))[-1]
    (ledger.folder / "anchor-000000003.json").write_text(newest.read_text().replace('"id": 2', '"id": 3'))
    turn_to(empty)

    finished = command("db", "restore", str(backup))

    assert "1 newer anchors do not carry our seal" in finished.out
    assert finished.code == 0


def test_it_opens_without_us(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{BACKUP_KEY}\n")
    opened = subprocess.run(
        [sys.executable, ROOT / "docs" / "examples" / "open_backup.py", backup, tmp_path / "key"],
        capture_output=True,
        check=True,
    )
    listed = subprocess.run(
        [embedded.binary("pg_restore"), "--list"], input=opened.stdout, capture_output=True, check=True
    )
    assert b"TABLE DATA public wallet_entries" in listed.stdout
    assert b'"revision"' in opened.stderr


def test_from_one_embedded_server_to_another() -> None:
    with tempfile.TemporaryDirectory(prefix="purser-backup-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        file, first, second = folder / "x.backup", folder / "first", folder / "second"

        def run(home: Path, *arguments: str) -> str:
            environment = {"PURSER_HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
            finished = subprocess.run(
                [sys.executable, "-m", "dashboard.cli", *arguments],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert finished.returncode == 0, finished.stderr
            return finished.stdout

        run(first, *"operator create --slug harbour --name Harbour --currency USD --timezone UTC".split())
        _make_partner_account(first)
        run(first, "db", "backup", str(file))
        key = keys.backup_key(settings().model_copy(update={"home": first}))
        (second / "secrets").mkdir(parents=True, mode=0o700)
        (second / "secrets" / "backup.key").write_bytes(key)
        (second / "secrets" / "backup.key").chmod(0o600)
        assert "Everybody signs in anew." in run(second, "db", "restore", str(file))
        assert "Nothing differs." in run(second, "verify")
        assert _accounts(second) == [(1, "USD")]


def _make_partner_account(home: Path) -> None:
    """A row under forced row-level security, where the owner is no superuser and in no other role."""
    with embedded_owner(home) as connection:
        connection.execute(
            "INSERT INTO partners (operator_id, name, code, status, created_by, created_at)"
            " SELECT id, 'Harbour Media', 'harbour', 'active', 'system', now() FROM operators"
        )
        connection.execute(
            "INSERT INTO partner_accounts (partner_id, currency, operator_id)"
            " SELECT id, 'USD', operator_id FROM partners"
        )


def _accounts(home: Path) -> list[tuple[object, ...]]:
    with embedded_owner(home) as connection:
        return connection.execute("SELECT partner_id, currency FROM partner_accounts").fetchall()


@contextmanager
def embedded_owner(home: Path) -> Iterator[psycopg.Connection]:
    """The owner's connection to an embedded server, which is stopped afterwards."""
    server = embedded.start(home)
    try:
        with psycopg.connect(server.url("owner")) as connection:
            yield connection
    finally:
        server.stop()
