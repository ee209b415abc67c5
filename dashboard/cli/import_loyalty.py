"""`import legacy-loyalty`: bring in the old tables of loyalty, or take that back."""

import json
from collections.abc import Callable
from pathlib import Path

import click
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from dashboard import clock, database, db, roles
from dashboard.cli import import_legacy, import_progress
from dashboard.services.imports import legacy_loyalty, legacy_loyalty_files, legacy_loyalty_undo
from dashboard.services.imports.legacy_report import Undone
from dashboard.services.imports.legacy_undo import Touched


@click.command("legacy-loyalty")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--operator", required=True, metavar="SLUG", help="Whose players these are.")
@click.option("--dry-run", is_flag=True, help="Read, replay and report, and write nothing.")
@click.option("--undo", is_flag=True, help="Take back what moved in, if nothing has touched it since.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
def command(*, folder: Path, operator: str, dry_run: bool, undo: bool, as_json: bool) -> None:
    """Bring in the old loyalty tables that lie in DIR; exit 1 if rows are refused or points were short."""
    if undo:
        ids = legacy_loyalty_files.read(folder).player_ids()
        take_back(ids, folder, operator, dry_run=dry_run, as_json=as_json)
        return
    with database.application(), import_progress.shown("patients") as progress:
        report = legacy_loyalty.run(
            db.transact,
            folder=folder,
            operator=operator,
            now=clock.now(),
            dry_run=dry_run,
            progress=progress,
        )
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.as_text())
    if not report.is_fine:
        raise click.exceptions.Exit(1)


def take_back(external_ids: list[str], folder: Path, operator: str, *, dry_run: bool, as_json: bool) -> None:
    """Take back these members, and say what went."""
    try:
        undone = _as_owner(
            lambda session: legacy_loyalty_undo.undo(
                session, external_ids, folder=folder.resolve().name, operator=operator, now=clock.now()
            ),
            dry_run=dry_run,
        )
    except Touched as error:
        if as_json:
            import_legacy.tell_touched(error)
        raise
    undone.dry_run = dry_run
    click.echo(json.dumps(undone.as_json(), indent=2) if as_json else undone.as_text())


def _as_owner(work: Callable[[Session], Undone], *, dry_run: bool) -> Undone:
    """In one transaction of the owner of the tables, which a dry run rolls back."""
    with database.ready():
        engine = create_engine(roles.url_for("owner"), poolclass=NullPool, hide_parameters=True)
        with Session(engine) as session, session.begin() as transaction:
            undone = work(session)
            if dry_run:
                transaction.rollback()
    return undone
