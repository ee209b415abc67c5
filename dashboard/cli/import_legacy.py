"""`import legacy-wallets`: bring in the old tables of wallets and bonuses, or take that back."""

import json
from pathlib import Path

import click
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from dashboard import clock, database, db, roles
from dashboard.cli import import_progress
from dashboard.jobs import rollups
from dashboard.services.imports import legacy_undo, legacy_wallets
from dashboard.services.imports.legacy_report import Report, Undone


@click.command("legacy-wallets")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--operator", required=True, metavar="SLUG", help="Whose players these are.")
@click.option("--minor-units", is_flag=True, help="Amounts stand there in cents, not in whole units.")
@click.option("--dry-run", is_flag=True, help="Read, put together and report, and write nothing.")
@click.option("--undo", is_flag=True, help="Take back what moved in, if nothing has touched it since.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
def command(
    *, folder: Path, operator: str, minor_units: bool, dry_run: bool, undo: bool, as_json: bool
) -> None:
    """Bring in the old tables that lie in DIR as CSV files; exit 1 if anything is refused or differs."""
    if undo:
        try:
            undone = _undo(folder, operator, dry_run=dry_run)
        except legacy_undo.Touched as error:
            if as_json:
                tell_touched(error)
            raise
        if not dry_run:
            with database.application():
                rollups.roll(clock.now())
        _echo(undone, as_json=as_json)
        return
    with database.application(), import_progress.shown("players") as progress:
        report = legacy_wallets.run(
            db.transact,
            folder=folder,
            operator=operator,
            now=clock.now(),
            minor_units=minor_units,
            dry_run=dry_run,
            progress=progress,
        )
        if not dry_run:
            rollups.roll(clock.now())
    _echo(report, as_json=as_json)
    if not report.is_fine:
        raise click.exceptions.Exit(1)


def _undo(folder: Path, operator: str, *, dry_run: bool) -> Undone:
    """As the owner of the tables, in one transaction that a dry run rolls back."""
    with database.ready():
        engine = create_engine(roles.url_for("owner"), poolclass=NullPool, hide_parameters=True)
        with Session(engine) as session, session.begin() as transaction:
            undone = legacy_undo.undo(session, folder=folder, operator=operator, now=clock.now())
            if dry_run:
                transaction.rollback()
    undone.dry_run = dry_run
    return undone


def tell_touched(error: legacy_undo.Touched) -> None:
    """Which players have been touched since, for machines."""
    touched = [
        {"player_id": one.player_id, "account": one.external_id, "what": list(one.what)}
        for one in error.players
    ]
    click.echo(json.dumps({"undone": False, "touched": touched}, indent=2))


def _echo(outcome: Report | Undone, *, as_json: bool) -> None:
    click.echo(json.dumps(outcome.as_json(), indent=2) if as_json else outcome.as_text())
