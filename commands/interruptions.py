"""What stays after Ctrl+C, command by command: nothing has to be cleaned up by hand."""

from __future__ import annotations

INTERRUPTED = 130
"""The exit code that shells give to what was stopped by Ctrl+C."""
_TABLES = "Tables that were read stay in the workspace and are not read again."
_KEPT = {
    "init": "No project file was written.",
    "check": "A table that was not finished is as it was before.",
    "features": "Datasets that were written stay; the others are as before.",
    "backtest": f"No scores were written. {_TABLES}",
    "train": f"No model was registered, and the champion serves on. {_TABLES}",
    "promote": "What is published is whole: the old champion or the new one. Run it again.",
    "demo": "Run it again: it goes on after the last model that was published.",
    "forecast": f"No file was written. {_TABLES}",
    "stock": f"No file was written. {_TABLES}",
    "send-times": "No file was written.",
    "plan-campaign": "No plan was written, unless it said so above; nothing was sent.",
    "report": "The last report is as it was, or written anew as a whole.",
    "ingest": "What was taken in stays; the same command goes on where this one ended.",
    "erase": "Either everything of the customer is gone from the store or nothing: run it again.",
    "purge": "What was removed is gone; run it again, as it must come to its end.",
    "rollback": "What is published is whole; run it again to be sure of the registry.",
    "serve": "The service is stopped; what it acknowledged is on the disk.",
}


class Interrupted(Exception):
    """The user stopped a command with Ctrl+C.

    Parameters
    ----------
    command : str
        Its name on the command line.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        kept = _KEPT.get(command, "Nothing half-made is left behind; it can be run again.")
        super().__init__(f"stopped by Ctrl+C. {kept}")
