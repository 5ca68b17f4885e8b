"""`almanac init`: a project file drafted from a look at the user's own files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from features.door.first_look import Look, look_at
from features.door.guesses import HORIZON_DAYS, looked_for
from features.errors import ProjectError
from features.schema import EVENTS, SALES, Sales

PLANNED = (Sales.IS_PROMOTED, Sales.DISPLAY, Sales.MAILER)
DEFAULT_FILE = Path("almanac.toml")
PRICES = (Sales.PRICE, Sales.BASE_PRICE)


def draft_project(
    *, sales: Path | None, orders: Path | None, name: str, folder: Path | None = None
) -> str:
    """Write a commented project file for one or two files of the user's.

    Parameters
    ----------
    sales : Path, optional
        Units per store, product and day, week, month or quarter: CSV or Parquet.
    orders : Path, optional
        One row per order or line, with customer and timestamp.
    name : str
        What the project is called.
    folder : Path, optional
        Where the project file will lie; paths are then written relative to it, else in full.

    Returns
    -------
    str
        TOML that loads; it also builds, unless a comment in it says what is still missing.

    Raises
    ------
    SourceError
        If a file is not there or cannot be read.
    """
    return _draft(_look_at_files(sales, orders), name, folder)


def _look_at_files(sales: Path | None, orders: Path | None) -> list[Look]:
    looks = []
    with tempfile.TemporaryDirectory(prefix="almanac-init-") as scratch:
        for table, path in ((SALES, sales), (EVENTS, orders)):
            if path is not None:
                looks.append(look_at(table, path, Path(scratch) / table.name))
    return looks


def _draft(looks: list[Look], name: str, folder: Path | None) -> str:
    lines = _project_lines(name)
    for look in looks:
        lines += _table_lines(look, folder)
    for look in looks:
        if look.table is SALES:
            lines += [*_demand_lines(look), *_stock_lines()]
        else:
            lines += _promotion_lines()
    return "\n".join(lines) + "\n"


def write_draft(
    project: Path, *, sales: Path | None, orders: Path | None, is_replaced: bool = False
) -> str:
    """Write a drafted project file, and return what to do next in words.

    Parameters
    ----------
    project : Path
        Where it goes; the project is named after its folder.
    sales, orders : Path, optional
        As of `draft_project`.
    is_replaced : bool
        Whether a file that is there is replaced.

    Raises
    ------
    ProjectError
        If a file is there.
    SourceError
        If a file of data is not there or cannot be read.
    """
    if project.exists() and not is_replaced:
        raise ProjectError(f"{project} is there already; use --force to replace it")
    folder = project.resolve().parent
    name = folder.name.replace(":", "-") or "almanac"
    looks = _look_at_files(sales, orders)
    text = _draft(looks, name, folder)
    folder.mkdir(parents=True, exist_ok=True)
    project.write_text(text, encoding="utf-8")
    open_lines = sum(line.startswith("# TO DO") for line in text.splitlines())
    todo = f", fill in what is marked TO DO ({open_lines})" if open_lines else ""
    option = "" if project == DEFAULT_FILE else f" --project {project}"
    found = [_describe_look(look) for look in looks]
    return "\n".join([*found, f"wrote {project}. Read it{todo}, then run: almanac check{option}"])


def _describe_look(look: Look) -> str:
    """Say what was recognised in a file, in words."""
    mapped = look.settings["columns"]
    pairs = ", ".join(f"{theirs} is {ours}" for ours, theirs in mapped.items() if ours != theirs)
    same = ", ".join(ours for ours, theirs in mapped.items() if ours == theirs)
    forms = {"decimal": "a decimal comma", "date_format": "dates as {}", "encoding": "text in {}"}
    said = [words.format(look.settings[k]) for k, words in forms.items() if k in look.settings]
    what = "; ".join(part for part in (pairs, same, *said) if part) or "no column was recognised"
    return f"{Path(look.settings['path']).name} as {look.table.name}: {what}"


def _project_lines(name: str) -> list[str]:
    return [
        "# Drafted by `almanac init`. Change any line; `almanac check` says what is wrong.",
        "",
        "[project]",
        f"name = {_text(name)}",
        "# The IANA time zone that most customers and stores live in, such as America/New_York.",
        'time_zone = "UTC"',
        "# For public holidays: ISO 3166 country and, if one fits all, its subdivision.",
        '# country = "US"',
        '# subdivision = "NY"',
    ]


def _table_lines(look: Look, folder: Path | None) -> list[str]:
    table, settings = look.table, look.settings
    mapped = settings["columns"]
    lines = ["", f"[tables.{table.name}]", f"path = {_text(_shown(settings['path'], folder))}"]
    lines += [f"# {line}" for note in look.notes for line in note.splitlines()]
    lines += [
        f"{key} = {_text(settings[key])}"
        for key in ("encoding", "decimal", "date_format", "on_duplicate", "returns")
        if key in settings
    ]
    if "naive_time_zone" in settings:
        lines += [
            "# The timestamps state no offset. Where does their clock hang? If not in UTC, name",
            "# the time zone: send times are hours of the customer's day.",
            f"naive_time_zone = {_text(settings['naive_time_zone'])}",
        ]
    lines += ["", f"[tables.{table.name}.columns]  # ours = theirs"]
    lines += [f"{ours} = {_text(theirs)}" for ours, theirs in mapped.items()]
    present = {name.lower() for name in look.names}
    lines += [
        f'{column.name} = ""  # the file has a column of this name that is something else'
        for column in table.columns
        if column.name in present and column.name not in mapped
    ]
    for column in table.columns:
        if column.is_required and column.name not in mapped:
            lines += [
                f"# TO DO: {column.name} = ?",
                f"#   looked for: {', '.join(looked_for(column))}",
                f"#   the file has: {', '.join(look.names)}",
            ]
    if table is SALES and not {Sales.REGION_ID, Sales.PRODUCT_ID} <= set(mapped):
        lines.append(
            "# If all of it is one region or one product, put in [tables.sales]: "
            'defaults = { region_id = "everywhere" }'
        )
    lines += [f"# {name}: {reason}" for name, reason in look.dropped.items()]
    unused = [n for n in look.names if n not in mapped.values() and n not in look.dropped]
    if unused:
        lines.append(f"# not used: {', '.join(unused)}")
    if unused and table is SALES and Sales.UNITS in mapped:
        lines.append("# What of it moves demand may be named in [tables.sales]:")
        lines.append(f"#   regressors = {{ holiday = {_text(unused[0])} }}")
    absent = [c.name for c in table.columns if not c.is_required and c.name not in mapped]
    lines.append(f"# could be named too: {', '.join(absent)}")
    return lines


def _demand_lines(look: Look) -> list[str]:
    mapped = look.settings["columns"]
    lines = ["", "[demand]"]
    if look.first is not None:
        lines.append(f"# The history goes from {look.first} to {look.last}.")
    lines += [
        f'frequency = "{look.frequency}"  # day, week, month or quarter',
        f"horizon_days = {HORIZON_DAYS[look.frequency]}  # how far ahead, always in days",
        "origins = 6  # from how many past dates the models are judged",
    ]
    planned = [name for name in PLANNED if name in mapped]
    prices = [name for name in PRICES if name in mapped]
    if planned or prices:
        lines += [
            "# Columns of sales that are decided before the period begins. To forecast with them,",
            "# add rows after the last sale with these filled and units empty.",
            f"known_ahead = {json.dumps(planned)}",
        ]
    if prices:
        lines.append(f"# Are coming prices decided too? Then add {', '.join(prices)}.")
    return lines


def _stock_lines() -> list[str]:
    return [
        "",
        "# For `almanac stock`; without it: orders weekly, 7 ± 2 days to arrive, 95 % service.",
        "# [stock]",
        "# review_days = 7  # days between two chances to order",
        "# lead_time_days = 7  # from an order to its arrival",
        "# lead_time_sd_days = 2",
        "# service_level = 0.95  # no stock-out before the next order can arrive; or, in money:",
        "# lost_margin = 1.20  # per unit of demand that is not met; needs holding_cost",
        "# holding_cost = 0.01  # per unit and day",
        "# order_cost = 0  # per order, whatever its size; above 0 it needs holding_cost",
        "# pack_size = 1",
        "# minimum_order = 0",
    ]


def _promotion_lines() -> list[str]:
    return [
        "",
        "[promotion]",
        "# half_life_days = 120  # habits count half after this many days; chosen if not set",
        "label_days = 28  # how many days a model is judged on",
    ]


def _shown(path: str, folder: Path | None) -> str:
    if folder is None:
        return path
    try:
        return str(Path(path).relative_to(folder.resolve()))
    except ValueError:
        return path


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
