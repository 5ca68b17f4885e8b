"""Every command, for whom it is, and how the command line ends: in words, with an exit code."""

from __future__ import annotations

import copy
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from commands import (
    campaigns,
    comparison,
    customers,
    data_science,
    merchandising,
    operations,
    releases,
)
from commands.decisions import decisions_app
from commands.demo import demo
from commands.doctor import doctor
from commands.failures import describe_failure, write_log
from commands.interruptions import INTERRUPTED, Interrupted
from commands.keys import keys_app
from commands.options import CAMPAIGNS, DATA_SCIENCE, MERCHANDISING, OPERATIONS
from features.errors import AlmanacError

NAME = "almanac"
DEBUG = "--debug"
DEBUG_VARIABLE = "ALMANAC_DEBUG"
COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    DATA_SCIENCE: {
        "demo": demo,
        "init": data_science.init,
        "check": data_science.check,
        "features": data_science.features,
        "backtest": data_science.backtest,
        "train": data_science.train,
        "promote": data_science.promote,
        "report": data_science.report,
        "runs": comparison.runs,
        "compare": comparison.compare,
    },
    CAMPAIGNS: {
        "send-times": campaigns.send_times,
        "plan-campaign": campaigns.plan_campaign,
    },
    MERCHANDISING: {
        "forecast": merchandising.forecast,
        "why": merchandising.why,
        "what-if": merchandising.what_if,
        "stock": merchandising.stock,
    },
    OPERATIONS: {
        "doctor": doctor,
        "serve": operations.serve,
        "monitor": operations.monitor,
        "challenge": releases.challenge,
        "rollback": releases.rollback,
        "ingest": customers.ingest,
        "dead-letters": customers.dead_letters,
        "erase": customers.erase,
        "purge": operations.purge,
    },
}
GROUPS = {"identity": customers.identity_app, "keys": keys_app, "decisions": decisions_app}


class FrontDoor(TyperGroup):
    """The root command: its help names every command, and Ctrl+C says what stays."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl+C becomes `Interrupted`."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted(ctx.invoked_subcommand or "") from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help with `keys create` and its like among the commands of their person."""
        shown = copy.copy(self)
        shown.commands = {}
        for name, command in self.commands.items():
            inner = command.commands if isinstance(command, TyperGroup) else {"": command}
            for inner_name, leaf in inner.items():
                shown.commands[f"{name} {inner_name}".strip()] = _renamed(leaf, name, inner_name)
        super(FrontDoor, shown).format_help(ctx, formatter)


app = typer.Typer(
    cls=FrontDoor,
    help="The right moment for each customer, and how much each region will want.",
    epilog="Begin with `almanac demo`, or with your own file: `almanac init --sales FILE.csv`. "
    "`almanac COMMAND --help` shows its options; `almanac doctor` says what is wrong, and how to "
    "mend it.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for person, commands in COMMANDS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=person)(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name, rich_help_panel=OPERATIONS)


@app.callback()
def open_door(
    debug: Annotated[
        bool,
        typer.Option(DEBUG, envvar=DEBUG_VARIABLE, help="Show the traceback of an error."),
    ] = False,
) -> None:
    """Take the options that hold for every command."""


def main() -> None:
    """Run the command line; whatever goes wrong is one sentence and an exit code."""
    arguments = [word for word in sys.argv[1:] if word != DEBUG]
    is_debug = len(arguments) < len(sys.argv) - 1 or _is_on(os.environ.get(DEBUG_VARIABLE, ""))
    try:
        app(arguments, prog_name=NAME)
    except Interrupted as stop:
        _end(stop, str(stop), INTERRUPTED, is_debug=False)
    except AlmanacError as error:
        _end(error, f"refused: {error}", 1, is_debug=is_debug)
    except Exception as error:  # noqa: BLE001 - nobody should have to read a traceback
        log = None if is_debug else write_log(error, arguments, datetime.now(UTC))
        _end(error, describe_failure(error, log), 1, is_debug=is_debug)


def _end(error: Exception, words: str, code: int, *, is_debug: bool) -> None:
    from rich.console import Console

    if is_debug:
        traceback.print_exception(error)
    Console(stderr=True).print(words, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on", "y", "t")


def _renamed(command: Any, group: str, name: str) -> Any:
    renamed = copy.copy(command)
    renamed.name = f"{group} {name}".strip()
    return renamed
