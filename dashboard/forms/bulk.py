"""A list of changes as it is pasted or uploaded, and how it shall be posted."""

from typing import Any

from flask_wtf.file import FileField, FileSize
from wtforms import BooleanField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, ValidationError

from dashboard.errors import Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.filters import choice, spoken
from dashboard.models.bulk import BulkMode
from dashboard.models.wallet import ChangeType
from dashboard.services import bulk_rows

FILE_BYTES_MAX = 2 * 1024 * 1024
PASTED = "Pasted list"


class BulkForm(DeskForm):
    """A list, and what its rows say that do not say it themselves."""

    rows = TextAreaField("Paste rows", render_kw={"rows": 8, "spellcheck": "false", "autocomplete": "off"})
    file = FileField(
        "or choose a CSV file",
        validators=[FileSize(FILE_BYTES_MAX, message="A file has at most 2 MB.")],
        render_kw={"accept": ".csv,.tsv,.txt,text/csv,text/plain"},
    )
    change_type = SelectField(
        "Type of rows that name none",
        choices=[choice(kind.value, spoken(kind)) for kind in bulk_rows.TYPES],
        default=ChangeType.ADJUSTMENT.value,
    )
    reason = StringField(
        "Reason of rows that give none",
        validators=[
            Length(
                max=bulk_rows.REASON_LENGTH_MAX,
                message=f"A reason has at most {bulk_rows.REASON_LENGTH_MAX} characters.",
            )
        ],
        render_kw={"autocomplete": "off"},
    )

    def validate_rows(self, field: Any) -> None:
        """Either of the two, so that nobody wonders which was taken."""
        if field.data and self.file.data:
            raise ValidationError("Paste rows or choose a file, not both.")
        if not field.data and not self.file.data:
            raise ValidationError("Paste rows, or choose a file.")

    @property
    def name(self) -> str:
        """What the list is called."""
        return (self.file.data.filename or PASTED) if self.file.data else PASTED

    def read(self, currency: str) -> list[bulk_rows.ReadRow]:
        """The rows of the list. Raises Rejected."""
        text = bulk_rows.decode(self.file.data.read()) if self.file.data else self.rows.data or ""
        kind = ChangeType(self.change_type.data)
        try:
            return bulk_rows.read(text, bulk_rows.Defaults(currency, kind, self.reason.data or ""))
        except Rejected as refused:
            raise Rejected(refused.message, field="file" if self.file.data else "rows") from None


class PostingForm(DeskForm):
    """How a rehearsed list is posted, and that one means what is remarkable about it."""

    mode = RadioField(
        "How",
        choices=[
            choice(BulkMode.BEST_EFFORT.value, "Every row that can be"),
            choice(BulkMode.ALL_OR_NOTHING.value, "All or nothing"),
        ],
        validators=[InputRequired("Choose how.")],
    )
    means_amounts = BooleanField("I mean these amounts")
    means_twice = BooleanField("I mean to post this list again")
