"""Result tables as files of the user's choice: CSV or Parquet, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

SUFFIXES = (".csv", ".parquet")


def write_result(table: pd.DataFrame, out: Path) -> None:
    """Write a table as its suffix says; what was there before stays until the new one is whole.

    CSV has at most six decimals: further digits are noise of four-byte numbers.

    Parameters
    ----------
    table : DataFrame
    out : Path
        FILE.csv or FILE.parquet; its folder is made where it is not there.

    Raises
    ------
    ValueError
        If the suffix is another.
    """
    if out.suffix not in SUFFIXES:
        raise ValueError(f"expected FILE.csv or FILE.parquet, got {out.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    if out.suffix == ".csv":
        floats = [name for name in table if pd.api.types.is_float_dtype(table[name])]
        table.assign(**{str(name): table[name].round(6) for name in floats}).to_csv(
            partial, index=False
        )
    else:
        table.to_parquet(partial, index=False)
    partial.replace(out)
