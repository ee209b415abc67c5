"""The deck computed in the browser: the test vector, and every way in which a round is not equal."""

from collections.abc import Callable
from html import escape

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.services import andar_bahar, fairness
from tests.unit.test_assets import MANIFEST

SEED = bytes(31) + b"\x01"
FIRST_CARDS = "5♠ K♣ 3♦ 7♣ 4♥ 2♣ 3♣ Q♥ K♦ 7♠ 7♥ 5♥"
COMMITMENT = "ec4916dd28fc4c10d78e287ca5d9cc51ee1ae73cbfde08c6b37324cbfaac8bc5"
DECK = fairness.deck(SEED, "demo", 0)
EQUAL = "Equal: the seed is the one that was committed to, and the joker and all 11 cards follow from it."


@pytest.fixture
def verified(live: str, page: Page) -> Callable[..., Locator]:
    """Opens a page that holds a round, with our script, and gives the round's element."""

    def show(**changes: object) -> Locator:
        given = {
            "seed": SEED.hex(),
            "commitment": COMMITMENT,
            "salt": "demo",
            "number": 0,
            "joker": DECK[0],
            "cards": " ".join(map(str, DECK[1:12])),
        } | changes
        attributes = " ".join(f'data-{name}="{escape(str(value))}"' for name, value in given.items())
        body = (
            f'<!doctype html><html lang="en"><title>Round</title><section data-deck {attributes}>'
            '<p role="status" data-deck-says></p><code data-deck-commitment></code><ol data-deck-cards></ol>'
            f'</section><script src="/static/dist/{MANIFEST["app.js"]}"></script>'
        )
        page.route("**/round", lambda route: route.fulfill(body=body, content_type="text/html"))
        page.goto(f"{live}/round")
        return page.locator("[data-deck]")

    return show


def test_the_browser_computes_the_deck_of_the_test_vector(verified: Callable[..., Locator]) -> None:
    shown = verified()

    expect(shown).to_have_attribute("data-deck-result", "equal")
    expect(shown.get_by_role("status")).to_have_text(EQUAL)
    expect(shown.locator("code")).to_have_text(COMMITMENT)
    cards = shown.locator("li").all_text_contents()
    assert " ".join(cards[:12]) == FIRST_CARDS
    assert len(cards) == 52
    expect(shown.locator("li.is-dealt")).to_have_count(12)
    expect(shown.locator("li.is-red").first).to_have_attribute("title", "3 of diamonds")


def test_every_card_is_that_of_the_server(verified: Callable[..., Locator]) -> None:
    # Another round, through to its end; its deck of 52 cards needs seven blocks of numbers.
    seed, salt, number = fairness.commitment(b"another seed"), "a1b2-c3", 1_234_567
    deck = fairness.deck(seed, salt, number)

    shown = verified(
        seed=seed.hex().upper(),
        commitment=fairness.commitment(seed).hex(),
        salt=salt,
        number=number,
        joker=deck[0],
        cards=" ".join(map(str, deck[1:])),
    )

    expect(shown).to_have_attribute("data-deck-result", "equal")
    signs = str.maketrans("CDHS", "♣♦♥♠")
    names = [andar_bahar.name(card).translate(signs).replace("T", "10") for card in deck]
    assert shown.locator("li").all_text_contents() == names


UNEQUAL: tuple[tuple[dict[str, object], str], ...] = (
    ({"seed": "00" * 32}, "Not equal: this seed is not the one that was committed to."),
    ({"commitment": "00" * 32}, "Not equal: this seed is not the one that was committed to."),
    ({"number": 1}, "Not equal: the deck begins with another joker."),
    ({"salt": "demo2"}, "Not equal: the deck begins with another joker."),
    (
        {"cards": f"{DECK[1]} {DECK[2]} {DECK[4]}"},
        "Not equal: card 3 of the deal is another one in the deck.",
    ),
)


def test_what_is_not_equal_is_told(verified: Callable[..., Locator]) -> None:
    for changes, says in UNEQUAL:
        shown = verified(**changes)
        expect(shown).to_have_attribute("data-deck-result", "different")
        expect(shown.get_by_role("status")).to_have_text(says)


def test_a_round_without_cards_or_seed_says_so(verified: Callable[..., Locator]) -> None:
    voided = verified(joker="", cards="")
    expect(voided.get_by_role("status")).to_have_text(
        "Equal: the seed is the one that was committed to. No card was dealt."
    )
    expect(voided.locator("li.is-dealt")).to_have_count(0)

    under_way = verified(seed="")
    expect(under_way).to_have_attribute("data-deck-result", "unable")
    expect(under_way.get_by_role("status")).to_have_text("There is no seed to compute from yet.")


def test_a_browser_without_web_crypto_names_the_other_way(
    verified: Callable[..., Locator], page: Page
) -> None:
    # As on a page that came without TLS.
    page.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', {value: undefined})")

    shown = verified()

    expect(shown).to_have_attribute("data-deck-result", "unable")
    expect(shown.get_by_role("status")).to_contain_text("use the stand-alone script")
