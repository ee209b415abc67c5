"""`web`: the web server alone."""

import click

from dashboard import database, process, serve


@click.command()
@click.option("--child", is_flag=True, hidden=True, help="Started by `run`, which has prepared the database.")
def command(child: bool) -> None:
    """Start the web server alone, and stay until Ctrl-C."""
    if child:
        process.end_with_parent()
        serve.web()
        return
    with database.ready():
        serve.web()
