"""What staff type about a round: cards, reasons, results put right, test bets."""

from typing import Any

from wtforms import IntegerField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length, NumberRange
from wtforms.widgets import HiddenInput

from dashboard.errors import PurserError, Rejected
from dashboard.forms.base import AmountField, DeskForm, HiddenKey
from dashboard.forms.filters import choice
from dashboard.services import andar_bahar

REASON_LENGTH_MAX = 500
_DAMAGED = "This form is damaged: reload the page."


def _reason() -> TextAreaField:
    return TextAreaField(
        "Reason",
        validators=[
            InputRequired("Enter a reason."),
            Length(max=REASON_LENGTH_MAX, message=f"A reason has at most {REASON_LENGTH_MAX} characters."),
        ],
        render_kw={"rows": 3},
    )


class StageForm(DeskForm):
    """A step of a round that stands in a certain betting stage."""

    stage = IntegerField(
        widget=HiddenInput(), validators=[InputRequired(_DAMAGED), NumberRange(1, 9, message=_DAMAGED)]
    )


class CardForm(DeskForm):
    """A card that is dealt by hand; `position` is its number after the joker, 0 the joker itself."""

    card = StringField("Card", validators=[InputRequired("Choose a card.")])
    position = IntegerField(
        widget=HiddenInput(),
        validators=[
            NumberRange(0, andar_bahar.LONGEST, message=_DAMAGED),
        ],
    )

    def number(self) -> int:
        """The card, 0 to 51. Raises Rejected, at `card`. Call it after `validate`."""
        return andar_bahar.parse(self.card.data or "")


class UndoForm(DeskForm):
    """Which card is taken back, so that of two who press at once one is told."""

    position = IntegerField(
        widget=HiddenInput(),
        validators=[InputRequired(_DAMAGED), NumberRange(1, andar_bahar.LONGEST, message=_DAMAGED)],
    )


class VoidForm(DeskForm):
    """Why every stake is given back."""

    scope = "void"

    reason = _reason()


class CorrectionForm(DeskForm):
    """The result as it really was, and how it came to be entered otherwise."""

    scope = "correction"

    joker = StringField(
        "Joker",
        validators=[InputRequired("Enter the joker.")],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    cards = TextAreaField(
        "Cards dealt",
        validators=[InputRequired("Enter the cards up to the match.")],
        render_kw={"rows": 3, "autocomplete": "off", "spellcheck": "false"},
    )
    reason = _reason()

    def show(self, error: PurserError) -> None:
        """What is wrong with one card stands at the field that holds them all."""
        super().show(PurserError(error.message, field="cards") if error.field == "card" else error)

    def result(self) -> tuple[int, list[int]]:
        """Joker and cards in order. Raises Rejected at the field. Call it after `validate`."""
        return _card(self.joker.data or "", "joker"), [
            _card(text, "cards") for text in _words(self.cards.data or "")
        ]


class BetForm(DeskForm):
    """A bet that staff place for a player, to try a game out with play money."""

    scope = "bet"

    player = StringField(
        "Player",
        validators=[InputRequired("Enter a player.")],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    selection = SelectField("On", validate_choice=False, validators=[InputRequired("Choose what to bet on.")])
    amount = AmountField("Stake", validators=[InputRequired("Enter an amount.")])
    idempotency_key = HiddenKey()

    def __init__(self, *args: Any, currency: str, **given: Any) -> None:
        self.currency = currency
        super().__init__(*args, **given)

    def offer(self, selections: list[tuple[str, str]]) -> None:
        """What can be bet on, with its name."""
        self.selection.choices = [choice(value, name) for value, name in selections]

    def validate_amount(self, field: Any) -> None:
        """WTForms' hook: something above zero."""
        if field.data is not None and field.data <= 0:
            raise ValidationError("Enter an amount above zero, without a sign.")


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()


def _card(text: str, field: str) -> int:
    typed = "T" + text[2:] if text.startswith("10") else text
    try:
        return andar_bahar.parse(typed)
    except Rejected as refused:
        raise Rejected(refused.message, field=field) from None
