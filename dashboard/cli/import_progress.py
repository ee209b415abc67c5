"""How far an import is, on standard error: a bar on a terminal, a line now and then elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_EVERY = 5000
"""Without a terminal there is a line every so many."""


@contextmanager
def shown(what: str) -> Iterator[Callable[[int, int], None]]:
    """Takes how many of `what` are done, and of how many."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _teller(what)
        return
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _teller(what: str) -> Callable[[int, int], None]:
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if done == total or done - told >= _PLAIN_EVERY:
            told = done
            click.echo(f"{done:,} of {total:,} {what}", err=True)

    return tell
