"""How a user's column, of whatever type its source gave it, is read as a canonical kind.

Every function returns SQL. A value that cannot be read becomes NULL, never an error and never a
guess: `features.door.checks` then names the first such row.

Text is trimmed, and empty text is no value. Numbers have a decimal point and no thousands
separator, dates are ISO 8601 (`2024-01-31`, `20240131`, `2024-01` for a month; also `2024-Q1` for
a quarter). A timestamp with an offset is that instant; one without is local time in the table's
`naive_time_zone`: an hour that daylight saving skips is moved forward by the hour that was
skipped, an hour that happens twice is read as its second pass (standard time).
"""

from __future__ import annotations

from enum import StrEnum

from features.schema import Column, Kind

ISO_DATE = r"\d{4}-\d{2}-\d{2}"
QUARTER = r"\d{4}[- ]?[Qq][1-4]"
CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
OFFSET = r" ?([Zz]|[+-]\d{2}(:?\d{2})?)"
MIDNIGHT = rf"{ISO_DATE}[T ]00:00(:00(\.0{{1,9}})?)?"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")


class Family(StrEnum):
    """Groups of engine types that are read alike."""

    TEXT = "text"
    INTEGER = "a whole number"
    DECIMAL = "a number"
    BOOLEAN = "true or false"
    DATE = "a date"
    NAIVE = "a timestamp without offset"
    INSTANT = "a timestamp with offset"
    OTHER = "something else"


_PREFIXES = (
    ("TIMESTAMP WITH TIME ZONE", Family.INSTANT),
    ("TIMESTAMPTZ", Family.INSTANT),
    ("TIMESTAMP", Family.NAIVE),
    ("VARCHAR", Family.TEXT),
    ("ENUM", Family.TEXT),
    ("UUID", Family.TEXT),
    ("DECIMAL", Family.DECIMAL),
    ("DOUBLE", Family.DECIMAL),
    ("FLOAT", Family.DECIMAL),
    ("BOOLEAN", Family.BOOLEAN),
)
_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")}


def family_of(engine_type: str) -> Family:
    """Return the family of a DuckDB type, such as 'DECIMAL(18,2)'.

    Examples
    --------
    >>> family_of("DECIMAL(18,2)").name, family_of("UINTEGER").name, family_of("BLOB").name
    ('DECIMAL', 'INTEGER', 'OTHER')
    """
    name = engine_type.upper()
    if name.endswith("]"):
        return Family.OTHER
    if name in _INTEGERS | {"INTEGER", "UINTEGER"}:
        return Family.INTEGER
    if name == "DATE":
        return Family.DATE
    return next((family for start, family in _PREFIXES if name.startswith(start)), Family.OTHER)


def raw_sql(identifier: str, engine_type: str) -> str:
    """Return the value as its source gave it, with empty text as NULL."""
    if family_of(engine_type) is Family.TEXT:
        return f"nullif(trim(CAST({identifier} AS VARCHAR), chr(32) || chr(9) || chr(160)), '')"
    return identifier


def cast_sql(column: Column, raw: str, family: Family, zone: str | None) -> str:
    """Return the value as `column` wants it, NULL where it cannot be read.

    Parameters
    ----------
    column : Column
        What it is to become.
    raw : str
        SQL of the staged value, as `raw_sql` made it.
    family : Family
        What it is now.
    zone : str or None
        IANA zone of timestamps without offset; None reads them as UTC, for the checks to refuse.
    """
    if column.kind in (Kind.TEXT, Kind.ZONE):
        text = _text_sql(raw, family)
        return f"lower({text})" if column.choices else text
    if column.kind is Kind.TIMESTAMP:
        return _timestamp_sql(raw, family, zone or "UTC")
    readers = {
        Kind.NUMBER: _number_sql,
        Kind.SIGNAL: _signal_sql,
        Kind.INTEGER: _integer_sql,
        Kind.BOOLEAN: _boolean_sql,
        Kind.DATE: _date_sql,
    }
    return readers[column.kind](raw, family)


def has_offset_sql(raw: str, family: Family) -> str:
    """Return SQL that is true where a readable timestamp states its offset."""
    if family is Family.TEXT:
        return f"regexp_full_match({raw}, '{ISO_DATE}{CLOCK}{OFFSET}')"
    return "true" if family is Family.INSTANT else "false"


def engine_type_of(kind: Kind) -> str:
    """Return the DuckDB type that canonical columns of `kind` are stored as."""
    return {
        Kind.TEXT: "VARCHAR",
        Kind.ZONE: "VARCHAR",
        Kind.INTEGER: "BIGINT",
        Kind.NUMBER: "DOUBLE",
        Kind.SIGNAL: "DOUBLE",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.DATE: "DATE",
    }[kind]


def _text_sql(raw: str, family: Family) -> str:
    if family is Family.TEXT:
        return raw
    if family is Family.DECIMAL:
        # pandas turns an integer id into a float as soon as one is missing: 1001.0 is id "1001".
        whole = f"CAST(CAST({raw} AS HUGEINT) AS VARCHAR)"
        return (
            f"CASE WHEN isnan(CAST({raw} AS DOUBLE)) THEN NULL "
            f"WHEN {raw} = trunc({raw}) AND abs({raw}) < 1e18 THEN {whole} "
            f"ELSE CAST({raw} AS VARCHAR) END"
        )
    return f"CAST({raw} AS VARCHAR)"


def _number_sql(raw: str, family: Family) -> str:
    if family is Family.TEXT:
        return _matching(raw, NUMBER, f"TRY_CAST({raw} AS DOUBLE)")
    if family in (Family.INTEGER, Family.DECIMAL, Family.BOOLEAN):
        return f"CAST({raw} AS DOUBLE)"
    return "CAST(NULL AS DOUBLE)"


def _signal_sql(raw: str, family: Family) -> str:
    flag = f"CAST({_boolean_sql(raw, family)} AS DOUBLE)"
    return f"coalesce({_number_sql(raw, family)}, {flag})"


def _integer_sql(raw: str, family: Family) -> str:
    number = _number_sql(raw, family)
    return f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({number} AS BIGINT) END"


def _boolean_sql(raw: str, family: Family) -> str:
    if family is Family.BOOLEAN:
        return raw
    if family in (Family.TEXT, Family.INTEGER, Family.DECIMAL):
        text = f"lower(CAST({raw} AS VARCHAR))"
        return f"CASE WHEN {text} IN {TRUE} THEN true WHEN {text} IN {FALSE} THEN false END"
    return "CAST(NULL AS BOOLEAN)"


def _date_sql(raw: str, family: Family) -> str:
    if family is Family.DATE:
        return raw
    if family is Family.NAIVE:
        day = f"CAST({raw} AS DATE)"
        return f"CASE WHEN CAST({raw} AS TIMESTAMP) = CAST({day} AS TIMESTAMP) THEN {day} END"
    if family is Family.INTEGER:
        return _date_sql(f"CAST({raw} AS VARCHAR)", Family.TEXT)
    if family is not Family.TEXT:
        return "CAST(NULL AS DATE)"
    return (
        f"CASE WHEN regexp_full_match({raw}, '{ISO_DATE}') THEN TRY_CAST({raw} AS DATE) "
        f"WHEN regexp_full_match({raw}, '{MIDNIGHT}') THEN TRY_CAST(left({raw}, 10) AS DATE) "
        rf"WHEN regexp_full_match({raw}, '\d{{8}}') "
        f"THEN TRY_CAST(try_strptime({raw}, '%Y%m%d') AS DATE) "
        rf"WHEN regexp_full_match({raw}, '\d{{4}}-\d{{2}}') THEN TRY_CAST({raw} || '-01' AS DATE) "
        rf"WHEN regexp_full_match({raw}, '{QUARTER}') THEN {_quarter_sql(raw)} "
        "END"
    )


def _quarter_sql(raw: str) -> str:
    month = f"3 * TRY_CAST(right({raw}, 1) AS INTEGER) - 2"
    return f"TRY_CAST(make_date(TRY_CAST(left({raw}, 4) AS INTEGER), {month}, 1) AS DATE)"


def _timestamp_sql(raw: str, family: Family, zone: str) -> str:
    if family is Family.INSTANT:
        return f"timezone('UTC', CAST({raw} AS TIMESTAMP WITH TIME ZONE))"
    if family in (Family.NAIVE, Family.DATE):
        return _in_utc(f"CAST({raw} AS TIMESTAMP)", zone)
    if family is not Family.TEXT:
        return "CAST(NULL AS TIMESTAMP)"
    naive = _in_utc(f"TRY_CAST({raw} AS TIMESTAMP)", zone)
    # The engine reads an offset only where no space is before it.
    close = rf"regexp_replace({raw}, ' ([+-])', '\1')"
    return (
        f"CASE WHEN {has_offset_sql(raw, family)} "
        f"THEN timezone('UTC', TRY_CAST({close} AS TIMESTAMP WITH TIME ZONE)) "
        f"WHEN regexp_full_match({raw}, '{ISO_DATE}({CLOCK})?') THEN {naive} END"
    )


def _in_utc(local: str, zone: str) -> str:
    return local if zone == "UTC" else f"timezone('UTC', timezone('{zone}', {local}))"


def _matching(raw: str, pattern: str, value: str) -> str:
    return f"CASE WHEN regexp_full_match({raw}, '{pattern}') THEN {value} END"
