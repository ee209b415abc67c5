"""What the asset build puts into static/dist, as the browser will ask for it."""

import gzip
import hashlib
import json
import re

import brotli
import pytest

from dashboard.config import ROOT

DIST = ROOT / "static" / "dist"
MANIFEST: dict[str, str] = json.loads((DIST / "manifest.json").read_text())


def test_every_file_that_a_template_asks_for_is_built():
    asked = set()
    for template in (ROOT / "templates").rglob("*.html"):
        asked.update(re.findall(r"""asset\(["']([^"']+)""", template.read_text()))
    assert asked
    assert asked <= set(MANIFEST)


@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_the_name_carries_the_hash_of_the_content(name):
    built = DIST / MANIFEST[name]
    assert f".{hashlib.sha256(built.read_bytes()).hexdigest()[:12]}." in built.name


@pytest.mark.parametrize("name", sorted(name for name in MANIFEST if not name.endswith(".woff2")))
def test_compressed_twins_hold_the_same(name):
    built = DIST / MANIFEST[name]
    assert gzip.decompress(built.with_name(f"{built.name}.gz").read_bytes()) == built.read_bytes()
    assert brotli.decompress(built.with_name(f"{built.name}.br").read_bytes()) == built.read_bytes()


def test_the_guard_comes_with_htmx_and_before_the_streams():
    bundle = (DIST / MANIFEST["htmx.js"]).read_text()
    assert 0 < bundle.index('registerExtension("hx-csp"') < bundle.index('registerExtension("sse"')


def test_the_style_sheet_refers_to_built_fonts_alone():
    style = (DIST / MANIFEST["app.css"]).read_text()
    fonts = re.findall(r"url\(([^)]+)\)", style)
    assert fonts
    assert all((DIST / font).exists() for font in fonts if not font.startswith(("data:", '"data:', "'data:")))


def test_charts_are_not_in_what_every_page_loads():
    def sent(*names: str) -> int:
        return sum((DIST / f"{MANIFEST[name]}.br").stat().st_size for name in names)

    assert sent("plotly.js") > 300_000
    assert sent("app.js", "htmx.js", "app.css") < 50_000


def test_lock_files_name_no_address():
    locks = [
        *(ROOT / "dashboard" / "locks").glob("*.txt"),
        ROOT / "dashboard" / "assets" / "package-lock.json",
    ]
    assert len(locks) == 5
    assert [lock.name for lock in locks if "://" in lock.read_text()] == []
