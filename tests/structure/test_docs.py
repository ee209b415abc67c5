"""The documents name every setting and every command."""

from pathlib import Path

from dashboard.cli import LazyGroup
from dashboard.config import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_described() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}

    missing = sorted(name for name in names if f"`{name}`" not in text)

    assert missing == [], "describe these in docs/operations.md"


def test_every_command_is_described() -> None:
    texts = "".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

    missing = sorted(name for name in LazyGroup.purposes if f"`{name}" not in texts)

    assert missing == [], "describe these in README.md or docs/"
