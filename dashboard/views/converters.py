"""What may stand in an address besides numbers and texts."""

from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter, ValidationError

from dashboard.models.vip import Level
from dashboard.queries.report_subjects import SOURCES
from dashboard.views.partner_users import UserAct
from dashboard.views.staff import Act


class LevelConverter(BaseConverter):
    """A VIP level by its name."""

    def to_python(self, value: str) -> Level:
        """404 for what is no level."""
        try:
            return Level(value)
        except ValueError:
            raise ValidationError from None

    def to_url(self, value: Any) -> str:
        """The level's name."""
        return str(Level(value))


class StaffActConverter(BaseConverter):
    """What an admin does about a login, by its name."""

    def to_python(self, value: str) -> Act:
        """404 for what is no act."""
        try:
            return Act(value)
        except ValueError:
            raise ValidationError from None

    def to_url(self, value: Any) -> str:
        """The act's name."""
        return str(Act(value))


class PartnerUserActConverter(BaseConverter):
    """What staff do about a login of a partner, by its name."""

    def to_python(self, value: str) -> UserAct:
        """404 for what is no act."""
        try:
            return UserAct(value)
        except ValueError:
            raise ValidationError from None

    def to_url(self, value: Any) -> str:
        """The act's name."""
        return str(UserAct(value))


class ReportSubjectConverter(BaseConverter):
    """What a report is about, by the name of its subject."""

    def to_python(self, value: str) -> str:
        """404 for what is no subject."""
        if value not in SOURCES:
            raise ValidationError
        return value


def init_app(app: Flask) -> None:
    """Make them known; before the blueprints."""
    app.url_map.converters["level"] = LevelConverter
    app.url_map.converters["staff_act"] = StaffActConverter
    app.url_map.converters["partner_user_act"] = PartnerUserActConverter
    app.url_map.converters["report_subject"] = ReportSubjectConverter
