"""Addresses: resources in kebab-case, ids typed, each with a permission."""

import re

from flask import Flask

from dashboard import permissions
from dashboard.views import access

_KINDS = r"int|uuid|date|currency|level|staff_act|partner_user_act|report_subject|string\(length=\d+\)"
_ENDING = r"\.pdf|\.csv|\.<any\(csv, xlsx\):ending>"
SEGMENT = re.compile(rf"([a-z0-9]+(-[a-z0-9]+)*|<({_KINDS}):[a-z_]+>)({_ENDING})?")


def test_addresses_are_typed_and_kebab_case(app: Flask) -> None:
    wrong = [
        rule.rule
        for rule in app.url_map.iter_rules()
        for segment in rule.rule.strip("/").split("/")
        if segment and not SEGMENT.fullmatch(segment)
    ]
    assert not wrong, "write /players/<int:player_id>/vip-level"


def test_no_address_ends_in_a_slash(app: Flask) -> None:
    assert [
        rule.rule for rule in app.url_map.iter_rules() if rule.rule != "/" and rule.rule.endswith("/")
    ] == []


def test_reading_and_writing_have_views_of_their_own(app: Flask) -> None:
    mixed = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or set()) and (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    ]
    assert not mixed, "use @bp.get and @bp.post: a GET never writes"


def test_every_route_names_a_permission(app: Flask) -> None:
    known = {*permissions.VERBS, access.PUBLIC}
    unknown = [
        endpoint for endpoint in app.view_functions if access.permission_of(app, endpoint) not in known
    ]
    assert not unknown, "add @requires(verb) or @public"


def test_public_routes_are_few(app: Flask) -> None:
    public = {name for name in app.view_functions if access.permission_of(app, name) == access.PUBLIC}
    assert public == {"auth.show", "auth.create", "links.show", "links.create", "health.live", "health.ready"}


def test_verbs_are_written_area_and_act() -> None:
    assert [verb for verb in permissions.VERBS if not re.fullmatch(r"[a-z]+:[a-z]+", verb)] == []
