"""`import`: bring in journals from elsewhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dashboard import clock, database, db
from dashboard.services.imports import entries as imports
from dashboard.services.imports import mapping as mappings

_PLAIN_EVERY = 5000
"""Without a terminal there is a line every so many rows."""


@click.group()
def command() -> None:
    """Bring in journals from elsewhere. docs/import.md tells how to describe one."""


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
    with database.application(), _progress() as progress:
        report = imports.run(
            db.transact,
            file=file,
            mapping=mapping,
            operator=operator,
            now=clock.now(),
            dry_run=dry_run,
            progress=progress,
        )
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.as_text())
    if not report.is_fine:
        raise click.exceptions.Exit(1)


@contextmanager
def _progress() -> Iterator[imports.Progress]:
    """A bar on a terminal, a line now and then elsewhere; on standard error, beside the report."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _tell
        return
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rows", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Told:
    """How far the last plain line was."""

    rows = 0


def _tell(done: int, total: int) -> None:
    if done == total or done - _Told.rows >= _PLAIN_EVERY:
        _Told.rows = done
        click.echo(f"{done:,} of {total:,} rows", err=True)
