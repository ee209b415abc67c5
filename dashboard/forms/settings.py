"""The operator's settings and allowances as an admin types them."""

from typing import Any
from zoneinfo import available_timezones

from wtforms import BooleanField, IntegerField, RadioField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from dashboard.forms.base import AmountField, DeskForm
from dashboard.forms.filters import choice
from dashboard.models.operator import MoneyMode, StakeOrder, WageringCounts
from dashboard.services import operators

REASON_LENGTH_MAX = 200


def reason_field() -> StringField:
    """Why a setting changes; whether it is owed depends on who else is there, so the service asks for it."""
    return StringField(
        "Reason",
        validators=[
            Length(max=REASON_LENGTH_MAX, message=f"A reason has at most {REASON_LENGTH_MAX} characters.")
        ],
        render_kw={"autocomplete": "off"},
    )


class OperatorForm(DeskForm):
    """What an admin may change of the operator."""

    name = StringField(
        "Name",
        validators=[InputRequired("Enter a name."), Length(max=100, message="Use at most 100 characters.")],
        render_kw={"autocomplete": "off"},
    )
    timezone = StringField(
        "Time zone",
        validators=[InputRequired("Enter a time zone.")],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    money = RadioField(
        "Money",
        choices=[choice(MoneyMode.PLAY, "Play"), choice(MoneyMode.REAL, "Real")],
        validators=[InputRequired("Choose play or real money.")],
    )
    undo_seconds = IntegerField(
        "Undo seconds",
        validators=[
            InputRequired("Enter a number of seconds; 0 for none."),
            NumberRange(
                0,
                operators.UNDO_SECONDS_MAX,
                message=f"Between 0 and {operators.UNDO_SECONDS_MAX} seconds.",
            ),
        ],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    second_factor_required = BooleanField("Staff must sign in with a second factor")
    stake_order = RadioField(
        "Stakes take",
        choices=[choice(StakeOrder.REAL_FIRST, "Real first"), choice(StakeOrder.BONUS_FIRST, "Bonus first")],
        validators=[InputRequired("Choose which money a stake takes first.")],
    )
    wagering_counts = RadioField(
        "Wagering counts",
        choices=[
            choice(WageringCounts.BONUS, "The bonus part"),
            choice(WageringCounts.WHOLE, "The whole stake"),
        ],
        validators=[InputRequired("Choose how much of a stake counts.")],
    )
    active_bonuses_max = IntegerField(
        "Active bonuses at most",
        validators=[
            Optional(),
            NumberRange(
                1,
                operators.ACTIVE_BONUSES_MAX,
                message=f"Between 1 and {operators.ACTIVE_BONUSES_MAX}, or empty for all.",
            ),
        ],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    xp_per_unit = IntegerField(
        "Experience per unit",
        validators=[
            InputRequired("Enter a number; 0 for none."),
            NumberRange(0, operators.XP_PER_UNIT_MAX, message=f"Between 0 and {operators.XP_PER_UNIT_MAX}."),
        ],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    referral_url = StringField(
        "Referral links lead to",
        validators=[
            Length(
                max=operators.REFERRAL_URL_MAX,
                message=f"At most {operators.REFERRAL_URL_MAX} characters.",
            )
        ],
        render_kw={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"},
    )
    reason = reason_field()

    def validate_timezone(self, field: Any) -> None:
        """One that there is."""
        if field.data not in available_timezones():
            raise ValidationError("Enter a time zone such as Europe/Malta.")

    def settings(self) -> operators.Settings:
        """What was typed. Call it after `validate`."""
        return operators.Settings(
            name=self.name.data or "",
            timezone=self.timezone.data or "",
            money=self.money.data or "",
            undo_seconds=self.undo_seconds.data or 0,
            second_factor_required=bool(self.second_factor_required.data),
            stake_order=self.stake_order.data or "",
            wagering_counts=self.wagering_counts.data or "",
            active_bonuses_max=self.active_bonuses_max.data,
            xp_per_unit=self.xp_per_unit.data or 0,
            referral_url=self.referral_url.data or None,
        )


class AllowanceForm(DeskForm):
    """How much somebody may move by hand in one currency."""

    scope = "allowance"

    per_change = AmountField("Per change", validators=[InputRequired("Enter an amount; 0 for nothing.")])
    per_day = AmountField("Per day", validators=[InputRequired("Enter an amount; 0 for nothing.")])
    reason = reason_field()

    def __init__(self, *args: Any, currency: str, **given: Any) -> None:
        self.currency = currency
        super().__init__(*args, **given)
