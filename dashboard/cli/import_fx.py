"""`import fx`: bring in exchange rates."""

from pathlib import Path

import click

from dashboard import database, db
from dashboard.services import fx


@click.command("fx")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(file: Path) -> None:
    """Bring in the rates of FILE, the European Central Bank's history as CSV or CSV.gz."""
    with database.application():
        done = db.transact(lambda session: fx.store(session, fx.read(file)))
    click.echo(
        f"{done.rates:,} rates of {done.currencies} currencies, {done.first.isoformat()} to"
        f" {done.last.isoformat()}; {done.known:,} were known."
    )
