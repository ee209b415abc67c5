"""`fairness`: look for oneself how the decks fall that rounds are dealt from."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dashboard.models.game import Side
from dashboard.services import andar_bahar, fairness

_SALT = "fairness"
_BINS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 15), (16, 25), (26, 49))
_TOLD_EVERY = 500


@click.group()
def command() -> None:
    """Look for oneself how the decks fall that rounds are dealt from."""


@command.command()
@click.option("--count", type=click.IntRange(1, 10_000_000), default=10_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="A list: how many cards each round took.")
def deals(count: int, *, as_json: bool) -> None:
    """Deal COUNT automatic rounds, each from a seed of its own, and count the cards up to the match."""
    lengths = []
    with _counting(count) as rounds:
        for number in rounds:
            # The seed and the shuffle are those of a round that is played.
            deck = fairness.deck(fairness.new_seed(), _SALT, number)
            lengths.append(len(andar_bahar.dealt(deck, first=Side.ANDAR).cards))
    click.echo(json.dumps(lengths) if as_json else _as_text(lengths))


def _as_text(lengths: Sequence[int]) -> str:
    count, found = len(lengths), Counter(lengths)
    first = sum(found[length] for length in found if length % 2 == 1)
    expected_first = sum(andar_bahar.probability(length) for length in range(1, andar_bahar.LONGEST + 1, 2))
    lines = [
        f"{count:,} rounds, {sum(lengths) / count:.3f} cards on average (13 by chance)",
        f"first-dealt side won {first / count:.5f} (by chance {float(expected_first):.5f})",
        "cards   rounds      by chance",
    ]
    for least, most in _BINS:
        chance = sum(andar_bahar.probability(length) for length in range(least, most + 1))
        seen = sum(found[length] for length in range(least, most + 1))
        name = str(least) if least == most else f"{least}–{most}"
        lines.append(f"{name:<7} {seen:<11,} {float(count * chance):,.1f}")
    return "\n".join(lines)


@contextmanager
def _counting(count: int) -> Iterator[Iterator[int]]:
    """1 to `count`, with a bar on a terminal; on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield iter(range(1, count + 1))
        return
    columns = (TextColumn("Dealing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rounds", total=count)

        def told() -> Iterator[int]:
            for number in range(1, count + 1):
                yield number
                if number % _TOLD_EVERY == 0:
                    bar.update(task, completed=number)

        yield told()
