"""Partners at the desk: the list, one of them, new ones, contracts, status, users, and whose players."""

import datetime as dt
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from dashboard import clock
from dashboard.models import Login, Operator, Partner, PartnerContract, PartnerMinimum, Referral, StaffLog
from dashboard.models.login import Role
from dashboard.models.partner import PartnerStatus
from dashboard.services.partner_terms import Terms
from tests import builders
from tests.pages import PageClient, checked
from tests.web import partner_desk
from tests.web.desk import AT, Browser, Desk, fields

QUERIES_MAX = 12


@pytest.fixture
def manager(desk: Desk) -> Browser:
    """A manager's browser."""
    return desk.sign_in(Role.MANAGER, name="Bo Lind")


@pytest.fixture
def partner(desk: Desk) -> int:
    """An active partner."""
    return partner_desk.make(desk, name="Harbour Media", code="harbour")


def typed(manager: Browser, **given: str) -> dict[str, str]:
    """A form of a new partner, filled in."""
    form = fields(manager.page("/partners/new"), "terms-form")
    good = {"name": "Silk Road", "code": "silk-road", "share": "50", "rate": "12.5", "minimum_USD": "75"}
    return {**form, **good, **given}


def last_actions(desk: Desk, count: int) -> list[str]:
    wanted = select(StaffLog.action).order_by(StaffLog.id.desc()).limit(count)
    return desk.read(lambda session: list(session.scalars(wanted)))


def count_partners(desk: Desk) -> int:
    return desk.read(lambda session: len(session.scalars(select(Partner.id)).all()))


def test_the_list_shows_what_each_earned(desk: Desk, manager: Browser, partner: int) -> None:
    partner_desk.earn(desk, partner)
    partner_desk.make(desk, name="Old Town Radio", status=PartnerStatus.PENDING)
    page = manager.page("/partners")
    row = page.by_id(f"partner-{partner}").text
    assert "Harbour Media harbour Active 1 USD 50.00 50.00 0.00 0.00" in row
    assert page.by_id(f"partner-{partner}").text.endswith("Earned in 90 days: 50.00")
    assert "Old Town Radio" in page.text
    assert "nothing earned yet" in page.text
    assert desk.count_queries(lambda: manager.page("/partners")) <= QUERIES_MAX


def test_the_list_is_filtered_and_sorted(desk: Desk, manager: Browser, partner: int) -> None:
    other = partner_desk.make(desk, name="Amber Guides", code="amber")
    partner_desk.earn(desk, partner)

    def names(query: str) -> list[str]:
        page = manager.page(f"/partners?{query}")
        return [row["id"] for row in page.all("tr") if (row.get("id") or "").startswith("partner-")]

    both = [f"partner-{other}", f"partner-{partner}"]
    assert names("") == both
    assert names("sort=-total") == both[::-1]
    assert names("sort=-added") == both
    assert names("q=harb") == names("q=media") == names("currency=USD") == [f"partner-{partner}"]
    assert names("q=bour") == names("status=blocked") == []
    assert names(f"after={other}") == [f"partner-{partner}"]


def test_another_operators_partner_is_not_there(desk: Desk, manager: Browser) -> None:
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    stranger = partner_desk.make(elsewhere, name="Not Ours")
    assert "Not Ours" not in manager.page("/partners").text
    for path in (
        "",
        "/earnings",
        "/players",
        "/statements",
        "/payouts",
        "/what-if",
        "/contracts/new",
        "/status",
    ):
        assert manager.get(f"/partners/{stranger}{path}").status_code == 404
    assert manager.post(f"/partners/{stranger}/users", {"name": "X", "email": "x@y.test"}).status_code == 404
    assert manager.post(f"/partners/{stranger}/earnings/approvals", {"which": "all"}).status_code == 404


def test_one_partner_real_beside_shown(desk: Desk, manager: Browser, partner: int) -> None:
    partner_desk.earn(desk, partner)
    page = manager.page(f"/partners/{partner}")
    assert (
        "March 2026 so far 1 1 1,000.00 0.00 1,000.00 500.00 500.00 50.00" in page.by_id("month-table").text
    )
    assert "March 2026 so far" in manager.page(f"/partners/{partner}?months=12").by_id("month-table").text
    assert "50 % shown, 10 % of that = 5 % of the real profit" in page.by_id("contracts").text
    assert "Agreed" in page.by_id("status").text
    assert desk.count_queries(lambda: manager.page(f"/partners/{partner}")) <= QUERIES_MAX


def test_a_new_partner_is_pending_with_a_contract(desk: Desk, manager: Browser) -> None:
    answer = manager.post("/partners", typed(manager))
    assert answer.status_code == 303
    made = desk.read(lambda session: session.scalars(select(Partner)).one())
    contract = desk.read(lambda session: session.scalars(select(PartnerContract)).one())
    minimum = desk.read(lambda session: session.scalars(select(PartnerMinimum)).one())
    assert (made.name, made.code, made.status) == ("Silk Road", "silk-road", "pending")
    assert (contract.share_bp, contract.rate_bp, contract.loss_policy) == (50_00, 12_50, "period")
    assert (contract.counts, contract.disclosure, contract.hold_days) == ("real", "basis", 7)
    assert contract.valid_from == dt.date(2026, 3, 2)
    assert (minimum.currency, minimum.amount) == ("USD", 75_00)
    assert "Pending." in manager.page(answer.location).text


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("name", "", "Enter a name."),
        ("code", "Silk Road", "3 to 40 small letters"),
        ("share", "0", "above 0 and at most 100"),
        ("share", "100.01", "above 0 and at most 100"),
        ("rate", "1e1", "above 0 and at most 100"),
        ("hold_days", "91", "Between 0 and 90 days."),
        ("valid_from", "soon", "Not a valid date value."),
        ("minimum_JPY", "1.5", "JPY"),
        ("minimum_USD", "-1", "Enter an amount"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    desk: Desk, manager: Browser, field: str, text: str, message: str
) -> None:
    answer = manager.post("/partners", typed(manager, **{field: text}))
    page = checked(answer)
    assert answer.status_code == 422
    assert message in page.by_id(f"{field}-error").text
    assert page.by_id(field).get("value") == text
    assert page.by_id("rate" if field != "rate" else "share")["value"] in {"12.5", "50"}
    assert count_partners(desk) == 0


def test_a_code_is_used_once(desk: Desk, manager: Browser, partner: int) -> None:
    answer = manager.post("/partners", typed(manager, code="harbour"))
    assert answer.status_code == 409
    assert "Another partner has this code." in checked(answer).by_id("code-error").text
    assert count_partners(desk) == 1


def test_the_example_follows_what_is_typed(manager: Browser) -> None:
    form = typed(manager, rate="10", loss_policy="carry")
    part = manager.post("/partners/prospect", form, htmx=True).text
    assert "<h1" not in part
    assert [text for text in ("50.00", "30.00", "to the next") if text not in part] == []
    warned = manager.post("/partners/prospect", {**form, "loss_policy": "per_round"}, htmx=True).text
    assert "This pays more than the rate says." in warned
    unfinished = manager.post("/partners/prospect", {**form, "share": "fifty"}, htmx=True).text
    assert "Not complete yet." in unfinished
    whole = manager.post("/partners/prospect", form)
    assert "30.00" in checked(whole).by_id("example").text


def test_the_next_version_begins_with_the_last(desk: Desk, manager: Browser, partner: int) -> None:
    form = fields(manager.page(f"/partners/{partner}/contracts/new"), "terms-form")
    assert (form["share"], form["rate"], form["valid_from"]) == ("50", "10", "2026-03-03")
    answer = manager.post(f"/partners/{partner}/contracts", {**form, "share": "62.5"})
    assert answer.status_code == 303
    page = manager.page(f"/partners/{partner}")
    assert "Version 2 from 3 Mar 2026 Not begun For new players" in page.by_id("contracts").text
    assert "62.5 % shown" in page.by_id("contracts").text


def test_a_version_does_not_begin_in_the_past(desk: Desk, manager: Browser, partner: int) -> None:
    form = fields(manager.page(f"/partners/{partner}/contracts/new"), "terms-form")
    answer = manager.post(
        f"/partners/{partner}/contracts", {**form, "valid_from": "2026-03-02", "rate": "11"}
    )
    page = checked(answer)
    assert answer.status_code == 422
    assert "tomorrow at the earliest" in page.by_id("valid_from-error").text
    assert page.by_id("rate")["value"] == "11"
    contracts = desk.read(lambda session: session.scalars(select(PartnerContract)).all())
    assert len(contracts) == 1


def test_another_name(desk: Desk, manager: Browser, partner: int) -> None:
    assert manager.post(f"/partners/{partner}", {"name": "Harbour & Sons"}).status_code == 303
    assert partner_desk.get(desk, partner).name == "Harbour & Sons"
    assert manager.post(f"/partners/{partner}", {"name": " "}, htmx=True).status_code == 422


def test_a_status_changes_with_a_reason(desk: Desk, manager: Browser, partner: int) -> None:
    wrong = manager.post(f"/partners/{partner}/status", {"status": "suspended", "reason": ""}, htmx=True)
    assert wrong.status_code == 422
    assert "Say why." in wrong.text
    assert partner_desk.get(desk, partner).status == "active"
    done = manager.post(f"/partners/{partner}/status", {"status": "suspended", "reason": "Asked to pause"})
    assert done.status_code == 303
    assert partner_desk.get(desk, partner).status == "suspended"
    assert "Suspended: Asked to pause" in manager.page(f"/partners/{partner}").text
    again = manager.post(f"/partners/{partner}/status", {"status": "suspended", "reason": "Again"})
    assert again.status_code == 409
    forged = manager.post(f"/partners/{partner}/status", {"status": "pending", "reason": "Back"})
    assert forged.status_code == 422


def invite(manager: Browser, partner: int, **given: str) -> TestResponse:
    form = fields(manager.page(f"/partners/{partner}/users/new"), "user-form")
    data = {**form, "name": "Pia Lund", "email": "pia@harbour.test", **given}
    return manager.post(f"/partners/{partner}/users", data)


def follow(desk: Desk, link: str) -> TestResponse:
    url = urlsplit(link)
    client = desk.app.test_client()
    assert isinstance(client, PageClient)
    data = fields(client.page(f"{url.path}?{url.query}"), "password-form")
    words = "a quiet harbour at dawn"
    return client.post("/one-time-link", data={**data, "password": words, "again": words})


def test_an_invited_user_belongs_to_the_partner(desk: Desk, manager: Browser, partner: int) -> None:
    answer = invite(manager, partner)
    assert answer.status_code == 200
    link = checked(answer).by_id("link")["value"]
    login = desk.read(
        lambda session: session.scalars(select(Login).where(Login.email == "pia@harbour.test")).one()
    )
    assert (login.role, login.partner_id, login.operator_id) == ("partner", partner, desk.operator_id)
    assert last_actions(desk, 2) == ["partner.user_invited", "login.created"]
    assert link not in manager.page(f"/partners/{partner}").response.text
    assert follow(desk, link).status_code == 303
    client = desk.app.test_client()
    assert isinstance(client, PageClient)
    data = {"email": "pia@harbour.test", "password": "a quiet harbour at dawn"}
    signed = client.post("/sign-in", data={"csrf_token": client.page("/sign-in").token(), **data})
    assert signed.status_code == 303
    assert client.get("/partners").status_code == 403
    assert client.get("/earnings").status_code == 200


@pytest.mark.parametrize(("field", "text"), [("name", ""), ("email", "nobody"), ("email", "")])
def test_an_invitation_needs_name_and_address(
    desk: Desk, manager: Browser, partner: int, field: str, text: str
) -> None:
    answer = invite(manager, partner, **{field: text})
    page = checked(answer)
    assert answer.status_code == 422
    assert page.by_id(f"{field}-error").text
    assert page.by_id("name" if field == "email" else "email")["value"] in {"Pia Lund", "pia@harbour.test"}


def test_an_address_has_one_login(manager: Browser, partner: int) -> None:
    invite(manager, partner)
    assert invite(manager, partner).status_code == 409


def test_a_user_is_let_go_and_let_in_again(desk: Desk, manager: Browser, partner: int) -> None:
    invite(manager, partner)
    login_id = desk.read(lambda session: session.scalars(select(Login.id).filter_by(role="partner")).one())
    user = f"/partners/{partner}/users/{login_id}"

    def is_active() -> bool:
        return desk.read(lambda session: session.get_one(Login, login_id).active)

    assert "Deactivate" in manager.page(f"{user}/deactivation").text
    assert manager.post(f"{user}/deactivation", {}).status_code == 303
    assert not is_active()
    assert manager.post(f"{user}/deactivation", {}).status_code == 409
    assert manager.post(f"{user}/link", {}).status_code == 422
    assert manager.post(f"{user}/activation", {}).status_code == 303
    assert is_active()
    link = checked(manager.post(f"{user}/link", {})).by_id("link")["value"]
    assert follow(desk, link).status_code == 303
    assert manager.get(f"{user}/nothing").status_code == 404


def test_only_a_partners_own_users_are_reached(desk: Desk, manager: Browser, partner: int) -> None:
    invite(manager, partner)
    login_id = desk.read(lambda session: session.scalars(select(Login.id).filter_by(role="partner")).one())
    other = partner_desk.make(desk)
    staff_id = desk.read(lambda session: session.scalars(select(Login.id).filter_by(role="manager")).one())
    for who in (f"/partners/{other}/users/{login_id}", f"/partners/{partner}/users/{staff_id}"):
        assert manager.get(f"{who}/deactivation").status_code == 404
        assert manager.post(f"{who}/deactivation", {}).status_code == 404
        assert manager.post(f"{who}/link", {}).status_code == 404


def test_a_blocked_partner_invites_nobody(desk: Desk, manager: Browser) -> None:
    blocked = partner_desk.make(desk, status=PartnerStatus.BLOCKED)
    assert invite(manager, blocked).status_code == 422


def test_whose_player_somebody_is(desk: Desk, manager: Browser, partner: int) -> None:
    player, other = desk.player(), partner_desk.make(desk, name="Amber Guides")
    page = f"/players/{player}/partner"
    assert "was never referred" in manager.page(page).text

    def move(minutes: int, chosen: str) -> None:
        with clock.frozen(AT + dt.timedelta(minutes=minutes)):
            assert manager.post(page, {"partner": chosen}).status_code == 303

    move(1, str(partner))
    assert "Of Harbour Media" in manager.page(f"/players/{player}").text
    assert "is a player of Harbour Media since" in manager.page(page).text
    assert "Mira Holm" in manager.page(f"/partners/{partner}/players").text
    move(2, str(other))
    assert "Mira Holm" not in manager.page(f"/partners/{partner}/players").text
    move(3, "")
    assert "is nobody" in manager.page(page).text
    rows = desk.read(
        lambda session: session.scalars(select(Referral.partner_id).order_by(Referral.since)).all()
    )
    assert rows == [partner, other, None]


def test_a_player_goes_to_no_partner_that_is_not_offered(desk: Desk, manager: Browser) -> None:
    player = desk.player()
    blocked = partner_desk.make(desk, status=PartnerStatus.BLOCKED)
    elsewhere = Desk(desk.app, desk.write(builders.make_operator))
    stranger = partner_desk.make(elsewhere)
    for wrong in (blocked, stranger, "harbour", 999_999):
        answer = manager.post(f"/players/{player}/partner", {"partner": str(wrong)}, htmx=True)
        assert answer.status_code == 422
        assert "Choose a partner of the list." in answer.text
    assert desk.read(lambda session: session.scalars(select(Referral.player_id)).all()) == []
    theirs = elsewhere.player()
    assert manager.get(f"/players/{theirs}/partner").status_code == 404
    assert manager.post(f"/players/{theirs}/partner", {"partner": ""}).status_code == 404


def test_staff_who_only_read_find_nothing_to_press(desk: Desk, partner: int) -> None:
    auditor = desk.sign_in(Role.AUDITOR, name="Vera Blom")
    partner_desk.earn(desk, partner)
    for path in (
        "/partners",
        f"/partners/{partner}",
        f"/partners/{partner}/earnings",
        "/partners/statements",
    ):
        page = auditor.page(path)
        posts = [form for form in page.all("form", method="post") if form["action"] != "/sign-out"]
        assert not [form for form in posts if "/approvals" in form["action"] or "/status" in form["action"]]
        assert not [link for link in page.all("a") if (link.get("href") or "").endswith(("/new", "/status"))]


def test_the_link_has_the_code_where_the_operator_says(desk: Desk, manager: Browser, partner: int) -> None:
    assert "in the settings where links lead" in manager.page(f"/partners/{partner}").text
    address = "https://play.lotus.example/join?from={code}"
    desk.write(lambda session: session.execute(update(Operator).values(referral_url=address)))
    shown = manager.page(f"/partners/{partner}").by_id("referral-link")["value"]
    assert shown == "https://play.lotus.example/join?from=harbour"


def test_share_times_rate_is_exact(desk: Desk, manager: Browser) -> None:
    told = partner_desk.make(desk, terms=Terms(60_00, 33_33))
    assert "= 19.998 % of the real profit" in manager.page(f"/partners/{told}").text
