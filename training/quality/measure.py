"""Counts of what tables hold and lack, as evidence of a training; no identifier is among it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from features.door.csv_files import quote_text
from features.engine import Engine, open_engine
from features.project import Project
from features.schema import TABLES, Decisions, Events, Kind, Sales, Stock, Touches
from training.quality.checks import CHECKS, LOOK, NOTE, SERIES, Check

COLUMNS, DAYS, FINDINGS, SPANS = (
    "quality_columns",
    "quality_days",
    "quality_findings",
    "quality_tables",
)
"""Evidence tables."""
TIMES = {
    "sales": Sales.DATE, "events": Events.OCCURRED_AT, "touches": Touches.SENT_AT,
    "decisions": Decisions.DECIDED_AT, "stock": Stock.AS_OF,
}  # fmt: skip
"""The column that says when; tables without one have no span."""
_FEW = 0.2
"""Of what is usual on a weekday: a day below it may not have been delivered whole."""


def measure_quality(project: Project, names: Collection[str]) -> dict[str, pd.DataFrame]:
    """Measure the canonical tables that are there of `names`.

    Parameters
    ----------
    project : Project
        Its tables must have been built; those that were not are left out.
    names : collection of str
        Canonical table names.

    Returns
    -------
    dict of name to DataFrame
        `quality_tables`: table, rows, first, last. `quality_columns`: table, column, filled (share
        of rows), distinct (about), low, high (numbers and moments alone). `quality_days`: table,
        date, rows. `quality_findings`: table, finding, weight ('look' or 'note'), count, of,
        share, words, meaning; the weightiest first. Empty where no table is there.
    """
    there = [name for name in TABLES if name in names and project.workspace.table(name).exists()]
    if not there:
        return {}
    spans: list[pd.DataFrame] = []
    columns: list[dict[str, Any]] = []
    days: list[pd.DataFrame] = []
    findings: list[dict[str, Any]] = []
    options = project.settings
    with open_engine(options.threads, options.memory_limit) as engine:
        for name in there:
            source = f"read_parquet({quote_text(str(project.workspace.table(name)))})"
            spans.append(_measure_span(engine, name, source))
            columns += _measure_columns(engine, name, source)
            if name in TIMES:
                days.append(_count_days(engine, name, source, options.time_zone))
            if name == "sales":
                engine.execute(SERIES.format(table=source))
            findings += [
                _measure(engine, check, source, options.time_zone)
                for check in CHECKS
                if check.table == name
            ]
    findings += [row for table in days for row in _find_thin_days(table)]
    return {
        SPANS: pd.concat(spans, ignore_index=True),
        COLUMNS: pd.DataFrame(columns),
        **({DAYS: pd.concat(days, ignore_index=True)} if days else {}),
        FINDINGS: _sort_findings(findings),
    }


def _measure_span(engine: Engine, name: str, source: str) -> pd.DataFrame:
    moment = TIMES.get(name)
    span = f"min({moment}), max({moment})" if moment else "NULL, NULL"
    row = engine.execute(f"SELECT count(*), {span} FROM {source}").fetchall()[0]
    first, last = (str(value)[:16] if value is not None else "" for value in row[1:])
    return pd.DataFrame({"table": [name], "rows": [row[0]], "first": [first], "last": [last]})


def _measure_columns(engine: Engine, name: str, source: str) -> list[dict[str, Any]]:
    shown = (Kind.NUMBER, Kind.INTEGER, Kind.SIGNAL, Kind.DATE, Kind.TIMESTAMP)
    there = set(engine.sql(f"SELECT * FROM {source} LIMIT 0").columns)
    rows = []
    for column in TABLES[name].columns:
        if column.name not in there:
            continue
        quoted = f'"{column.name}"'
        bounds = f"min({quoted})::VARCHAR, max({quoted})::VARCHAR"
        filled, distinct, low, high = engine.execute(
            f"SELECT count({quoted}) / greatest(count(*), 1), approx_count_distinct({quoted}), "
            f"{bounds if column.kind in shown else 'NULL, NULL'} FROM {source}"
        ).fetchall()[0]
        rows.append(
            {"table": name, "column": column.name, "filled": filled, "distinct": distinct,
             "low": (low or "")[:16], "high": (high or "")[:16]}
        )  # fmt: skip
    return rows


def _count_days(engine: Engine, name: str, source: str, zone: str) -> pd.DataFrame:
    """Count rows by local day; of sales only what is known, as the plan lies ahead."""
    moment = TIMES[name]
    is_date = TABLES[name].column(moment).kind is Kind.DATE
    day = moment if is_date else f"timezone('{zone}', timezone('UTC', {moment}))"
    where = f"WHERE {Sales.UNITS} IS NOT NULL" if name == "sales" else ""
    table: pd.DataFrame = engine.sql(
        f"SELECT '{name}' AS \"table\", CAST({day} AS DATE) AS date, count(*) AS rows "
        f"FROM {source} {where} GROUP BY 2 ORDER BY 2"
    ).to_arrow_table().to_pandas()  # fmt: skip
    return table.assign(date=pd.to_datetime(table["date"]))


def _measure(engine: Engine, check: Check, source: str, zone: str) -> dict[str, Any]:
    count, of = (
        int(engine.execute(query.format(table=source, zone=zone)).fetchall()[0][0] or 0)
        for query in (check.count, check.of)
    )
    share = count / of if of else 0.0
    count = count if share > check.least else 0
    return {
        "table": check.table, "finding": check.name, "count": count, "of": of, "share": share,
        "weight": LOOK if count and share >= check.worth_a_look else NOTE,
        "words": check.words, "meaning": check.meaning,
    }  # fmt: skip


def _find_thin_days(days: pd.DataFrame) -> list[dict[str, Any]]:
    """Find days on which much less arrived than on the same weekday usually does, or nothing.

    Sales of weeks or months, and tables of a few days, have no weekdays to compare.
    """
    name = str(days["table"].iloc[0]) if len(days) else ""
    if name not in ("sales", "events") or len(days) < 28 or _find_step(days) > 1:
        return []
    whole = pd.date_range(days["date"].min(), days["date"].max())
    rows = days.set_index("date")["rows"].reindex(whole, fill_value=0)
    usual = rows.groupby(whole.day_of_week).transform("median")
    # the first and the last day are often cut by the export itself
    thin = (rows < _FEW * usual).iloc[1:-1]
    first = f", the first on {thin.idxmax():%Y-%m-%d}" if thin.any() else ""
    count = int(thin.sum())
    return [
        {
            "table": name, "finding": "thin days", "count": count, "of": len(rows),
            "share": count / len(rows), "weight": LOOK if count else NOTE,
            "words": "days hold less than a fifth of the rows that their weekday usually has"
            + first,
            "meaning": "Closed days are no harm. If a delivery was cut short, load it again: "
            "what is missing looks like no demand.",
        }
    ]  # fmt: skip


def _find_step(days: pd.DataFrame) -> float:
    return float(days["date"].diff().dt.days.median())


def _sort_findings(findings: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(findings, columns=["table", "finding", "weight", "count", "of", "share",
                                            "words", "meaning"])  # fmt: skip
    found = table[table["count"] > 0]
    return found.sort_values(["weight", "share"], ascending=[True, False], ignore_index=True)


def take_quality(*evidence: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Join what several trainings measured: each table once, as the first of them saw it."""
    taken: dict[str, pd.DataFrame] = {}
    for name in (SPANS, COLUMNS, DAYS, FINDINGS):
        parts: list[pd.DataFrame] = []
        seen: set[str] = set()
        for tables in evidence:
            if SPANS not in tables:
                continue
            part = tables.get(name)
            if part is not None:
                parts.append(part[~part["table"].isin(seen)])
            seen |= set(tables[SPANS]["table"])
        if parts:
            taken[name] = pd.concat(parts, ignore_index=True)
    if FINDINGS in taken:
        taken[FINDINGS] = taken[FINDINGS].sort_values(
            ["weight", "share"], ascending=[True, False], ignore_index=True, kind="stable"
        )
    return taken
