"""`db backup` and `db restore`: the whole database in one encrypted file, and back."""

from functools import partial
from pathlib import Path
from typing import Any

import click

import dashboard
from dashboard import backup, clock, database, db, keys, migrate, roles
from dashboard.config import settings
from dashboard.errors import PurserError
from dashboard.services import audit, recovery
from dashboard.services.findings import Proof
from dashboard.services.recovery import Standing

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("backup")
@click.argument("file", type=FILE)
def backup_command(file: Path) -> None:
    """Write everything, as of one instant, to a new encrypted FILE; nothing has to stop for it."""
    with database.reachable():
        head = backup.write(file, owner_url=roles.url_for("owner"), key=keys.backup_key())
    click.echo(f"{file}: {_described(head)}, {file.stat().st_size:,} bytes.")
    if settings().backup_key is None:
        key = settings().home / "secrets" / "backup.key"
        click.echo(f"Only {key} opens it: keep a copy of that file elsewhere.", err=True)


@click.command("restore")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Drop what the database holds; asks for its name.")
def restore_command(file: Path, *, replace: bool) -> None:
    """Bring FILE into an empty database, prove it, and say how far behind it is."""
    head = backup.prove(file, key=keys.backup_key())
    if not migrate.knows(str(head["revision"])):
        raise PurserError(
            f"The backup is of release {head['release']}, whose schema this release does not know:"
            " restore it with that release or a newer one."
        )
    click.echo(f"{file}: {_described(head)}.")
    with database.reachable():
        database.ensure_roles()
        owner_url = roles.url_for("owner")
        is_empty = backup.is_empty(owner_url)
        if not is_empty:
            _ask(owner_url, replace=replace)
        backup.restore(file, owner_url=owner_url, key=keys.backup_key(), replace=not is_empty)
        migrate.upgrade(owner_url)
        proof = _conclude(head)
    if not proof.ok:
        raise click.exceptions.Exit(1)


def _ask(owner_url: str, *, replace: bool) -> None:
    name = roles.database_of(owner_url)
    if not replace:
        raise PurserError(f"The database {name} is not empty. `--replace` drops all that it holds.")
    typed = click.prompt(f"Everything in {name} will be gone. Type its name to go on", err=True)
    if typed != name:
        raise PurserError("That is not its name: nothing was changed.")


def _conclude(head: dict[str, Any]) -> Proof:
    """Set aside anchors of what is gone, end all sessions, prove the rest; says what it found."""
    folder, key, now = settings().anchor_folder, keys.anchor_key(), clock.now()
    with dashboard.create_app().app_context():
        try:
            with db.reading() as session:
                standing = recovery.compare(session, folder=folder, key=key)
            db.transact(partial(recovery.conclude, head=head, standing=standing, now=now))
            click.echo(recovery.told(standing))
            _set_aside(folder, standing)
            proof = audit.verify_and_record(db.reading, db.transact, key=key, folder=folder, now=clock.now())
        finally:
            db.alchemy.engine.dispose()
    for finding in proof.findings:
        click.echo(f"{finding.check}: {finding.message}")
    outcome = "nothing differs" if proof.ok else "see above for what differs"
    covered = proof.covered
    click.echo(f"{covered.entries:,} entries and {covered.balances:,} balances proved: {outcome}.")
    if covered.loyalty_wallets:
        click.echo(
            f"Points: {covered.points_entries:,} entries, {covered.loyalty_wallets:,} loyalty wallets."
        )
    click.echo("Everybody signs in anew.")
    return proof


def _set_aside(folder: Path, standing: Standing) -> None:
    if not standing.newer:
        return
    try:
        aside = recovery.set_aside(folder, standing.newer, now=clock.now())
    except PurserError as error:
        click.echo(error.message, err=True)
    else:
        click.echo(f"{len(standing.newer)} newer anchors lie in {aside} now: keep them as evidence.")


def _described(head: dict[str, Any]) -> str:
    anchor = head["anchor"]
    last = f"anchor {anchor['id']}" if anchor else "no anchor"
    return (
        f"{head['entries']:,} entries of {head['balances']:,} balances, as of {head['made_at'][:19]} UTC"
        f" (release {head['release']}, revision {head['revision']}, {last})"
    )
