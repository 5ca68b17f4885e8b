"""A table of a report as plain text, for the command line."""

from __future__ import annotations

from training.chapters import Grid

_GAP = "  "


def write_grid(grid: Grid) -> str:
    """Write a grid as aligned lines below its caption; numbers to the right.

    Examples
    --------
    >>> print(write_grid(Grid("Scores", ("level", "WAPE"), (("all", "3.1"), ("store", "12.4")))))
    Scores
    level  WAPE
    all     3.1
    store  12.4
    """
    lines = [grid.columns, *grid.rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(grid.columns))]
    written = [
        _GAP.join(
            cell.ljust(width) if place < grid.n_texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([grid.caption, *written])
