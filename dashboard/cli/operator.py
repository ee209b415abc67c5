"""`operator`: the brands, hospitals or shops that the desk serves."""

import click

from dashboard import clock, database, db
from dashboard.config import settings
from dashboard.models.operator import MoneyMode
from dashboard.services import operators


@click.group()
def command() -> None:
    """Operators."""


@command.command()
@click.option("--slug", required=True, help="Its short name: lower-case letters, figures, dashes.")
@click.option("--name", required=True)
@click.option("--currency", required=True, help="Its home currency, such as USD.")
@click.option("--timezone", required=True, help="Its days begin by this zone, such as Europe/Malta.")
@click.option(
    "--money",
    type=click.Choice([mode.value for mode in MoneyMode]),
    default=MoneyMode.PLAY.value,
    show_default=True,
    help="Whether amounts can be bought or paid out.",
)
@click.option("--also", "currencies", multiple=True, help="A further currency with rules; can be repeated.")
def create(
    *, slug: str, name: str, currency: str, timezone: str, money: str, currencies: tuple[str, ...]
) -> None:
    """Create an operator, with VIP rules for each of its currencies."""
    at = settings()
    with database.application(), db.writing() as session:
        operators.create(
            session,
            slug=slug,
            name=name,
            currency=currency,
            timezone=timezone,
            money_mode=MoneyMode(money),
            currencies=currencies,
            defaults=operators.Defaults(
                min_balance=at.balance_min_default,
                max_balance=at.balance_max_default,
                warning_threshold=at.balance_warning_threshold,
                critical_threshold=at.balance_critical_threshold,
            ),
            now=clock.now(),
        )
    click.echo(f"The operator {slug} is there. Next: python3 -m dashboard staff create --operator {slug} …")
