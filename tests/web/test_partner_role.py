"""The partners' database role, by SQL: what it is refused, and what it finds nothing in.

Whoever speaks SQL as that role can name any partner: that is how row-level security learns whom to serve.
So it is the application that never lets a request reach the setting, which the last tests show.
"""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import event, text

from dashboard import db
from tests.conftest import clone, database_url, drop_database
from tests.web.partner_site import History, Site

WITHHELD = (
    *("partners", "partner_contracts", "partner_minimums", "partner_status_changes", "referrals"),
    *("partner_game_earnings", "partner_period_players", "players", "player_handles", "wallets", "balances"),
    *("wallet_entries", "bets", "rounds", "round_settlements", "games", "logins", "sign_in_sessions"),
    *("second_factors", "operators", "staff_log", "change_requests", "alerts", "bonuses", "anchors"),
)
"""Tables of which it can read nothing at all."""
SHOWN = (
    *("partner_accounts", "partner_shown_earnings", "partner_shown_periods", "partner_statements"),
    *("partner_statement_lines", "partner_payouts"),
)
VIEWS = ("partner_self", "partner_games", "partner_terms", "partner_term_minimums", "partner_referred")
REFUSED = (
    # Columns beside those that are granted: who decided, and what would lead to the real figures.
    "SELECT * FROM partner_shown_earnings",
    "SELECT round_id FROM partner_shown_earnings",
    "SELECT operator_id FROM partner_shown_earnings",
    "SELECT decided_by FROM partner_shown_earnings",
    "SELECT closed_by FROM partner_statements",
    "SELECT decision_reason FROM partner_statements",
    "SELECT approved_by FROM partner_payouts",
    "SELECT idempotency_key FROM partner_payouts",
    # Writing, even what is the partner's own.
    "UPDATE partner_accounts SET approved = 1000000",
    "UPDATE partner_payouts SET state = 'paid'",
    "UPDATE partner_shown_earnings SET is_open = true",
    "DELETE FROM partner_shown_earnings",
    "DELETE FROM partner_payouts",
    "TRUNCATE partner_payouts",
    "INSERT INTO partner_accounts (partner_id, currency, operator_id) VALUES (1, 'EUR', 1)",
    "INSERT INTO partner_payouts (partner_id, currency, amount) VALUES (1, 'USD', 100)",
    "UPDATE partner_terms SET hold_days = 0",
    "DO $$ BEGIN LOCK TABLE partner_accounts IN EXCLUSIVE MODE; END $$",
    "SELECT id FROM partner_payouts FOR UPDATE",
    # Becoming somebody else, or switching the rules off.
    "SET ROLE purser_app",
    "SET ROLE purser_owner",
    "SET SESSION AUTHORIZATION purser_app",
    "ALTER TABLE partner_accounts DISABLE ROW LEVEL SECURITY",
    "DROP POLICY own ON partner_accounts",
    "CREATE POLICY all_of_it ON partner_accounts USING (true)",
    "ALTER ROLE purser_partner BYPASSRLS",
    "GRANT SELECT ON partner_game_earnings TO purser_partner",
    "SET row_security = off; SELECT currency FROM partner_accounts",
    # Making something that others would run, or that would look before the rules do.
    "CREATE TABLE copied (id bigint)",
    "CREATE FUNCTION leak(bigint) RETURNS boolean LANGUAGE sql COST 0.0001 AS 'SELECT true'",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE SCHEMA mine",
    # The server's own files, programs and statistics.
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "COPY partner_self TO '/tmp/partners'",
    "COPY partner_self TO PROGRAM 'cat'",
    "SELECT lo_import('/etc/hostname')",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_authid",
    "SELECT pg_reload_conf()",
    "SELECT nextval('partner_payouts_id_seq')",
)
EMPTY = (
    "SELECT id FROM partner_shown_earnings WHERE partner_id = {other}",
    "SELECT id FROM partner_shown_earnings WHERE partner_id <> {mine}",
    "SELECT currency FROM partner_accounts WHERE partner_id = {other}",
    "SELECT starts FROM partner_shown_periods WHERE partner_id = {other}",
    "SELECT id FROM partner_statements WHERE id = {other_statement}",
    "SELECT rows FROM partner_statement_lines WHERE statement_id = {other_statement}",
    "SELECT id FROM partner_payouts WHERE partner_id = {other}",
    "SELECT name FROM partner_self WHERE id = {other}",
    "SELECT e.id FROM partner_shown_earnings e JOIN partner_statements s ON s.id = e.statement_id"
    " WHERE s.partner_id <> {mine}",
    # What is too small to be shown by itself.
    "SELECT id FROM partner_shown_earnings WHERE NOT is_open",
    "SELECT id FROM partner_shown_earnings WHERE players BETWEEN 1 AND 4",
    "SELECT starts FROM partner_shown_periods WHERE kind <> 'month' AND players < 5",
    "SELECT id FROM partner_statements WHERE state = 'declined'",
    # The share and the rate, where they are not disclosed.
    "SELECT version FROM partner_terms WHERE share_bp IS NOT NULL OR rate_bp IS NOT NULL",
    # Statistics of columns: the most frequent values of everybody's rows.
    "SELECT most_common_vals FROM pg_stats WHERE tablename LIKE 'partner_%'",
    "SELECT statistics_name FROM pg_stats_ext WHERE tablename LIKE 'partner_%'",
    "SELECT query FROM pg_stat_activity WHERE usename = 'purser_app' AND query <> '<insufficient privilege>'",
)


_RELATIONS = (
    "SELECT relname FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'f')"
)


@pytest.fixture
def partners_role(partner_history: tuple[str, History]) -> Iterator[psycopg.Connection]:
    """A connection of the partners' role to a database with two partners; names nobody yet."""
    template, _history = partner_history
    name = clone(template)
    with psycopg.connect(database_url("owner", name), autocommit=True) as owner:
        owner.execute("ANALYZE")
    with psycopg.connect(database_url("partner", name), autocommit=True) as connection:
        yield connection
    drop_database(name)


def name_partner(connection: psycopg.Connection, partner_id: int | str) -> None:
    """Say for whom the connection asks from now on."""
    connection.execute("SELECT set_config('purser.partner_id', %s, false)", [str(partner_id)])


def count(connection: psycopg.Connection, relation: str) -> int:
    """How many rows it finds there."""
    row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    assert row is not None
    return int(row[0])


def test_it_is_refused(partners_role: psycopg.Connection, partner_history: tuple[str, History]) -> None:
    name_partner(partners_role, partner_history[1].partner_id)
    statements = [*(f"SELECT count(*) FROM {table}" for table in WITHHELD), *REFUSED]
    assert len(statements) >= 25
    let_through = []
    for statement in statements:
        try:
            partners_role.execute(statement)
            let_through.append(statement)
        except psycopg.errors.InsufficientPrivilege:
            pass
        partners_role.execute("RESET row_security")
    assert let_through == []


def test_there_is_no_table_besides(partners_role: psycopg.Connection) -> None:
    """Every relation of the schema is either withheld whole, or one of those that are shown."""
    readable = partners_role.execute(
        f"{_RELATIONS} AND has_any_column_privilege(oid, 'SELECT') ORDER BY relname"
    ).fetchall()
    assert [row[0] for row in readable] == sorted([*SHOWN, *VIEWS])
    writable = partners_role.execute(
        f"{_RELATIONS} AND (has_any_column_privilege(oid, 'INSERT')"
        " OR has_any_column_privilege(oid, 'UPDATE')"
        " OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER, REFERENCES'))"
    ).fetchall()
    assert writable == []


def test_it_finds_nothing_of_others_and_nothing_small(
    partners_role: psycopg.Connection, partner_history: tuple[str, History]
) -> None:
    history = partner_history[1]
    name_partner(partners_role, history.partner_id)
    found = []
    for statement in EMPTY:
        asked = statement.format(
            mine=history.partner_id, other=history.other_id, other_statement=history.other_statement_id
        )
        if partners_role.execute(asked.replace("%", "%%") if "{" in asked else asked).fetchall():
            found.append(asked)
    assert found == []


def test_the_other_partner_has_what_it_does_not_find(
    partners_role: psycopg.Connection, partner_history: tuple[str, History]
) -> None:
    """So that nothing above is empty for want of rows; and naming another partner is all that it takes."""
    name_partner(partners_role, partner_history[1].other_id)
    for relation in (*SHOWN, *VIEWS):
        column = "id" if relation == "partner_shown_earnings" else "1"
        assert partners_role.execute(f"SELECT {column} FROM {relation}").fetchone(), relation


def test_without_a_partner_it_finds_nothing(partners_role: psycopg.Connection) -> None:
    assert {relation: count(partners_role, relation) for relation in (*SHOWN, *VIEWS)} == dict.fromkeys(
        (*SHOWN, *VIEWS), 0
    )
    name_partner(partners_role, "")
    assert count(partners_role, "partner_accounts") == 0
    name_partner(partners_role, "1 OR true")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        count(partners_role, "partner_accounts")


def test_no_request_reaches_whom_a_transaction_serves(site: Site) -> None:
    """Whatever a request carries, every transaction begins by naming the partner of the session, once."""
    other = site.history.other_id
    told: list[object] = []
    statements: list[str] = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_rest: object
    ) -> None:
        if "partner_id" in statement and "set_config" in statement:
            told.append(parameters)
        statements.append(statement)

    with site.desk.app.app_context():
        engine = db.alchemy.engines[db.PARTNERS]
    event.listen(engine, "before_cursor_execute", note)
    asked = 0
    for path in ("", "/rounds", "/days", "/months", "/games", "/statements", "/payouts", "/profile"):
        for name in ("partner_id", "partner", "id", "purser.partner_id"):
            for value in (str(other), f"{other}'); --", f"1 OR partner_id = {other}"):
                answer = site.browser.client.get(
                    f"/earnings{path}",
                    query_string={name: value, "game": value, "currency": value, "after": value},
                    headers={"X-Partner-Id": value, "Cookie": f"partner_id={other}"},
                )
                assert answer.status_code == 200
                asked += 1
    event.remove(engine, "before_cursor_execute", note)
    assert told == [{"id": str(site.history.partner_id)}] * asked
    assert not [text for text in statements if str(other) + "')" in text or "--" in text]


def test_a_connection_that_serves_again_has_forgotten_whom_it_served(site: Site) -> None:
    seen = text("SELECT pg_backend_pid(), count(*), min(partner_id) FROM partner_accounts")
    history = site.history
    with site.desk.app.app_context():
        with db.partner_reading(history.partner_id) as session:
            backend, mine, whose = session.execute(seen).one()
        assert (mine, whose) == (2, history.partner_id)
        with db.alchemy.engines[db.PARTNERS].connect() as connection:
            assert connection.execute(seen).one() == (backend, 0, None)
        with db.partner_reading(history.other_id) as session:
            assert session.execute(seen).one() == (backend, 1, history.other_id)
