"""`bench`: run one of the benchmarks."""

import runpy
import sys

import click

from dashboard.config import ROOT

FOLDER = ROOT / "benchmarks"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", type=click.Choice(sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(name: str, arguments: tuple[str, ...]) -> None:
    """Run benchmarks/NAME.py, which prints a ratio against a baseline of the same run."""
    sys.argv = [name, *arguments]
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
