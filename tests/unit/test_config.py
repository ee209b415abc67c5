"""Settings from the environment, and the secrets beside them."""

import stat
from pathlib import Path

import pytest

from dashboard import config, keys
from dashboard.config import ROOT, ConfigurationError

NAMES = [str(field.validation_alias) for field in config.Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_defaults(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere/else")  # never to be taken for PURSER_HOME
    at = config.read()
    assert (at.home, at.host, at.port, at.database_url) == (ROOT / "var", "127.0.0.1", 8000, None)
    assert (at.balance_min_default, at.balance_max_default) == (-10_000, 1_000_000)
    assert (at.balance_warning_threshold, at.balance_critical_threshold) == (1_000, 100)
    assert at.secure_cookies is False
    assert at.anchor_folder == ROOT / "var" / "anchors"


def test_what_is_set_is_read(monkeypatch):
    monkeypatch.setenv("PURSER_HOME", "/srv/purser home")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("BALANCE_MIN_DEFAULT", "-500")
    monkeypatch.setenv("PURSER_TRUSTED_HOSTS", "desk.internal, localhost")
    monkeypatch.setenv("PURSER_SECURE_COOKIES", "1")
    at = config.read()
    assert (at.home, at.port, at.balance_min_default) == (Path("/srv/purser home"), 9000, -500)
    assert at.trusted_hosts == ("desk.internal", "localhost")
    assert at.secure_cookies is True


@pytest.mark.parametrize("name", ["PURSER_SECRET_KEY", "PURSER_ANCHOR_KEY", "PURSER_SEED_KEY"])
@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("kX9-wq2LmZ7_rT4vB8nC1dF5gH3jK6p", "is too short: 32 characters at least"),
        ("a" * 40, "looks like a sample: use a random one"),
        ("change-me-0123456789-abcdefghijklm", "looks like a sample: use a random one"),
    ],
)
def test_a_short_or_sample_secret_is_refused_without_showing_it(monkeypatch, name, secret, complaint):
    monkeypatch.setenv(name, secret)
    with pytest.raises(ConfigurationError) as refused:
        config.read()
    assert refused.value.message == f"{name} {complaint}."


@pytest.mark.parametrize(
    "url",
    [
        "https://ana:very-secret@mail.house.example",
        "smtp://",
        "smtp://ana:very-secret@mail.house.example:very-secret",
        "smtp://ana:very-secret@mail.house.example:70000",
        "smtp://ana:very-secret\u2100@mail.house.example",
        "smtp://[very-secret",
    ],
)
def test_what_is_no_mail_server_is_refused_without_showing_it(monkeypatch, url):
    monkeypatch.setenv("PURSER_SMTP_URL", url)
    with pytest.raises(ConfigurationError) as refused:
        config.read()
    assert refused.value.message.startswith("PURSER_SMTP_URL must begin with smtp:// or smtps://")
    assert "very-secret" not in refused.value.message
    monkeypatch.setenv("PURSER_SMTP_URL", "smtps://ana:pass%40word@mail.house.example:465")
    assert "word" not in repr(config.read())


def test_a_wrong_number_is_named(monkeypatch):
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(ConfigurationError, match=r"^PORT Input should be a valid integer"):
        config.read()


@pytest.mark.parametrize(
    ("name", "figure"),
    [("BALANCE_MIN_DEFAULT", "1"), ("BALANCE_MAX_DEFAULT", "0"), ("BALANCE_CRITICAL_THRESHOLD", "-1")],
)
def test_a_figure_that_no_rule_could_have_is_named(monkeypatch, name, figure):
    monkeypatch.setenv(name, figure)
    with pytest.raises(ConfigurationError, match=rf"^{name} "):
        config.read()


def test_secrets_are_made_once_and_for_nobody_else(monkeypatch, tmp_path):
    monkeypatch.setenv("PURSER_HOME", str(tmp_path / "home"))
    at = config.read()
    assert len(keys.session_key(at)) >= 64
    assert keys.session_key(at) == keys.session_key(at)
    assert len({keys.session_key(at).encode(), keys.anchor_key(at), keys.seed_key(at)}) == 3
    assert len(set(keys.database_passwords(at.home).values())) == len(keys.DATABASE_ROLES)
    folder = at.home / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    names = ("session.key", "anchor.key", "seed.key", "database.json")
    assert modes == dict.fromkeys(names, 0o600)


def test_a_secret_that_others_can_read_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PURSER_HOME", str(tmp_path))
    at = config.read()
    keys.session_key(at)
    (tmp_path / "secrets" / "session.key").chmod(0o644)
    with pytest.raises(keys.PurserError, match="can be read by others"):
        keys.session_key(at)
