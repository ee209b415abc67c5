"""How an entry is undone, and why."""

from wtforms import IntegerField, RadioField
from wtforms.validators import NumberRange, Optional
from wtforms.widgets import HiddenInput

from dashboard.forms.base import DeskForm, HiddenKey
from dashboard.forms.filters import choice
from dashboard.forms.wallets import reason_field
from dashboard.services.reversals import Extent


class ReversalForm(DeskForm):
    """Why an entry is undone; where part of it is spent, how much. Posted by whoever saw `seen_version`."""

    scope = "reversal"

    extent = RadioField(
        "How much",
        choices=[choice(Extent.LEFT, "Up to what is left"), choice(Extent.WHOLE, "All of it")],
        default=Extent.WHOLE.value,
    )
    reason = reason_field()
    seen_version = IntegerField(
        widget=HiddenInput(),
        validators=[Optional(), NumberRange(0, 2**62, message="This form is damaged: reload the page.")],
    )
    idempotency_key = HiddenKey()

    def renew(self, seen_version: int) -> None:
        """Make it ready to be sent again, by somebody who has now seen that version."""
        self.seen_version.raw_data = None
        self.seen_version.data = seen_version
