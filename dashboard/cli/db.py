"""`db`: the schema and the way to the database."""

import os
import subprocess
import tempfile
from pathlib import Path

import click

from dashboard import database, embedded, keys, migrate, roles
from dashboard.cli.db_backup import backup_command, restore_command
from dashboard.config import settings
from dashboard.errors import PurserError

ROLES = click.Choice(["owner", "app", "partner", "report"])


@click.group()
def command() -> None:
    """The database: its schema, its URL, a shell."""


@command.command()
def upgrade() -> None:
    """Bring the schema to this release, starting the embedded server if it is needed."""
    with database.ready():
        click.echo(f"The database is at revision {migrate.current_revision(roles.url_for('owner'))}.")


@command.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Undo migrations down to REVISION (`base` for all of them). Data of newer tables are lost."""
    with database.ready():
        migrate.downgrade(roles.url_for("owner"), revision)
        click.echo(
            f"The database is at revision {migrate.current_revision(roles.url_for('owner')) or 'base'}."
        )


@command.command()
@click.option("--scratch", is_flag=True, help="Compare on a database made for it and thrown away.")
def check(scratch: bool) -> None:
    """Compare models and database; exit 1 if they differ."""
    if scratch:
        differences = _drift_on_scratch()
    else:
        with database.ready():
            differences = migrate.drift(roles.url_for("owner"))
    for difference in differences:
        click.echo(difference)
    if differences:
        raise PurserError(f"Models and migrations differ in {len(differences)} places.")
    click.echo("Models and migrations agree.")


@command.command()
@click.option("--role", type=ROLES, default="owner", show_default=True)
def url(role: str) -> None:
    """Print a URL for psql and other clients; the embedded server is started and left running."""
    with database.ready(keep_running=True):
        click.echo(roles.url_for(role))


@command.command()
@click.option("--role", type=ROLES, default="owner", show_default=True)
def shell(role: str) -> None:
    """Open psql, the client that comes along."""
    with database.ready():
        address = roles.url_for(role)
        # The password travels by the environment: the arguments of a process can be seen by others.
        password = roles.password_of(address)
        finished = subprocess.run(  # noqa: S603 - our own binary
            [embedded.binary("psql"), roles.without_password(address)],
            env={**os.environ, "PGPASSWORD": password},
            check=False,
        )
    raise click.exceptions.Exit(1 if finished.returncode else 0)


@command.command()
def stop() -> None:
    """Stop the embedded server."""
    if settings().database_url is not None:
        raise PurserError("DATABASE_URL is set: that server is not ours to stop.")
    stopped = embedded.stop(settings().home)
    click.echo("PostgreSQL is stopped." if stopped else "PostgreSQL was not running.")


command.add_command(backup_command)
command.add_command(restore_command)


def _drift_on_scratch() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="purser-check-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's user passes through
        server = embedded.start(Path(folder) / "home", fast_and_unsafe=True)
        try:
            with roles.connect_as_owner(server.url("owner")) as connection:
                roles.ensure(connection, server.url("owner"), keys.database_passwords(server.home))
            migrate.upgrade(server.url("owner"))
            return migrate.drift(server.url("owner"))
        finally:
            server.stop()
