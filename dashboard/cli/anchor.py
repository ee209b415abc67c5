"""`anchor`: seal what stands now."""

import click

from dashboard import clock, database, db, keys
from dashboard.config import settings
from dashboard.services import audit


@click.command()
def command() -> None:
    """Take an anchor now, in the database and as a file; the worker takes one every day."""
    folder = settings().anchor_folder
    with database.application():
        anchor = audit.take_anchor(
            db.reading, db.transact, key=keys.anchor_key(), folder=folder, now=clock.now()
        )
    click.echo(
        f"Anchor {anchor.id} holds {anchor.entries:,} entries of {anchor.balances:,} journals,"
        f" {anchor.heads:,} of them moved since the one before. File: {folder / anchor.file_name}"
    )
    if settings().anchor_dir is None:
        click.echo("It shares this machine with what it guards: set PURSER_ANCHOR_DIR elsewhere.", err=True)
