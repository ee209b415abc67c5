"""`import`: bring in journals and wallets from elsewhere."""

import json
from pathlib import Path

import click

from dashboard import clock, database, db
from dashboard.cli import import_coupons, import_fx, import_legacy, import_loyalty, import_progress
from dashboard.jobs import rollups
from dashboard.services.imports import entries as imports
from dashboard.services.imports import mapping as mappings


@click.group()
def command() -> None:
    """Bring in journals (docs/import.md), old wallets and loyalty (docs/moving-in.md), and rates."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The TOML file that says what the columns are.",
)
@click.option("--operator", required=True, metavar="SLUG", help="Whose players these are.")
@click.option("--dry-run", is_flag=True, help="Read, order and reconcile, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
def entries(file: Path, mapping_file: Path, operator: str, dry_run: bool, as_json: bool) -> None:
    """Bring in the rows of FILE, a CSV or CSV.gz; exit 1 if any is refused or does not reconcile."""
    mapping = mappings.read(mapping_file)
    with database.application(), import_progress.shown("rows") as progress:
        report = imports.run(
            db.transact,
            file=file,
            mapping=mapping,
            operator=operator,
            now=clock.now(),
            dry_run=dry_run,
            progress=progress,
        )
        if not dry_run:
            rollups.roll(clock.now())
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.as_text())
    if not report.is_fine:
        raise click.exceptions.Exit(1)


command.add_command(import_legacy.command)
command.add_command(import_fx.command)
command.add_command(import_loyalty.command)
command.add_command(import_coupons.command)
