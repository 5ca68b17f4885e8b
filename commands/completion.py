"""What the shell offers after a tab: levels, regions and products of the published forecasts.

It runs while somebody types, so it reads three columns of one file, and nothing where that file is
large; whatever goes wrong, it offers nothing rather than an error in the middle of a line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import typer

MOST_BYTES = 64 * 2**20
"""Of the forecasts; larger ones take longer to read than to type."""
MOST_OFFERED = 200
VARIABLE = "_ALMANAC_COMPLETE"
"""How the shell asks, and which one it is."""


def complete_level(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the published levels, and `all`."""
    return _complete(context, "level", incomplete)


def complete_region(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the regions that forecasts are published of."""
    return _complete(context, "region_id", incomplete)


def complete_product(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the products that forecasts are published of."""
    return _complete(context, "product_id", incomplete)


def list_published(project: Path, column: str) -> list[str]:
    """Return the values of one text column of a project's published forecasts, sorted.

    Parameters
    ----------
    project : Path
        The project file.
    column : str
        'level', 'region_id' or 'product_id'.
    """
    import pyarrow.parquet as pq

    from features.project import load_project

    folder = load_project(project).workspace.published / "demand"
    pointer = json.loads((folder / "current.json").read_text(encoding="utf-8"))
    forecasts = folder / pointer["directory"] / "forecasts.parquet"
    if forecasts.stat().st_size > MOST_BYTES:
        return []
    table = pq.read_table(forecasts, columns=[column], read_dictionary=[column])
    return sorted(str(value) for value in table[column].unique().to_pylist())


def _complete(context: typer.Context, column: str, incomplete: str) -> list[str]:
    project = context.params.get("project") or Path("almanac.toml")
    values = ["all", *_quietly(lambda: list_published(Path(project), column))]
    offered = [value for value in dict.fromkeys(values) if value.startswith(incomplete)]
    # Bash alone inserts what it is given as it is: a name with a blank would be two words.
    is_bash = os.environ.get(VARIABLE, "").startswith("complete_bash")
    return [_escape(value) if is_bash else value for value in offered[:MOST_OFFERED]]


def _escape(value: str) -> str:
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", value)


def _quietly(listed: Callable[[], list[str]]) -> list[str]:
    try:
        return listed()
    except Exception:  # noqa: BLE001 - an error would be written into the line that is typed
        return []
