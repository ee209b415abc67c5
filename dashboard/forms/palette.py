"""What is typed into the command palette."""

from wtforms import StringField
from wtforms.validators import Length

from dashboard.forms.filters import FilterForm


class PaletteForm(FilterForm):
    """A name, an id, a reference, a page, or an act and whom it concerns."""

    scope = "palette"

    q = StringField("Find or do something", validators=[Length(max=200)])
