"""`run`: everything at once."""

import click

from dashboard import serve


@click.command()
@click.option("--demo/--no-demo", default=True, help="Whether an empty database is filled with the demo.")
def command(demo: bool) -> None:
    """Start database, worker and web server, and stay until Ctrl-C."""
    serve.run(demo=demo)
