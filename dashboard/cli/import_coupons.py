"""`import loyalty-coupons`: bring in purchases and coupons of households, or take that back."""

import json
from pathlib import Path

import click

from dashboard import clock, database, db
from dashboard.cli import import_loyalty, import_progress
from dashboard.services.imports import loyalty_coupons, loyalty_coupons_replay
from dashboard.services.imports.loyalty_coupons_replay import Rule


@click.command("loyalty-coupons")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--operator", required=True, metavar="SLUG", help="Whose players the households are.")
@click.option(
    "--points-per-unit",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Points for each whole unit of a basket.",
)
@click.option("--exact", is_flag=True, help="Campaigns give what their coupons need, purchases nothing.")
@click.option("--dry-run", is_flag=True, help="Read, replay and report, and write nothing.")
@click.option("--undo", is_flag=True, help="Take back what moved in, if nothing has touched it since.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
def command(
    *,
    folder: Path,
    operator: str,
    points_per_unit: int,
    exact: bool,
    dry_run: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Bring in purchases and coupons of the households in DIR; exit 1 if a redemption is refused."""
    if undo:
        found = loyalty_coupons_replay.households(loyalty_coupons_replay.read(folder))
        ids = [loyalty_coupons.external_id(one.old_id) for one in found]
        import_loyalty.take_back(ids, folder, operator, dry_run=dry_run, as_json=as_json)
        return
    with database.application(), import_progress.shown("households") as progress:
        report = loyalty_coupons.run(
            db.transact,
            folder=folder,
            operator=operator,
            rule=Rule(points_per_unit, exact=exact),
            now=clock.now(),
            dry_run=dry_run,
            progress=progress,
        )
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.as_text())
    if not report.is_fine:
        raise click.exceptions.Exit(1)
