"""Games as a manager sets them up, and which rounds of them to show."""

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import IntegerField, RadioField, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Length, NumberRange

from dashboard.forms.base import AmountField, DeskForm
from dashboard.forms.filters import DayField, FilterForm, choice, choices, day_span
from dashboard.models.game import Dealing, RoundState, Side
from dashboard.queries.games import RuleSetChoice
from dashboard.queries.rounds import RoundFilter
from dashboard.services.games import SECONDS_MAX, Settings


def _seconds(label: str, least: int) -> IntegerField:
    return IntegerField(
        label,
        validators=[
            InputRequired("Enter a number of seconds."),
            NumberRange(least, SECONDS_MAX, message=f"Between {least} and {SECONDS_MAX:,} seconds."),
        ],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )


class _SettingsForm(DeskForm):
    """What may be changed of a game; amounts in the form's `currency`."""

    name = StringField(
        "Name",
        validators=[InputRequired("Enter a name."), Length(max=60, message="Use at most 60 characters.")],
        render_kw={"autocomplete": "off"},
    )
    rule_set_id = SelectField(
        "Rule set", validate_choice=False, validators=[InputRequired("Choose a rule set.")]
    )
    min_bet = AmountField("Lowest bet", validators=[InputRequired("Enter an amount.")])
    max_bet = AmountField("Highest bet", validators=[InputRequired("Enter an amount.")])
    exposure_max = AmountField("Highest exposure")
    betting_seconds = _seconds("Seconds to bet", 1)
    pause_seconds = _seconds("Seconds between rounds", 0)

    def offer(self, rule_sets: Sequence[RuleSetChoice]) -> None:
        """Which rule sets one can choose."""
        self.rule_set_id.choices = [
            choice(str(row.id), f"{row.name}, version {row.version}") for row in rule_sets
        ]

    def validate_rule_set_id(self, field: SelectField) -> None:
        """WTForms' hook: a number; whether it may be played is the service's to say."""
        if not _is_id(field.data):
            raise ValidationError("Choose a rule set.")

    def settings(self) -> Settings:
        """What was typed. Call it after `validate`."""
        return Settings(
            name=self.name.data or "",
            rule_set_id=int(self.rule_set_id.data),
            min_bet=self.min_bet.data or 0,
            max_bet=self.max_bet.data or 0,
            exposure_max=self.exposure_max.data,
            betting_seconds=self.betting_seconds.data or 0,
            pause_seconds=self.pause_seconds.data or 0,
        )


class GameForm(_SettingsForm):
    """Other settings of a game that there is."""

    def __init__(self, *args: Any, currency: str, **given: Any) -> None:
        self.currency = currency
        super().__init__(*args, **given)


class NewGameForm(_SettingsForm):
    """A new game, with what cannot be changed later."""

    currency = SelectField("Currency", validate_choice=False)
    dealing = RadioField(
        "Cards",
        choices=[choice(Dealing.AUTOMATIC, "Shuffled here"), choice(Dealing.MANUAL, "Dealt by hand")],
        default=Dealing.AUTOMATIC.value,
        validators=[InputRequired("Choose where the cards come from.")],
    )

    def offer_currencies(self, codes: Sequence[str]) -> None:
        """In which currencies players have balances."""
        self.currency.choices = [choice(code, code) for code in codes]


class RoundFilterForm(FilterForm):
    """Which rounds of the history to show."""

    game = SelectField("Game", validate_choice=False)
    since = DayField("From")
    until = DayField("To")
    winner = SelectField("Winner", choices=choices("Either side", Side), validate_choice=False)
    state = SelectField("State", choices=choices("Every state", RoundState), validate_choice=False)

    def __init__(self, given: Any, *, names: Mapping[int, str]) -> None:
        super().__init__(given)
        self.game.choices = [
            choice("", "Every game"),
            *(choice(str(key), name) for key, name in names.items()),
        ]

    def wanted(self, timezone: str) -> RoundFilter:
        """The same for the query; days are the operator's. Call it after `validate`."""
        start, end = day_span(self.good("since"), self.good("until"), timezone)
        return RoundFilter(
            game_id=self.chosen_id("game"),
            start=start,
            end=end,
            winner=self.good("winner") or None,
            state=self.good("state") or None,
        )


def _is_id(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 19
