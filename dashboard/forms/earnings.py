"""What a partner types: which earnings to show, how much to be paid, where payouts go."""

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import SelectField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length

from dashboard.forms.base import AmountField, DeskForm, HiddenKey
from dashboard.forms.filters import DayField, FilterForm, choice, choices
from dashboard.models.partner_money import EarningState
from dashboard.queries.earnings import EarningFilter
from dashboard.services.partners import DETAILS_MAX


class _EarningFilterForm(FilterForm):
    """Days, both included, and a currency."""

    since = DayField("From")
    until = DayField("To")
    currency = SelectField("Currency", validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.currency.choices = [
            choice("", "Every currency"),
            *(choice(code, code) for code in currencies),
        ]
        shown = (name for name in self._fields if name != "currency" or len(currencies) > 1)
        self.asks_for = tuple(sorted(shown, key=lambda name: name != "game"))
        """The fields to show: where there is one currency, it is no question."""

    def wanted(self) -> EarningFilter:
        """The same for the query. Call it after `validate`."""
        return EarningFilter(
            currency=self.good("currency") or None, first=self.good("since"), last=self.good("until")
        )


class DayFilterForm(_EarningFilterForm):
    """Which days to show."""


class GameTotalFilterForm(_EarningFilterForm):
    """Of which months to show the games."""

    def wanted(self) -> EarningFilter:
        """Months that hold the days: what a month earned with a game is not told apart any further."""
        found = super().wanted()
        first = found.first.replace(day=1) if found.first else None
        return EarningFilter(currency=found.currency, first=first, last=found.last)


class MonthFilterForm(GameTotalFilterForm):
    """Which months to show, as a whole or of one game."""

    game = SelectField("Game", validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str], games: Mapping[int, str]) -> None:
        super().__init__(given, currencies=currencies)
        self.game.choices = _games(games)

    def wanted(self) -> EarningFilter:
        """The same for the query. Call it after `validate`."""
        found = super().wanted()
        return EarningFilter(self.chosen_id("game"), found.currency, found.first, found.last)


class EarnedRoundFilterForm(_EarningFilterForm):
    """Which rounds to show."""

    game = SelectField("Game", validate_choice=False)
    state = SelectField("State", choices=choices("Every state", EarningState), validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str], games: Mapping[int, str]) -> None:
        super().__init__(given, currencies=currencies)
        self.game.choices = _games(games)

    def wanted(self) -> EarningFilter:
        """The same for the query. Call it after `validate`."""
        found = super().wanted()
        return EarningFilter(
            self.chosen_id("game"), found.currency, found.first, found.last, self.good("state") or None
        )


class PayoutForm(DeskForm):
    """How much a partner wants to be paid, in a currency in which there is something."""

    currency = SelectField(
        "Currency", validate_choice=False, validators=[InputRequired("Choose a currency.")]
    )
    amount = AmountField("Amount", validators=[InputRequired("Enter an amount.")])
    idempotency_key = HiddenKey()

    def __init__(self, *args: Any, currencies: Sequence[str], **given: Any) -> None:
        super().__init__(*args, **given)
        self.currency.choices = [choice(code, code) for code in currencies]

    def validate_currency(self, field: Any) -> None:
        """WTForms' hook: one of the partner's own."""
        if all(field.data != each.value for each in field.choices):
            raise ValidationError("Choose a currency.")

    def validate_amount(self, field: Any) -> None:
        """WTForms' hook: something above zero."""
        if field.data is not None and field.data <= 0:
            raise ValidationError("Enter an amount above zero, without a sign.")


class PayoutDetailsForm(DeskForm):
    """Where payouts go."""

    scope = "profile"

    payout_details = TextAreaField(
        "Payout details",
        validators=[Length(max=DETAILS_MAX, message=f"Use at most {DETAILS_MAX:,} characters.")],
        render_kw={"rows": 4, "autocomplete": "off", "spellcheck": "false"},
    )


def _games(names: Mapping[int, str]) -> list[Any]:
    return [choice("", "Every game"), *(choice(str(key), name) for key, name in names.items())]
