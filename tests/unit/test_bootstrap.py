"""The set-up's decisions; whether it works at all is seen on a fresh machine."""

from pathlib import Path

import pytest

from dashboard import bootstrap


def test_without_root_it_prints_the_one_line_to_run_and_exits_2(monkeypatch, capsys):
    monkeypatch.setattr(
        bootstrap, "missing_system_packages", lambda **_options: ["python3-venv", "libatomic1"]
    )
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap.sys, "argv", ["dashboard", "test"])
    with pytest.raises(SystemExit) as stopped:
        bootstrap.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "sudo apt-get install -y python3-venv libatomic1\n"


def test_without_apt_it_names_the_packages(monkeypatch):
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    with pytest.raises(bootstrap.SetupFailed, match=r"^Please install: chromium$"):
        bootstrap.install_system_packages(["chromium"])


def test_nothing_missing_asks_for_nothing(monkeypatch):
    monkeypatch.setattr(bootstrap, "run", lambda *_command, **_options: pytest.fail("ran something"))
    bootstrap.install_system_packages([])


def test_a_missing_ensurepip_asks_for_its_package_only_while_there_is_no_environment(monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(bootstrap, "environment_works", lambda: False)
    assert bootstrap.missing_system_packages(needs_browser=False) == ["python3-venv"]
    monkeypatch.setattr(bootstrap, "environment_works", lambda: True)
    assert bootstrap.missing_system_packages(needs_browser=False) == []


def test_only_commands_with_a_browser_ask_for_one(monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(bootstrap, "environment_works", lambda: True)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _name: None)
    monkeypatch.setattr(bootstrap, "has_library", lambda _name: False)
    assert bootstrap.missing_system_packages(needs_browser=False) == []
    assert bootstrap.missing_system_packages(needs_browser=True) == [
        "chromium",
        "fonts-dejavu-core",
        "libatomic1",
    ]


@pytest.fixture
def venv(tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / "with a blank" / ".venv"
    monkeypatch.setattr(bootstrap, "ROOT", folder.parent)
    monkeypatch.setattr(bootstrap, "VENV", folder)
    monkeypatch.setattr(bootstrap, "PYTHON", folder / "bin" / "python")
    monkeypatch.setattr(bootstrap, "LOCKS", folder.parent)
    folder.mkdir(parents=True)
    for lock in ("run", "test", "dev"):
        (folder.parent / f"{lock}.txt").write_text(lock)
    return folder


def test_a_half_made_environment_is_made_anew(venv, monkeypatch):
    (venv / "left-over").touch()
    commands = []
    monkeypatch.setattr(bootstrap, "run", lambda *command, **_options: commands.append(command))
    bootstrap.make_environment()
    assert not venv.exists()
    assert [command[1:] for command in commands] == [("-m", "venv", venv)]


def test_an_installation_killed_in_the_middle_spoils_the_environment(venv, monkeypatch):
    (venv / "bin").mkdir()
    # A link would be the system's Python, which need not have pip.
    bootstrap.PYTHON.write_text(f"#!/bin/sh\nexec '{bootstrap.sys.executable}' \"$@\"\n")
    bootstrap.PYTHON.chmod(0o755)
    assert bootstrap.environment_works()

    def killed(*_command, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.install("run")
    assert not bootstrap.environment_works()
    assert not bootstrap.is_installed("run")


def test_an_installed_lock_holds_those_that_it_contains_until_it_changes(venv):
    bootstrap.set_stamp(venv / ".test.stamp", [venv.parent / "test.txt"])
    assert [lock for lock in ("run", "test", "dev") if bootstrap.is_installed(lock)] == ["run", "test"]
    (venv.parent / "test.txt").write_text("changed")
    assert not bootstrap.is_installed("run")


def test_importing_the_package_needs_the_standard_library_alone():
    code = "import dashboard.bootstrap, sys; print('flask' in sys.modules or 'pydantic' in sys.modules)"
    found = bootstrap.subprocess.run(
        [bootstrap.sys.executable, "-S", "-c", code],
        cwd=bootstrap.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "False\n"


def test_a_check_that_was_skipped_says_why(monkeypatch, tmp_path: Path, capsys):
    (tmp_path / "skips.py").write_text("print('skipped: nothing to run on.')")
    (tmp_path / "passes.py").write_text("print('fine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "CHECKS", (("one", ["skips"]), ("two", ["passes"])))
    assert bootstrap.check() == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == "one: skipped: nothing to run on."
    assert second.startswith("two: ok (")
