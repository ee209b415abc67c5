"""`staff`: who can sign in, made and helped by whoever administers the machine."""

import secrets

import click

from dashboard import clock, database, db
from dashboard.config import settings
from dashboard.models.login import Role
from dashboard.services import partners, passwords, staff
from dashboard.services.links import LIFETIME

_GENERATED_BYTES = 18  # 24 characters


@click.group()
def command() -> None:
    """Members of staff and partner users."""


def _password_options(function: click.decorators.FC) -> click.decorators.FC:
    return click.option(
        "--generate",
        is_flag=True,
        help="Make a password and show it once, instead of asking for one.",
    )(function)


@command.command()
@click.option("--operator", "slug", required=True, help="The operator's slug.")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--partner", "code", help="The code of the partner whose user it is: for the role partner.")
@_password_options
def create(*, slug: str, email: str, name: str, role: str, code: str | None, generate: bool) -> None:
    """Make a login."""
    if (role == Role.PARTNER) != (code is not None):
        raise click.UsageError("--role partner needs --partner CODE, and no other role takes it.")
    password = _password(generate)
    with database.application(), db.writing() as session:
        operator_id = staff.get_operator_id(session, slug=slug)
        login_id = staff.create(
            session,
            operator_id=operator_id,
            email=email,
            name=name,
            role=Role(role),
            password=password,
            now=clock.now(),
            partner_id=partners.get_id(session, operator_id=operator_id, code=code) if code else None,
        )
    click.echo(f"{role.capitalize()} {email} can sign in (login {login_id}).")
    _show(password, generate)


@command.command("reset-password")
@click.option("--operator", "slug", required=True, help="The operator's slug.")
@click.option("--email", required=True)
@_password_options
@click.option(
    "--link",
    is_flag=True,
    help="Show a one-time link instead, by which its owner sets the password.",
)
def reset_password(*, slug: str, email: str, generate: bool, link: bool) -> None:
    """Give a login a new password; it is unlocked, and its sessions end."""
    if link and generate:
        raise click.UsageError("Choose --generate or --link.")
    if link:
        _make_link(slug, email)
        return
    password = _password(generate)
    with database.application(), db.writing() as session:
        ended = staff.reset_password(
            session,
            operator_id=staff.get_operator_id(session, slug=slug),
            email=email,
            password=password,
            now=clock.now(),
        )
    click.echo(f"{email} has a new password; {ended} sessions ended.")
    _show(password, generate)


def _make_link(slug: str, email: str) -> None:
    with database.application(), db.writing() as session:
        purpose, token = staff.make_link_by_email(
            session,
            operator_id=staff.get_operator_id(session, slug=slug),
            email=email,
            now=clock.now(),
        )
    hours = round(LIFETIME[purpose].total_seconds() / 3600)
    click.echo(f"One-time link for {email}, shown this once; it works for {hours} hours:")
    click.echo(f"http://{settings().host}:{settings().port}/one-time-link?token={token}")
    click.echo("Where the desk is reached under another address, put that in the place of this one.")


def _password(generate: bool) -> str:
    """One that was typed twice, or one that nobody could guess."""
    if generate:
        return secrets.token_urlsafe(_GENERATED_BYTES)
    text = f"Password (at least {passwords.LENGTH_MIN} characters)"
    typed: str = click.prompt(text, hide_input=True, confirmation_prompt=True)
    return typed


def _show(password: str, generate: bool) -> None:
    if generate:
        click.echo(f"Password, shown this once: {password}")
