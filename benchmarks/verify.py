"""How fast everything is proved, against one SQL pass that only computes a SHA-256 over each entry.

The baseline reads the same rows on the same server and hashes the same bytes, but compares nothing: no
entry before, no balance, no sum, no anchor. Both run in turns, and the ratio is of the medians. A second
baseline hashes each row as text, for those who would write it that way.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import click
from sqlalchemy import text

from benchmarks.pages import PLAYERS, fill, post
from benchmarks.scratch import application
from dashboard import clock, db
from dashboard.services import audit, chain, verification

RATIO_LEAST = 0.3
KEY = b"a key for this run alone, 32 bytes"
HASH = chain.sql({name: f"e.{name}" for name, _ in chain.FIELDS}, before="e.hash")
BASELINE = f"SELECT count({HASH}) FROM wallet_entries e"
AS_TEXT = "SELECT count(sha256(convert_to(e::text, 'UTF8'))) FROM wallet_entries e"


@click.command()
@click.option("--entries", default=1_000_000, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--independent", is_flag=True, help="Measure the proof in Python too, once.")
def main(entries: int, rounds: int, independent: bool) -> None:
    """Fill a database of its own, then alternate; exit 1 below the ratio that we claim."""
    with application() as app, app.app_context(), tempfile.TemporaryDirectory() as folder:
        post(fill(), 0, entries // PLAYERS)
        audit.take_anchor(db.reading, db.transact, key=KEY, folder=Path(folder), now=clock.now())
        prove(Path(folder))  # what is not in memory yet is read by nobody's turn
        proofs, passes, as_text = [], [], []
        for turn in range(1, rounds + 1):
            proofs.append(prove(Path(folder)))
            passes.append(hash_only(BASELINE))
            as_text.append(hash_only(AS_TEXT))
            taken = f"proof {proofs[-1]:.2f} s, hashes only {passes[-1]:.2f} s, as text {as_text[-1]:.2f} s"
            click.echo(f"round {turn}: {taken}")
        if independent:
            click.echo(
                f"independent proof: {entries / prove(Path(folder), independently=True):,.0f} entries/s"
            )
    proof = statistics.median(proofs)
    ratio = statistics.median(passes) / proof
    click.echo(f"{entries:,} entries proved in {proof:.2f} s: {entries / proof:,.0f} entries/s")
    click.echo(f"against each row as text: {statistics.median(as_text) / proof:.2f}")
    click.echo(f"ratio {ratio:.2f} (at least {RATIO_LEAST}: {'yes' if ratio >= RATIO_LEAST else 'NO'})")
    sys.exit(0 if ratio >= RATIO_LEAST else 1)


def prove(folder: Path, *, independently: bool = False) -> float:
    """Seconds that a proof of everything takes; it must find nothing."""
    with db.reading() as session:
        proof = verification.prove(
            session, key=KEY, folder=folder, now=clock.now(), independently=independently
        )
    if not proof.ok:
        raise click.ClickException(proof.findings[0].message)
    return proof.seconds


def hash_only(statement: str) -> float:
    """Seconds that one pass over the entries takes, with whatever parallelism the server chooses."""
    with db.reading() as session:
        session.execute(text("SELECT set_config('statement_timeout', '0', true)"))
        begun = time.perf_counter()
        session.execute(text(statement)).all()
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
