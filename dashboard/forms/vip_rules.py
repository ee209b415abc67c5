"""The figures of a VIP rule as an admin types them."""

from typing import Any

from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired, NumberRange, Regexp
from wtforms.widgets import HiddenInput

from dashboard import money
from dashboard.forms.base import AmountField, DeskForm
from dashboard.forms.settings import reason_field
from dashboard.services.vip_rules import Figures


class GroupedAmountField(AmountField):
    """An amount that begins as people read it: figures of this size are miscounted without grouping."""

    def _value(self) -> str:
        if self.raw_data or self.data is None:
            return super()._value()
        return money.show(self.data, self.currency)


def _amount(label: str) -> GroupedAmountField:
    return GroupedAmountField(label, validators=[InputRequired("Enter an amount.")])


class VipRuleForm(DeskForm):
    """Every figure of a rule in one currency, typed by somebody who has seen it at `seen_version`."""

    min_balance = _amount("Minimum balance")
    max_balance = _amount("Maximum balance")
    daily_limit = _amount("Daily limit")
    weekly_limit = _amount("Weekly limit")
    warning_threshold = _amount("Warning threshold")
    critical_threshold = _amount("Critical threshold")
    approval_threshold = _amount("Approval threshold")
    drop_percent = StringField(
        "Significant drop",
        validators=[
            InputRequired("Enter a percentage."),
            Regexp(r"^[0-9]{1,3}$", message="Enter a whole percentage from 1 to 100."),
        ],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    reason = reason_field()
    seen_version = IntegerField(
        widget=HiddenInput(),
        validators=[
            InputRequired("This form is damaged: reload the page."),
            NumberRange(1, 2**62, message="This form is damaged: reload the page."),
        ],
    )

    def __init__(self, *args: Any, currency: str, **given: Any) -> None:
        self.currency = currency
        super().__init__(*args, **given)

    def figures(self) -> Figures:
        """What was typed, in minor units. Call it after `validate`."""
        typed: dict[str, Any] = {
            name: field.data for name, field in self._fields.items() if isinstance(field, AmountField)
        }
        typed["drop_percent"] = int(self.drop_percent.data or "")
        return Figures(**typed)
