"""`verify`: prove that no journal, balance or anchor was tampered with."""

import json
from contextlib import nullcontext

import click
from rich.console import Console

from dashboard import clock, database, db, keys
from dashboard.config import settings
from dashboard.services import audit, recovery
from dashboard.services.findings import Proof


@click.command()
@click.option("--independent", is_flag=True, help="Stream every entry through Python instead of asking SQL.")
@click.option("--json", "as_json", is_flag=True, help="The outcome for machines.")
def command(*, independent: bool, as_json: bool) -> None:
    """Prove every chain, balance, sum and anchor, and keep the outcome; exit 1 if anything differs."""
    console = Console(stderr=True)
    busy = console.status("Proving every entry") if console.is_terminal else nullcontext()
    with database.application(), busy:
        proof = audit.verify_and_record(
            db.reading,
            db.transact,
            key=keys.anchor_key(),
            folder=settings().anchor_folder,
            now=clock.now(),
            independently=independent,
        )
    click.echo(json.dumps(proof.as_json(), indent=2) if as_json else _as_text(proof))
    for aside in recovery.folders_set_aside(settings().anchor_folder):
        click.echo(f"A backup was restored once: {aside} holds anchors of what came after it.", err=True)
    if not proof.ok:
        raise click.exceptions.Exit(1)


def _as_text(proof: Proof) -> str:
    lines = []
    for finding in proof.findings:
        named = f" (player {finding.external_id})" if finding.external_id else ""
        lines.append(f"{finding.check}: {finding.message}{named}")
        lines += [f"    hence: {message}" for message in finding.consequences]
    covered = proof.covered
    if covered.loyalty_wallets:
        lines.append(
            f"Points: {covered.points_entries:,} entries and {covered.loyalty_wallets:,} loyalty wallets."
        )
    lines.append(
        f"{covered.entries:,} entries, {covered.balances:,} balances and {proof.anchors:,} anchors"
        f" in {proof.seconds:.2f} s: {proof.entries_per_second:,} entries a second."
    )
    totals = ", ".join(f"{check} {total:,}" for check, total in proof.totals.items())
    lines.append("Nothing differs." if proof.ok else f"What differs, by check: {totals}.")
    if proof.anchors == 0:
        lines.append("There is no anchor yet: a chain rewritten as a whole would not show. Run `anchor`.")
    return "\n".join(lines)
