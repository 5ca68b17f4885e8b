"""The front door: one command line over all of Almanac.

Exit codes: 0 done, 1 refused or failed with a reason, 2 wrong usage, 3 the monitor alerts, 130
stopped by Ctrl+C. The commands are in `commands/`, a file a group.
"""

from __future__ import annotations

import os

# Before anything is imported that would report its use to its makers.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from commands.front_door import app, main

__all__ = ["app", "main"]

if __name__ == "__main__":
    main()
