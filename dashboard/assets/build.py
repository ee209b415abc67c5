"""Make what browsers load: static/dist, with a content hash in every name, .br and .gz twins, a manifest.

Third-party files come from node_modules, ours from static/css and static/js. Nothing here uses the network.
"""

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import brotli

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = HERE / "node_modules"
OUT = ROOT / "static" / "dist"
# htmx must come first. Loaded as files of their own, htmx may start before an extension is registered,
# and the page would stand without its guard.
HTMX_PARTS = ("htmx.min.js", "ext/hx-csp.min.js", "ext/hx-sse.min.js")
TEMPLATE_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
# icon("name") and icon="name" in templates; icon="name" and "icon": "name" in views.
ICON_NAME = re.compile(r"""\bicon["']?\s*[(=:]\s*["']([a-z0-9-]+)["']""")


def main() -> None:
    """Build into a draft folder and put it in place whole."""
    draft = OUT.with_name("dist.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    manifest: dict[str, str] = {}
    for name, data in sources(manifest):
        manifest[name] = write(draft, name, data)
    (draft / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    shutil.rmtree(OUT, ignore_errors=True)
    draft.rename(OUT)


def sources(manifest: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file, in an order in which each may refer to those before it."""
    yield "htmx.js", b";\n".join((PACKAGES / "htmx.org" / "dist" / part).read_bytes() for part in HTMX_PARTS)
    yield "plotly.js", (PACKAGES / "plotly.js-basic-dist-min" / "plotly-basic.min.js").read_bytes()
    inter = PACKAGES / "@fontsource-variable" / "inter" / "files"
    yield "inter.woff2", (inter / "inter-latin-wght-normal.woff2").read_bytes()
    yield "inter-ext.woff2", (inter / "inter-latin-ext-wght-normal.woff2").read_bytes()
    yield "icons.svg", sprite(icon_names())
    yield "app.css", stylesheet(manifest)
    yield "app.js", joined("js").encode()


def icon_names() -> list[str]:
    """Every icon that a template or a view names literally."""
    sources = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "dashboard" / "views").rglob("*.py")]
    texts = [TEMPLATE_COMMENT.sub("", source.read_text()) for source in sources]
    return sorted({name for text in texts for name in ICON_NAME.findall(text)})


def sprite(names: list[str]) -> bytes:
    """One SVG that holds each icon as a symbol of its name; they take the text's colour."""
    parts = ['<svg xmlns="http://www.w3.org/2000/svg">']
    for name in names:
        path = PACKAGES / "@tabler" / "icons" / "icons" / "outline" / f"{name}.svg"
        if not path.exists():
            raise SystemExit(f'There is no icon "{name}": see the outline icons of Tabler.')
        drawn = re.search(r"<svg[^>]*>(.*)</svg>", path.read_text(), re.DOTALL)
        if drawn is None:
            raise SystemExit(f"{path} is no SVG.")
        parts.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
            f'stroke-linecap="round" stroke-linejoin="round">{drawn[1].strip()}</symbol>'
        )
    return ("".join(parts) + "</svg>\n").encode()


def stylesheet(manifest: dict[str, str]) -> bytes:
    """Our CSS as one file; `url(dist/NAME)` becomes the built name."""
    text = re.sub(r"url\(dist/([\w.-]+)\)", lambda found: f"url({manifest[found[1]]})", joined("css"))
    return text.encode()


def joined(kind: str) -> str:
    """Our files of that kind as one, in the order of their names."""
    return "\n".join(path.read_text().strip() for path in sorted((ROOT / "static" / kind).glob(f"*.{kind}")))


def write(folder: Path, name: str, data: bytes) -> str:
    """Write the file and its compressed twins; returns its name with the hash."""
    stem, _, ending = name.rpartition(".")
    hashed = f"{stem}.{hashlib.sha256(data).hexdigest()[:12]}.{ending}"
    (folder / hashed).write_bytes(data)
    if ending != "woff2":  # compressed as it is
        # The best level takes seconds on a megabyte and saves a twelfth.
        quality = 11 if len(data) < 300_000 else 9
        (folder / f"{hashed}.br").write_bytes(brotli.compress(data, quality=quality))
        (folder / f"{hashed}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    return hashed


if __name__ == "__main__":
    main()
