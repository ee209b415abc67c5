"""What no browser sends of itself: it is refused or shown as not found, and is never our failure."""

from uuid import uuid4

import pytest

from dashboard.models.login import Role
from tests.web.desk import Desk

NUL = "a\0b"


@pytest.mark.parametrize(
    "path",
    [
        "/players?q=%00",
        "/players?q=plain&q=a%00b",
        "/players/{player}?type=%00",
        "/players/{player}?currency=US%00",
        "/players/{player}/entries/US%00/1",
        "/audit?who=%00",
    ],
)
def test_a_nul_in_an_address_is_refused(desk: Desk, path: str) -> None:
    browser, player_id = desk.sign_in(Role.ADMIN), desk.player()

    assert browser.get(path.format(player=player_id)).status_code == 400


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("adjustments", {"change_type": "deposit", "amount": "5", "currency": "USD", "reason": NUL}),
        ("adjustments/preview", {"change_type": "deposit", "amount": "5", "currency": "USD", "reason": NUL}),
        ("notes", {"body": NUL}),
        ("freeze", {"reason": NUL}),
    ],
)
@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
def test_a_nul_in_a_form_is_refused_and_changes_nothing(
    desk: Desk, path: str, data: dict[str, str], htmx: bool
) -> None:
    browser, player_id = desk.sign_in(Role.ADMIN), desk.player(balance_minor=100)
    keys = {"seen_version": str(desk.version(player_id)), "idempotency_key": str(uuid4())}

    answer = browser.post(f"/players/{player_id}/{path}", {**keys, **data}, htmx=htmx)

    assert answer.status_code == 400
    assert (desk.real(player_id), desk.version(player_id)) == (100, 1)


def test_a_nul_at_the_sign_in_is_refused(desk: Desk) -> None:
    browser = desk.sign_in()

    assert browser.post("/sign-in", {"email": NUL, "password": NUL}).status_code == 400


@pytest.mark.parametrize("length", [201, 500, 501, 5_000])
def test_a_reason_that_is_too_long_hides_no_figure_of_the_preview(desk: Desk, length: int) -> None:
    browser, player_id = desk.sign_in(), desk.player(balance_minor=100_00)
    data = {
        "change_type": "deposit",
        "amount": "5",
        "currency": "USD",
        "reason": "x" * length,
        "seen_version": str(desk.version(player_id)),
        "idempotency_key": str(uuid4()),
    }

    preview = browser.post(f"/players/{player_id}/adjustments/preview", data, htmx=True)
    posted = browser.post(f"/players/{player_id}/adjustments", data, htmx=True)

    assert preview.status_code == 200
    assert "105.00" in preview.text
    assert posted.status_code == 422
    assert desk.real(player_id) == 100_00
