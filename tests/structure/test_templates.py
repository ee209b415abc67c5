"""Templates as a set: each compiles, each page has a title, and none carries what the policy forbids."""

import re
from pathlib import Path

import pytest
from flask import Flask

from dashboard.config import ROOT

FOLDER = ROOT / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))
FRAMES = {"base.html", "plain.html"}
PAGES = [
    name
    for name in TEMPLATES
    if not name.startswith("components/") and not Path(name).name.startswith("_") and name not in FRAMES
]
FORBIDDEN = {
    r"<script(?![^>]*\bnonce=)(?![^>]*type=\"application/json\")": "a script without a nonce",
    r"<[^>]+\sstyle=": "a style attribute",
    r"\shx-on": "hx-on, which needs unsafe-eval",
    r"\son[a-z]+=\"": "an inline handler",
    r"\|\s*safe\b": "the filter safe: build Markup where the text is known",
    r"\bautoescape\b": "autoescape: it stays on",
    r"https?://(?!www\.w3\.org/)": "an address elsewhere",
}


def source(name: str) -> str:
    """The template without its comments."""
    return re.sub(r"\{#.*?#\}", "", (FOLDER / name).read_text(), flags=re.DOTALL)


def test_each_compiles(app: Flask) -> None:
    for name in TEMPLATES:
        app.jinja_env.get_template(name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_a_frame_and_a_title(name: str) -> None:
    text = source(name)
    assert re.search(r"\{% extends \"(base|plain)\.html\" %\}", text), "a partial's name begins with _"
    assert re.search(r"\{% block title %\}.+\{% endblock %\}", text), (
        "give the page a title: the words of its h1"
    )


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_carries_nothing_that_the_policy_forbids(name: str) -> None:
    found = [why for pattern, why in FORBIDDEN.items() if re.search(pattern, source(name))]
    assert not found


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_htmx_acts_on_carries_the_nonce(name: str) -> None:
    """Without it hx-csp strips the element; inherited, it would vouch for what others put inside."""
    text = source(name)
    for tag in re.findall(r"<[a-z][^<>]*\shx-(?:get|post|put|patch|delete|sse:connect)=[^<>]*>", text):
        assert "hx-nonce=" in tag, tag
    assert "hx-nonce:inherited" not in text
