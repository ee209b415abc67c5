"""`demo`: a believable operator to look at."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from dashboard import clock, database, db
from dashboard.errors import PurserError
from dashboard.services import demo


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another story.")
@click.option("--players", "players_count", type=click.IntRange(5, 9_999), default=2_000, show_default=True)
@click.option("--days", "days_count", type=click.IntRange(3, 730), default=90, show_default=True)
def command(seed: int, players_count: int, days_count: int) -> None:
    """Fill an empty database with Lotus House: its staff, its players and their last days until now."""
    began = time.monotonic()
    with database.application(), _progress() as progress:
        try:
            filled = demo.fill(
                db.transact,
                now=clock.now(),
                seed=seed,
                players_count=players_count,
                days_count=days_count,
                progress=progress,
            )
        except KeyboardInterrupt:
            # One transaction for all of it would leave nothing, but a table full of dead balances too.
            raise PurserError(
                "Stopped. What is there is whole, but its story ends early: for all of it, start on an empty"
                " database (remove the folder of PURSER_HOME, or make a new one)."
            ) from None
    click.echo(
        f"{filled.players:,} players and {filled.entries:,} entries in {time.monotonic() - began:.0f} s."
    )


@contextmanager
def _progress() -> Iterator[demo.Progress]:
    """A bar for each stage on a terminal, a line for each elsewhere; on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _tell
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield show


def _tell(stage: str, done: int, total: int) -> None:
    if done == total:
        click.echo(f"{stage}: done", err=True)
