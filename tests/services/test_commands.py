"""The commands of the house: exit codes, one-line messages, the lazy table."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dashboard import embedded
from dashboard.cli import LazyGroup, main
from dashboard.config import ROOT, settings
from tests.conftest import database_url


def test_wrong_usage_exits_2(capsys):
    for arguments in (["nonsense"], ["db", "downgrade"], ["db", "url", "--role", "nobody"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "No such command 'nonsense'" in capsys.readouterr().err


def test_help_names_every_command_and_those_of_the_set_up(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in [*LazyGroup.purposes, "test", "check"])


def test_the_schema_goes_up_and_reports_itself(command):
    assert command("db", "upgrade").out.startswith("The database is at revision 2026")
    assert command("db", "check").out == "Models and migrations agree.\n"


def test_drift_is_refused_with_what_differs(command, database):
    with psycopg.connect(database_url("owner", database)) as connection:
        connection.execute("ALTER TABLE operators ADD COLUMN surplus int")
    finished = command("db", "check")
    assert finished.code == 1
    assert "surplus" in finished.out
    assert finished.err == "Models and migrations differ in 1 places.\n"


def test_a_newer_database_is_not_touched(command, database):
    with psycopg.connect(database_url("owner", database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '99990101_0001'")
    finished = command("db", "upgrade")
    assert finished.code == 1
    assert "which this release does not know" in finished.err


def test_urls_of_the_roles(command, database):
    for role in ("owner", "app", "partner", "report"):
        url = command("db", "url", "--role", role).out.strip()
        with psycopg.connect(url) as connection:
            assert connection.info.user == ("purser_owner" if role == "owner" else f"purser_{role}")
            assert connection.info.dbname == database


def test_a_server_of_ones_own_is_not_stopped(command):
    finished = command("db", "stop")
    assert (finished.code, finished.err) == (1, "DATABASE_URL is set: that server is not ours to stop.\n")


def test_an_unreachable_server_is_one_line_and_exit_1(command, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/none")
    settings.cache_clear()
    finished = command("db", "upgrade")
    assert finished.code == 1
    assert finished.err.startswith("PostgreSQL cannot be reached: ")
    assert finished.err.count("\n") == 1


def test_a_url_of_another_database_is_refused(command, monkeypatch):
    for url in ("mysql://a@b/c", "nonsense"):
        monkeypatch.setenv("DATABASE_URL", url)
        settings.cache_clear()
        finished = command("db", "upgrade")
        assert finished.code == 1
        assert finished.err.startswith("DATABASE_URL ")


def test_routes_for_machines(command):
    rows = json.loads(command("routes", "--json").out)
    assert {"method": "GET", "path": "/healthz", "permission": "public"} in rows
    assert all(row["permission"] for row in rows)


def test_a_port_in_use_is_one_line_and_exit_1(command, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        settings.cache_clear()
        finished = command("web")
    assert finished.code == 1
    assert finished.err == f"Port {port} on 127.0.0.1 is in use: stop the program there, or set PORT.\n"


def test_a_child_ends_with_its_parent():
    code = (
        "import os, signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'from dashboard import process; import signal;'"
        "'process.end_with_parent(); print(1, flush=True); signal.pause()'], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=20
    )
    assert finished.returncode == -signal.SIGKILL
    child = Path(f"/proc/{int(finished.stdout)}")
    assert embedded._wait(lambda: not child.exists() or "Z" in child.joinpath("stat").read_text().split(), 5)
