"""`worker`: the jobs alone."""

import click

from dashboard import database, jobs, metrics, process


@click.command()
@click.option("--child", is_flag=True, hidden=True, help="Started by `run`, which has prepared the database.")
@click.option("--parent", type=int, hidden=True, help="The process to end with.")
def command(child: bool, parent: int | None) -> None:
    """Start the worker alone, and stay until Ctrl-C."""
    if child:
        process.end_with_parent(parent)
        jobs.work()
        return
    with database.ready():
        metrics.forget_ended()
        jobs.work()
