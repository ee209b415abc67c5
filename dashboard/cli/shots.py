"""`shots`: a picture of every page, light and dark, wide and narrow."""

import logging
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from werkzeug.serving import make_server

import dashboard
from dashboard import clock, db, embedded, keys, migrate, roles, screens
from dashboard.config import settings
from dashboard.errors import PurserError
from dashboard.services import demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

PLAYERS, DAYS = 2_000, 90


@click.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to, not in the home.")
@click.option(
    "--url", help="A desk that runs, with the demo's sign-ins, instead of one made for the pictures."
)
@click.option("--players", default=PLAYERS, show_default=True, help="How many the desk made for it has.")
@click.option("--only", metavar="NAME", help="One page alone.")
def command(*, folder: Path | None, url: str | None, players: int, only: str | None) -> None:
    """Take a screenshot of every page in light and dark, at 1360 and at 390 pixels."""
    wanted = [screen for screen in screens.SCREENS if only in {None, screen.name}]
    if not wanted:
        raise click.BadParameter(f"there is no {only}", param_hint="--only")
    target = folder or settings().home / "shots"
    target.mkdir(parents=True, exist_ok=True)
    with _running(url, players) as address, _browser() as browser:
        for path in _take(browser, address, wanted, target):
            click.echo(path)


def _take(browser: "Browser", url: str, wanted: list[screens.Screen], folder: Path) -> Iterator[Path]:
    """Take the pictures of each screen; yields the files as they are written."""
    people: dict[str | None, BrowserContext] = {}

    def person(role: str | None) -> "BrowserContext":
        if role not in people:
            people[role] = browser.new_context(reduced_motion="reduce")
            if role:
                screens.sign_in(people[role], url, screens.email_of(role))
        return people[role]

    subjects = screens.find_subjects(person("admin"), url)
    for screen in wanted:
        page = person(screen.role).new_page()
        page.set_viewport_size({"width": screen.widths[0], "height": screens.HEIGHT})
        screens.show(page, url, screen, subjects)
        for width, theme in screens.views(page, screen):
            path = folder / f"{screen.name}-{theme}-{width}.png"
            page.screenshot(path=path)
            yield path
        page.close()


@contextmanager
def _browser() -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a package of the tests
    except ImportError:
        raise PurserError(
            "Pictures need what the tests need: start it by `python3 -m dashboard shots`."
        ) from None
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise PurserError("There is no Chromium: install it, or name it in the variable CHROMIUM.")
    # Chromium's sandbox does not work as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@contextmanager
def _running(url: str | None, players: int) -> Iterator[str]:
    """The address of the desk to show: the given one, or a demo on a server thrown away afterwards."""
    if url is not None:
        yield url.rstrip("/")
        return
    with tempfile.TemporaryDirectory(prefix="purser-shots-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's user passes through
        server = embedded.start(Path(folder) / "home", fast_and_unsafe=True)
        try:
            yield from _demo(server, players)
        finally:
            server.stop()


def _demo(server: embedded.Server, players: int) -> Iterator[str]:
    owner_url = server.url("owner")
    with roles.connect_as_owner(owner_url) as connection:
        roles.ensure(connection, owner_url, keys.database_passwords(server.home))
    migrate.upgrade(owner_url)
    app = dashboard.create_app(
        SQLALCHEMY_DATABASE_URI=server.url("app"),
        PARTNER_DATABASE_URI=server.url("partner"),
        SECRET_KEY=secrets.token_urlsafe(48),
    )
    click.echo(f"Inventing {players:,} players …", err=True)
    with app.app_context():
        demo.fill(db.transact, now=clock.now(), players_count=players, days_count=DAYS)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each file would hide the list
    web = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{web.server_port}"
    web.shutdown()
    thread.join(5)
    web.server_close()
    app.extensions["live"].close()
