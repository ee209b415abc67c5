"""The commands. Each is a module of this folder with a click command named `command`, imported on use.

Exit codes: 0 fine, 1 something differs or was refused, 2 wrong usage.
"""

import importlib
import keyword
import sys
from collections.abc import Sequence
from typing import ClassVar

import click
from sqlalchemy.exc import OperationalError

from dashboard.errors import PurserError


class LazyGroup(click.Group):
    """Knows every command's name and purpose without importing it: `--help` and a fast start need no more."""

    purposes: ClassVar[dict[str, str]] = {
        "run": "Start everything: database, worker and web server.",
        "web": "Start the web server alone.",
        "worker": "Start the worker alone: what is done on a schedule.",
        "db": "The database: backup, restore, upgrade, downgrade, check, url, shell, stop.",
        "operator": "Create an operator.",
        "staff": "Create a member of staff, or reset a password.",
        "demo": "Fill an empty database with a believable operator.",
        "events": "Print what other systems want to know, for them to pull.",
        "import": "Bring in journals and old wallets from elsewhere.",
        "verify": "Prove every chain, balance and anchor.",
        "anchor": "Take an anchor now.",
        "fairness": "Deal automatic rounds and count their cards.",
        "simulate": "Play rounds with simulated players, at full speed.",
        "routes": "List routes with the permission that each needs.",
        "bench": "Measure one of our claims against its baseline.",
        "shots": "Take a screenshot of every page.",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.purposes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.purposes:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"dashboard.cli.{module}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"dashboard/cli/{module}.py has no click command named `command`.")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.purposes.items()))
        with formatter.section("Commands of the set-up"):
            formatter.write_dl(
                [("test", "Run the tests; takes pytest's arguments."), ("check", "Everything that CI runs.")]
            )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Purser: the desk from which an operator runs player money."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code; what a person can act on is told in one line."""
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="python3 -m dashboard",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        code = 1
    except PurserError as error:
        click.echo(error.message, err=True)
        code = 1
    except OperationalError as error:
        click.echo(f"The database does not answer: {' '.join(str(error.orig).split())}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
