"""`simulate`: rounds with many bets, through the services that a browser uses."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import click
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dashboard import clock, database, db, keys, live, money
from dashboard.config import settings
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.models.game import RoundState
from dashboard.services import audit, bets, rounds, settlement, simulation
from dashboard.services.actors import SYSTEM
from dashboard.services.simulation import Stake, Table

_PLAIN_EVERY = 10
"""Without a terminal there is a line every so many rounds."""

Tell = Callable[[int], None]


@click.command()
@click.option("--players", "players_count", type=click.IntRange(1, 99_999), default=100, show_default=True)
@click.option("--rounds", "rounds_count", type=click.IntRange(1), default=20, show_default=True)
@click.option("--bets-per-round", type=click.IntRange(0), default=50, show_default=True)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Who bets what; it never touches the cards."
)
@click.option("--threads", type=click.IntRange(1, 16), default=4, show_default=True, help="Who bet at once.")
@click.option("--operator", "slug", metavar="SLUG", help="Needed only where there are several.")
@click.option("--game", default=simulation.GAME, show_default=True, help="Made if none has that name.")
@click.option("--json", "as_json", is_flag=True, help="The outcome for machines.")
def command(
    *,
    players_count: int,
    rounds_count: int,
    bets_per_round: int,
    seed: int,
    threads: int,
    slug: str | None,
    game: str,
    as_json: bool,
) -> None:
    """Play rounds with simulated players' bets, then verify everything; exit 1 if anything differs.

    Bets, closing, dealing and settlement go through the same services as those of a browser, each in a
    transaction of its own. Ctrl-C ends it with the round that is being played.
    """
    with database.application() as app, _progress(rounds_count) as tell:
        prepare = partial(
            simulation.prepare, slug=slug, game=game, players_count=players_count, now=clock.now()
        )
        run = _Run(app, db.transact(prepare), seed=seed, bets_per_round=bets_per_round)
        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            run.play(pool, rounds_count, tell)
        seconds = time.perf_counter() - began
        with db.reading() as session:
            turnover = simulation.turnover(session, run.round_ids)
        proof = audit.verify_and_record(
            db.reading,
            db.transact,
            key=keys.anchor_key(),
            folder=settings().anchor_folder,
            now=clock.now(),
        )
    outcome = {
        "players": players_count,
        "rounds": len(run.round_ids),
        "bets": turnover.bets,
        "refused": dict(run.refused),
        "seconds": round(seconds, 3),
        "rounds_per_second": round(len(run.round_ids) / seconds, 2),
        "bets_per_second": round(turnover.bets / seconds, 1),
        "currency": run.table.currency,
        "staked_minor": turnover.staked,
        "paid_minor": turnover.paid,
        "hold_percent": turnover.hold_percent,
        "verify": {"ok": proof.ok, "findings": [finding.as_json() for finding in proof.findings]},
    }
    click.echo(json.dumps(outcome, indent=2) if as_json else _as_text(outcome))
    if not proof.ok:
        raise click.exceptions.Exit(1)


class _Run:
    """A simulation as it goes on. A worker that is up plays the rounds, too: whoever is second goes on."""

    def __init__(self, app: Flask, table: Table, *, seed: int, bets_per_round: int) -> None:
        self.table = table
        self.round_ids: list[int] = []
        self.refused: Counter[str] = Counter()
        self._app = app
        self._seed = seed
        self._share = bets_per_round // len(table.rules.stages)

    def play(self, pool: ThreadPoolExecutor, rounds_count: int, tell: Tell) -> None:
        """Play so many rounds, or fewer where somebody presses Ctrl-C; the last one is whole all the same."""
        for number in range(1, rounds_count + 1):
            round_id: int = db.transact(partial(rounds.open, game_id=self.table.game_id, **_now()))
            self.round_ids.append(round_id)
            self._tell()
            interrupted = False
            try:
                self._until_result(round_id, partial(self._bet, pool, number))
            except KeyboardInterrupt:
                interrupted = True
                self._until_result(round_id, lambda *_: None)
            self._settle(round_id)
            tell(number)
            if interrupted:
                break

    def _until_result(self, round_id: int, bet: Callable[[int, int], None]) -> None:
        """Stage after stage until the match; each has its share of the bets."""
        while (standing := self._standing(round_id)).winner is None:
            with suppress(Conflict):
                match standing.state:
                    case RoundState.BETTING:
                        bet(round_id, standing.stage)
                        rounds.close(db.transact, round_id=round_id, stage=standing.stage, **_now())
                    case RoundState.LOCKED:
                        db.transact(partial(rounds.deal, round_id=round_id, **_now()))
                    case RoundState.DEALING:
                        db.transact(partial(rounds.next_stage, round_id=round_id, **_now()))
                    case other:
                        raise PurserError(f"Somebody has ended round {round_id}: it is {other}.")
            self._tell()

    def _bet(self, pool: ThreadPoolExecutor, number: int, round_id: int, stage: int) -> None:
        stakes = simulation.stakes(self.table, seed=self._seed, number=number, stage=stage, count=self._share)
        waiting = [
            pool.submit(self._place, stake, round_id, f"simulated:{round_id}:{stage}:{place}")
            for place, stake in enumerate(stakes)
        ]
        try:
            for one in waiting:
                one.result()
        finally:
            for one in waiting:
                one.cancel()
            wait(waiting)

    def _place(self, stake: Stake, round_id: int, key: str) -> None:
        wager = bets.Wager(stake.player_id, round_id, stake.selection, stake.amount, key)
        with self._app.app_context():
            try:
                db.transact(partial(bets.place, wager=wager, **_now()))
            except (Conflict, Rejected) as refused:
                self.refused[type(refused).__name__] += 1
                return
            live.tell(live.game(self.table.game_id), live.player(stake.player_id))

    def _settle(self, round_id: int) -> None:
        with suppress(Conflict):  # the worker was first, and has finished
            settlement.settle(db.transact, round_id=round_id, **_now())
        settlement.resume(db.transact, round_id=round_id, now=clock.now())
        self._tell()

    def _standing(self, round_id: int) -> rounds.Standing:
        with db.reading() as session:
            return rounds.standing(session, round_id=round_id, actor=SYSTEM)

    def _tell(self) -> None:
        live.tell(live.game(self.table.game_id))


def _now() -> dict[str, Any]:
    return {"actor": SYSTEM, "now": clock.now()}


def _as_text(outcome: Mapping[str, Any]) -> str:
    currency = outcome["currency"]
    staked, paid = (money.show(outcome[key], currency) for key in ("staked_minor", "paid_minor"))
    refused = ", ".join(f"{count:,} {kind}" for kind, count in outcome["refused"].items())
    lines = [
        f"{outcome['rounds']:,} rounds and {outcome['bets']:,} bets in {outcome['seconds']:.1f} s:"
        f" {outcome['rounds_per_second']:.1f} rounds/s, {outcome['bets_per_second']:.0f} bets/s.",
        f"Staked {staked} {currency}, paid {paid} {currency}: hold {outcome['hold_percent']:.2f} %.",
    ]
    if refused:
        lines.append(f"Refused: {refused}.")
    findings = outcome["verify"]["findings"]
    lines += [f"{finding['check']}: {finding['message']}" for finding in findings]
    lines.append("verify: something differs." if findings else "verify: nothing differs.")
    return "\n".join(lines)


@contextmanager
def _progress(total: int) -> Iterator[Tell]:
    """A bar on a terminal, a line now and then elsewhere; on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield partial(_tell, total)
        return
    columns = (TextColumn("Playing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rounds", total=total)
        yield lambda done: bar.update(task, completed=done)


def _tell(total: int, done: int) -> None:
    if done == total or done % _PLAIN_EVERY == 0:
        click.echo(f"{done:,} of {total:,} rounds", err=True)
