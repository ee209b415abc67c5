"""What one says about a view that is kept."""

from collections.abc import Collection
from typing import Any

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import choice
from dashboard.models.login import Role

NAME_LENGTH_MAX = 60


class SavedViewForm(DeskForm):
    """Its name, and who else sees it."""

    scope = "view"

    name = StringField(
        "Name",
        validators=[
            InputRequired("Enter a name."),
            Length(max=NAME_LENGTH_MAX, message=f"A name has at most {NAME_LENGTH_MAX} characters."),
        ],
        render_kw={"autocomplete": "off", "maxlength": NAME_LENGTH_MAX},
    )
    shared_with = SelectField("Who sees it")
    page = HiddenField(validators=[Length(max=100)])
    query = HiddenField(validators=[Length(max=2000, message="These filters are too long to be kept.")])
    next = HiddenField(validators=[Length(max=2000)])

    def __init__(self, *, roles: Collection[Role], **given: Any) -> None:
        super().__init__(**given)
        self.shared_with.choices = [
            choice("", "Only me"),
            *(choice(role.value, f"Me and every {role.value}") for role in roles),
        ]

    @property
    def readers(self) -> Role | None:
        """The role that it is shared with; None for oneself alone."""
        return Role(self.shared_with.data) if self.shared_with.data else None
