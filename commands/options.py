"""Options and arguments that several commands share, and whom a command is for."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commands.completion import complete_product, complete_region

DATA_SCIENCE = "Data scientist: from your files to a champion"
MERCHANDISING = "Merchandising: how much, why, what if, what to order"
CAMPAIGNS = "Campaigns: whom to write to, and when"
OPERATIONS = "Operations: run it, watch it, mend it"
DEFAULT_PROJECT = Path("almanac.toml")


class Kind(StrEnum):
    """What a model answers: `demand` how much, `promotion` when."""

    demand = "demand"
    promotion = "promotion"


def check_table_file(out: Path | None) -> Path | None:
    """Refuse a file that is neither CSV nor Parquet or cannot be written, before any work."""
    if out is not None and (out.suffix not in (".csv", ".parquet") or out.is_dir()):
        raise typer.BadParameter(f"expected FILE.csv or FILE.parquet, got {out.name}")
    return _check_place(out)


def check_parquet_file(out: Path | None) -> Path | None:
    """Refuse a file that is not Parquet, before any work."""
    if out is not None and out.suffix != ".parquet":
        raise typer.BadParameter(f"expected FILE.parquet, got {out.name}")
    return _check_place(out)


def _check_place(out: Path | None) -> Path | None:
    if out is not None:
        there = next(parent for parent in out.absolute().parents if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise typer.BadParameter(f"{there} is no folder that can be written")
    return out


ProjectFile = Annotated[
    Path, typer.Option("--project", "-p", help="The project file.", show_default="almanac.toml")
]
KindName = Annotated[Kind, typer.Argument(help="demand: how much; promotion: when.")]
TableFile = Annotated[
    Path, typer.Option("--out", help="FILE.csv or FILE.parquet.", callback=check_table_file)
]
RegionName = Annotated[
    str,
    typer.Option(
        help="Id of a region of any level; 'all' is the whole.", autocompletion=complete_region
    ),
]
ProductName = Annotated[
    str,
    typer.Option(
        help="Id of a product of any level; 'all' is the whole.", autocompletion=complete_product
    ),
]
WindowStart = Annotated[
    str, typer.Option(help="Window start with offset, as 2026-01-31T00:00:00Z; else now.")
]
WindowDays = Annotated[int, typer.Option(min=1, max=28, help="Length of the window.")]
Audience = Annotated[Path, typer.Option(help="CSV with a column customer_id.")]
