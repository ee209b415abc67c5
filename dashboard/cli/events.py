"""`events`: what other systems want to know, for them to pull."""

import json

import click

from dashboard import database, db
from dashboard.queries import outgoing_events
from dashboard.queries.outgoing_events import EventRow
from dashboard.services import staff

LIMIT = 1_000


@click.command()
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="ID",
    help="The last one that was seen.",
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=LIMIT, show_default=True, help="At most so many."
)
@click.option("--operator", "slug", metavar="SLUG", help="One operator's; without it, of all.")
def command(*, after: int, limit: int, slug: str | None) -> None:
    """Print the events after ID, oldest first, a JSON object a line."""
    with database.application(), db.reading() as session:
        operator_id = None if slug is None else staff.get_operator_id(session, slug=slug)
        rows = outgoing_events.events_after(session, after=after, limit=limit, operator_id=operator_id)
    for row in rows:
        click.echo(as_line(row))


def as_line(row: EventRow) -> str:
    """An event as one line of JSON; the instant in UTC."""
    return json.dumps(
        {
            "id": row.id,
            "operator": row.operator,
            "kind": row.kind,
            "happened_at": row.happened_at.isoformat(),
            "payload": row.payload,
        },
        ensure_ascii=False,
    )
