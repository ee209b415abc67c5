"""What may be typed to take money out of a wallet: a withdrawal and how it ends, a transfer."""

from typing import Any

from wtforms import HiddenField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, ValidationError
from wtforms.widgets import HiddenInput

from dashboard import money
from dashboard.forms.base import AmountField, DeskForm, HiddenKey
from dashboard.forms.filters import FilterForm, choice
from dashboard.models.change_request import WithdrawalState

_DAMAGED = "This form is damaged: reload the page."
REASON_LENGTH_MAX = 200


def _reason() -> StringField:
    return StringField(
        "Reason",
        validators=[
            InputRequired("Enter a reason."),
            Length(max=REASON_LENGTH_MAX, message=f"A reason has at most {REASON_LENGTH_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


class MovementForm(DeskForm):
    """An amount that leaves a balance which was seen at `seen_version`."""

    amount = AmountField("Amount")
    reason = _reason()
    reference = StringField(
        "Reference",
        validators=[Length(max=100, message="A reference has at most 100 characters.")],
        render_kw={"autocomplete": "off"},
    )
    currency = HiddenField()
    seen_version = IntegerField(
        widget=HiddenInput(), validators=[InputRequired(_DAMAGED), NumberRange(0, 2**62, message=_DAMAGED)]
    )
    idempotency_key = HiddenKey()

    def validate_currency(self, field: Any) -> None:
        """A code; whether there is a rule for it is the service's to say."""
        if self.known_currency is None:
            raise ValidationError(_DAMAGED)

    def validate_amount(self, field: Any) -> None:
        """Something above zero."""
        if field.data is None:
            raise ValidationError("Enter an amount.")
        if field.data <= 0:
            raise ValidationError("Enter an amount above zero, without a sign.")

    @property
    def known_currency(self) -> str | None:
        """The currency that was sent, if there is such a one."""
        code = self.currency.data or ""
        return code if money.is_currency(code) else None

    @property
    def minor(self) -> int:
        """The amount in minor units; 0 until a good one is typed."""
        return 0 if self.amount.errors else max(0, self.amount.data or 0)

    def renew(self, *, seen_version: int) -> None:
        """Make it ready to be sent again on the balance as it is now."""
        self.seen_version.raw_data = None
        self.seen_version.data = seen_version


class WithdrawalForm(MovementForm):
    """What a player wants to be paid."""

    scope = "withdrawal"


class TransferForm(MovementForm):
    """What goes to another player."""

    scope = "transfer"

    to = StringField(
        "To",
        validators=[InputRequired("Enter who receives it."), Length(max=200, message="That is too long.")],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    amount_again = AmountField("Amount again")


class PaymentForm(DeskForm):
    """That a withdrawal is paid."""

    scope = "payment"


class CancellationForm(DeskForm):
    """Why a withdrawal is not paid."""

    scope = "cancellation"

    reason = _reason()


class WithdrawalFilterForm(FilterForm):
    """Which withdrawals to show."""

    state = SelectField(
        "State",
        choices=[
            choice("", "Requested"),
            choice(WithdrawalState.PAID.value, "Paid"),
            choice(WithdrawalState.CANCELLED.value, "Cancelled"),
            choice("all", "All"),
        ],
        validate_choice=False,
    )
