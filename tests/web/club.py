"""A member of the loyalty programme, and who works at the desk with the points."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from werkzeug.test import TestResponse

from dashboard.models.login import Role
from dashboard.services import points, points_conversion
from dashboard.services.actors import SYSTEM
from dashboard.services.points import Done
from dashboard.services.points_reckoning import Payment
from tests.pages import Element, Page
from tests.web.desk import AT, Browser, Desk

_FACTS = text("""
SELECT (SELECT count(*) FROM loyalty_wallets), (SELECT count(*) FROM loyalty_entries),
  (SELECT count(*) FROM points_batches), (SELECT count(*) FROM tier_history),
  (SELECT count(*) FROM points_requests), (SELECT count(*) FROM wallet_entries),
  (SELECT count(*) FROM loyalty_cards WHERE is_active), (SELECT sum(balance) FROM loyalty_wallets),
  (SELECT string_agg(status, ',' ORDER BY player_id) FROM loyalty_wallets)
""")


@dataclass
class Club:
    """A desk with a player, and the browsers of those who have signed in, by role."""

    desk: Desk
    player_id: int
    browsers: dict[Role, Browser] = field(default_factory=dict)

    @property
    def page(self) -> str:
        """The address of the member's page."""
        return f"/players/{self.player_id}/loyalty"

    def by(self, role: Role = Role.AGENT) -> Browser:
        """Somebody of that role, always the same person."""
        if role not in self.browsers:
            self.browsers[role] = self.desk.sign_in(role, name=f"Some {role}")
        return self.browsers[role]

    def load(self, units: int, key: str = "load", *, days: int = 0) -> Done:
        """Load points for a payment of whole units, so many days ago."""
        return self.desk.write(
            lambda session: points.load(
                session,
                player_id=self.player_id,
                payment=Payment(units * 100, reference=f"P-{key}", mode="card"),
                notes="Package of ten",
                idempotency_key=key,
                actor=SYSTEM,
                now=AT - dt.timedelta(days=days),
            )
        )

    def redeem(
        self, count: int | None, key: str = "redeem", *, price: int | None = None, days: int = 0
    ) -> Done:
        """Use points, for a service of a price in minor units or for itself."""
        return self.desk.write(
            lambda session: points.redeem(
                session,
                player_id=self.player_id,
                points=count,
                price=price,
                notes="Massage",
                idempotency_key=key,
                actor=SYSTEM,
                now=AT - dt.timedelta(days=days),
            )
        )

    def convert(self, count: int) -> Done:
        """Turn points into money, at the rate that `rate` has set."""
        return self.desk.write(
            lambda session: (
                points_conversion.convert(
                    session,
                    player_id=self.player_id,
                    points=count,
                    reason="As agreed",
                    idempotency_key=str(uuid4()),
                    actor=SYSTEM,
                    now=AT,
                ).done
            )
        )

    def rate(self) -> None:
        """A hundred points become half a unit."""
        self.execute("UPDATE loyalty_programmes SET conversion_points = 100, conversion_amount = 50")

    def execute(self, statement: str) -> None:
        """Do something to the database that no service does."""
        self.desk.write(lambda session: session.execute(text(statement)))

    def facts(self) -> tuple[object, ...]:
        """All that a refused or rehearsed act must leave as it was."""
        return self.desk.read(lambda session: tuple(session.execute(_FACTS).one()))

    def entries(self) -> int:
        """How many entries there are."""
        found: int = self.desk.read(
            lambda session: session.execute(text("SELECT count(*) FROM loyalty_entries")).scalar_one()
        )
        return found


def typed(**given: str) -> dict[str, str]:
    """What a form sends, with a key of its own."""
    return {"idempotency_key": str(uuid4()), **given}


def preview(browser: Browser, path: str, data: Mapping[str, Any]) -> Page:
    """What the form of an act says while one types."""
    answer = browser.post(f"{path}/preview", data, htmx=True)
    assert answer.status_code == 200
    return Page(answer)


def mark(page: Page) -> str:
    """Of what a preview shows; empty where it shows nothing that could be done."""
    marks = page.all("input", name="seen")
    return marks[0]["value"] if marks else ""


def send(browser: Browser, path: str, data: Mapping[str, Any], *, htmx: bool = True) -> TestResponse:
    """Send the form after looking at its preview."""
    return browser.post(path, {**data, "seen": mark(preview(browser, path, data))}, htmx=htmx)


def lines(page: Page) -> dict[str, str]:
    """The lines of the consequence: label and words."""
    found = {}
    for line in page.all("div", class_="effect-line"):
        label, words = (span for span in page.all("span") if span.ancestors[-1:] == (line,))
        found[label.text] = words.text.replace("→ ", "")
    return found


def shares(page: Page) -> list[str]:
    """Which batch gives or gets how much."""
    lists = page.all("ul", class_="shares")
    return [item.text for item in page.all("li") if lists and item.is_within(lists[0])]


def told(page: Page, name: str) -> str:
    """What stands against a field of an act's form."""
    found = [element for element in page.elements if element.get("id") == f"points-{name}-error"]
    return found[0].text if found else ""


def value(page: Page, name: str) -> str:
    """What stands in a field of an act's form."""
    return _input(page, name)["value"]


def _input(page: Page, name: str) -> Element:
    return page.by_id(f"points-{name}")


# What has happened before a test begins.


def loaded(club: Club) -> None:
    """25,000 points of Silver in a batch, 40 more in one that expires sooner; two entries and a tier."""
    club.load(40, "first", days=20)
    club.load(22_000, "second", days=1)


def serviced(club: Club) -> None:
    """The same, and a service whose points come from both batches: entry 4."""
    loaded(club)
    club.redeem(None, price=100_50)


def used_up(club: Club) -> None:
    """A load of which nearly everything was used: entry 1, and entry 2 that used it."""
    club.load(100, "only")
    club.redeem(90)


def lapsed(club: Club) -> None:
    """A service whose points have expired since: entry 2."""
    club.load(100, "old", days=364)
    club.redeem(60, days=363)
    club.execute("UPDATE loyalty_programmes SET grace_days = 14")
    club.execute("UPDATE points_batches SET expires_on = date '2026-02-20'")


def rated(club: Club) -> None:
    """Points that may become money."""
    loaded(club)
    club.rate()


def converted(club: Club) -> None:
    """Points that have: entry 4."""
    rated(club)
    club.convert(1_000)


def closed(club: Club) -> None:
    """A wallet that is closed."""
    loaded(club)
    path = f"{club.page}/close"
    answer = send(club.by(Role.MANAGER), path, typed(reason="Moves away"))
    assert answer.status_code == 204


def suspended(club: Club) -> None:
    """A wallet whose points cannot be used."""
    rated(club)
    assert club.by().post(f"{club.page}/suspend", typed(reason="Chargeback"), htmx=True).status_code == 204


def frozen(club: Club) -> None:
    """Points that may become money, of a player whose wallet is frozen."""
    rated(club)
    club.execute("UPDATE wallets SET status = 'frozen', status_reason = 'Documents', status_at = now()")


def reasons(path: str) -> dict[str, str]:
    """Why, as the act's form asks for it."""
    noted = path.rpartition("/")[2] in {"load", "redeem", "refund", "reversal"}
    return {"notes" if noted else "reason": "As agreed"}
