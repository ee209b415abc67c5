"""The PostgreSQL that comes along: closed to others, hard to break, never in the way of the next start."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import dashboard
from dashboard import embedded, keys, live, migrate, roles, service_account
from dashboard.config import ROOT


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A running server whose folder has blanks in its name."""
    with tempfile.TemporaryDirectory(prefix="purser test ") as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / "home of it"
        embedded.start(path)
        yield path
        embedded.stop(path)


def ask(url: str, query: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return str(row[0])


def test_every_role_needs_its_password(home):
    url = embedded.url(home, "owner")
    assert ask(url, "SELECT current_user") == "purser_owner"
    password = keys.database_passwords(home)["owner"]
    for attempt in (url.replace(password, "wrong"), url.replace(f":{password}", "")):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(attempt)
    rules = (home / "postgres" / "pg_hba.conf").read_text().splitlines()
    methods = {line.split()[-1] for line in rules if line.strip() and not line.startswith("#")}
    assert methods == {"scram-sha-256"}


def test_only_a_socket_in_a_closed_folder(home):
    folder = home / "postgres-socket"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == [".s.PGSQL.5432", ".s.PGSQL.5432.lock"]
    url = embedded.url(home, "owner")
    assert ask(url, "SHOW listen_addresses") == ""
    assert ask(url, "SHOW jit") == "off"


def test_the_application_is_no_superuser_and_makes_no_tables(home):
    owner_url = embedded.url(home, "owner")
    passwords = keys.database_passwords(home)
    with roles.connect_as_owner(owner_url) as connection:
        roles.ensure(connection, owner_url, passwords)
    for role in roles.ROLES:
        url = embedded.url(home, role)
        rights = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
        assert ask(url, f"SELECT {rights} FROM pg_roles WHERE rolname = current_user") == "False"
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            ask(url, "CREATE TABLE mine (id int)")
    assert ask(embedded.url(home, "app"), "SHOW statement_timeout") == "5s"
    assert ask(embedded.url(home, "app"), "SHOW lock_timeout") == "2s"
    assert ask(embedded.url(home, "report"), "SHOW default_transaction_read_only") == "on"


def test_open_pages_are_told_through_a_folder_with_blanks(home):
    with roles.connect_as_owner(embedded.url(home, "owner")) as connection:
        roles.ensure(connection, embedded.url(home, "owner"), keys.database_passwords(home))
    uri = roles.url_on(embedded.url(home, "owner"), "app", keys.database_passwords(home))
    app = dashboard.create_app(TESTING=True, SQLALCHEMY_DATABASE_URI=uri)
    with psycopg.connect(uri, autocommit=True) as listener:
        listener.execute(f"LISTEN {live.CHANNEL}")
        with app.app_context():
            live.tell("players")
        (note,) = listener.notifies(timeout=30, stop_after=1)
    app.extensions["live"].close()
    assert "players" in note.payload


def test_passwords_that_changed_are_set_again(home):
    owner_url = embedded.url(home, "owner")
    changed = {**keys.database_passwords(home), "app": "another-password-of-some-length"}
    with roles.connect_as_owner(owner_url) as connection:
        for passwords in (changed, keys.database_passwords(home)):
            roles.ensure(connection, owner_url, passwords)
            assert ask(roles.url_on(owner_url, "app", passwords), "SELECT current_user") == "purser_app"


def test_an_owner_who_may_not_make_roles_gets_the_sql_for_an_administrator(home):
    with psycopg.connect(embedded.url(home, "superuser", "postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
        connection.execute("CREATE DATABASE weak OWNER weak")
    weak_url = embedded.url(home, "superuser", "weak").replace(
        f"purser_superuser:{keys.database_passwords(home)['superuser']}", "weak:weak"
    )
    wrong = {**keys.database_passwords(home), "app": "another-password-of-some-length"}
    with roles.connect_as_owner(weak_url) as connection, pytest.raises(roles.RolesMissing) as refused:
        roles.ensure(connection, weak_url, wrong)
    assert 'ROLE "purser_app" LOGIN PASSWORD' in refused.value.message
    assert wrong["app"] not in refused.value.message


def test_a_second_start_finds_it_up(home):
    again = embedded.start(home)
    assert again.started_here is False
    assert embedded.is_running(home)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT])
def test_a_killed_server_is_started_again_with_what_was_committed(home, how):
    url = embedded.url(home, "owner")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        # Left open: its server process outlives the killed one for a moment and holds the memory.
        os.kill(embedded.start(home).process_id, how)
        assert embedded._wait(lambda: not embedded.is_running(home), timeout_seconds=5)
        server = embedded.start(home)
    assert server.started_here
    assert int(ask(url, "SELECT count(*) FROM kept")) > 0


def test_a_pid_file_of_another_program_is_no_server(home):
    embedded.stop(home)
    pid_file = home / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{home / 'postgres'}\n0\n5432\n\n\n\nready\n")
    assert not embedded.is_running(home)
    assert embedded.start(home).started_here


def test_it_outlives_a_killed_starter(home):
    embedded.stop(home)
    code = (
        "import os, signal, sys, pathlib; from dashboard import embedded; "
        "embedded.start(pathlib.Path(sys.argv[1])); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    finished = subprocess.run([sys.executable, "-c", code, str(home)], check=False, cwd=ROOT)
    assert finished.returncode == -signal.SIGKILL
    assert embedded.start(home).started_here is False
    assert ask(embedded.url(home, "owner"), "SELECT 1") == "1"


def test_the_last_user_stops_it(home):
    embedded.stop(home)
    with embedded.running(home):
        with embedded.running(home) as inner:
            assert inner.started_here is False
        assert embedded.is_running(home)
    assert not embedded.is_running(home)
    outer = embedded.running(home)
    outer.__enter__()
    with embedded.running(home):
        outer.__exit__(None, None, None)
        assert embedded.is_running(home)
    assert not embedded.is_running(home)


def test_one_that_was_asked_for_stays_up(home):
    with embedded.running(home):
        embedded.start(home)
    assert embedded.is_running(home)
    embedded.stop(home)
    with embedded.running(home):
        pass
    assert not embedded.is_running(home)
    embedded.start(home)


def test_a_long_path_gets_a_short_closed_socket_folder(tmp_path):
    short = embedded._socket_folder(Path("/srv"), Path("/srv/postgres"))
    assert short == Path("/srv/postgres-socket")
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    folder = embedded._socket_folder(deep, deep / "postgres")
    assert folder.parent == Path(tempfile.gettempdir())
    assert len(str(folder)) < 60
    assert folder != embedded._socket_folder(deep / "z", deep / "z" / "postgres")


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path):
    other = tmp_path / "purser-0123456789ab"
    account = service_account.Account(os.geteuid() + 1, os.getegid(), lent=False)
    other.mkdir()
    with pytest.raises(service_account.PurserError, match="exists and is not ours"):
        account.own_folder(other)
    link = tmp_path / "link"
    link.symlink_to(other)
    mine = service_account.Account(os.geteuid(), os.getegid(), lent=False)
    with pytest.raises(service_account.PurserError, match="exists and is not ours"):
        mine.own_folder(link)


def test_folders_above_are_opened_for_passing_through_alone(tmp_path, capsys):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    account = service_account.Account(65534, 65534, lent=True)
    account.open_way_to(closed / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert str(closed) in capsys.readouterr().err


def test_a_server_that_cannot_start_tells_why(home):
    embedded.stop(home)
    configuration = home / "postgres" / "postgresql.conf"
    before = configuration.read_text()
    configuration.write_text("no_such_setting = 1\n")
    with pytest.raises(embedded.EmbeddedServerError, match="no_such_setting"):
        embedded.start(home)
    configuration.write_text(before)
    embedded.start(home)


def test_an_unreachable_server_is_told_in_one_line():
    with pytest.raises(roles.DatabaseUnavailable, match=r"^PostgreSQL cannot be reached: .*$"):
        roles.connect_as_owner("postgresql://nobody:x@127.0.0.1:9/none")


def test_a_server_that_is_too_old_is_refused(home, monkeypatch):
    monkeypatch.setattr(roles, "SERVER_VERSION_MIN", 99)
    with pytest.raises(roles.DatabaseUnavailable, match=r"^PostgreSQL 18 is too old"):
        roles.connect_as_owner(embedded.url(home, "owner"))


def test_migrations_go_up_and_down_and_up(home):
    url = embedded.url(home, "owner")
    with roles.connect_as_owner(url) as connection:
        roles.ensure(connection, url, keys.database_passwords(home))
    assert migrate.upgrade(url) is True
    assert migrate.upgrade(url) is False
    migrate.downgrade(url, "base")
    assert migrate.current_revision(url) is None
    assert (
        ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'kept'") == "1"
    )
    assert ask(url, "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == "0"
    assert migrate.upgrade(url) is True
