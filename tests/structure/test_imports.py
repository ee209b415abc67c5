"""Imports point one way: views → forms, services, queries → models → db; jobs stand where views stand."""

import ast
from collections.abc import Iterator
from pathlib import Path

from dashboard.config import ROOT

PACKAGE = ROOT / "dashboard"
SHARED = {"forms", "services", "queries"}
# Commands stand at the edge too, and also start and list what the others do.
LEVELS = [{"db"}, {"models"}, SHARED, {"views", "jobs"}, {"cli"}]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
WEB_ONLY = {"flask", "flask_login", "flask_wtf", "werkzeug"}
WITHOUT_FLASK = {"models", "services", "queries"}


def modules() -> Iterator[tuple[str, str, Path]]:
    """Each module of a room: the room, its dotted name, its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in LEVEL_OF:
            yield parts[0], ".".join(parts), path


def imported(path: Path) -> set[str]:
    """Every name that the file imports, dotted; `from dashboard import db` is `dashboard.db`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_of(names: set[str]) -> set[str]:
    """The rooms of our own package that these names lie in."""
    return {name.split(".")[1] for name in names if name.startswith("dashboard.")} & set(LEVEL_OF)


def test_imports_point_inward() -> None:
    wrong = []
    for room, name, path in modules():
        for other in rooms_of(imported(path)):
            allowed = other == room or LEVEL_OF[other] < LEVEL_OF[room] or {other, room} <= SHARED
            if not allowed:
                wrong.append(f"{name} imports dashboard.{other}")
    assert not wrong, "move what is shared further in, or pass it as an argument"


def test_services_know_neither_flask_nor_forms() -> None:
    wrong = []
    for room, name, path in modules():
        names = imported(path)
        if room in WITHOUT_FLASK and {each.split(".")[0] for each in names} & WEB_ONLY:
            wrong.append(f"{name} imports Flask")
        if room in {"services", "queries"} and "forms" in rooms_of(names):
            wrong.append(f"{name} imports a form")
    assert not wrong, "pass what the request says as plain arguments"


def test_only_the_edge_opens_transactions() -> None:
    wrong = []
    for room, name, path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            of = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            opens = of == "db" and node.func.attr in {"reading", "writing", "transact"}
            if room in WITHOUT_FLASK and (opens or (of == "session" and node.func.attr == "commit")):
                wrong.append(f"{name}:{node.lineno} {of}.{node.func.attr}()")
    assert not wrong, "a service receives the session and never commits"


def test_the_check_sees_what_it_is_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from dashboard import db\nfrom dashboard.views.htmx import see\nimport flask\n")
    assert rooms_of(imported(bad)) == {"db", "views"}
