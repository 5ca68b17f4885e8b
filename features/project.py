"""The project file, `almanac.toml`: where the data is, what its columns mean, where results go.

Each room reads its own section with a pydantic model of its own (`Project.section`); this module
owns `[project]`, `[sources]` and `[tables.*]`, and knows the names of the others only to refuse a
misspelt one.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from features.errors import ProjectError
from features.schema import TABLES

SECTIONS = (
    "project",
    "sources",
    "tables",
    "features",
    "demand",
    "stock",
    "promotion",
    "campaign",
    "customers",
    "decisions",
    "insight",
    "tracking",
    "monitor",
    "serving",
    "access",
    "challenger",
)

Section = TypeVar("Section", bound="Settings")


class Settings(BaseModel):
    """A section of the project file: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProjectSettings(Settings):
    """`[project]`: what holds for all of it."""

    name: str = Field(default="almanac", pattern=r"^[^/:\x00-\x1f]+$")
    """Also names the runs and registered models in MLflow, which allow no / and no colon."""
    workspace: Path = Path(".almanac")
    time_zone: str = "UTC"
    country: str = ""
    subdivision: str = ""
    seed: int = 7
    threads: int = Field(default=2, ge=1)
    memory_limit: str = "2GB"

    @field_validator("time_zone")
    @classmethod
    def _is_iana(cls, name: str) -> str:
        return _check_zone(name)


class TableSettings(Settings):
    """`[tables.NAME]`: a canonical table, by column names or by a query over `[sources]`."""

    path: str | None = None
    url: str | None = None
    table: str | None = None
    sql: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, str | float | bool] = Field(default_factory=dict)
    naive_time_zone: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    """How text writes 1.5; with a comma, points and blanks may stand between thousands."""
    date_format: str = ""
    """How text writes a date, as %d.%m.%Y; a clock may follow. By default ISO 8601."""
    on_duplicate: Literal["error", "sum"] = "error"
    regressors: dict[str, str] = Field(default_factory=dict)
    """Of sales: further columns that demand may depend on, ours = theirs."""
    returns: Literal["refuse", "separate"] = "refuse"
    """Of sales: whether negative units are an error or go to `returned_units`."""

    @field_validator("naive_time_zone")
    @classmethod
    def _is_iana(cls, name: str | None) -> str | None:
        return None if name is None else _check_zone(name)

    @field_validator("date_format")
    @classmethod
    def _is_date_format(cls, form: str) -> str:
        day = datetime(2023, 11, 28)  # noqa: DTZ001 - only written and read back
        try:
            is_whole = not form or datetime.strptime(day.strftime(form), form) == day  # noqa: DTZ007
        except ValueError:
            is_whole = False
        if not is_whole:
            raise ValueError("expected day, month and year, such as %d.%m.%Y or %m/%d/%Y")
        return form

    @model_validator(mode="after")
    def _has_one_source(self) -> TableSettings:
        given = [key for key in ("path", "url", "sql") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of path, url or sql is needed, got {given or 'none'}")
        if (self.url is None) != (self.table is None):
            raise ValueError("url and table go together: the database and the table to read in it")
        return self


@dataclass(frozen=True)
class Workspace:
    """The folders that Almanac writes, all below one root."""

    root: Path

    @property
    def tables(self) -> Path:
        """Canonical tables, one Parquet file each."""
        return self.root / "tables"

    @property
    def datasets(self) -> Path:
        """Feature sets built as of a cut-off."""
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        """What the last training and backtest of each model left behind for the report."""
        return self.root / "runs"

    @property
    def published(self) -> Path:
        """Immutable champions and the pointers to them: all that serving ever reads."""
        return self.root / "published"

    @property
    def tracking(self) -> Path:
        """The MLflow database and its artifacts."""
        return self.root / "mlflow"

    @property
    def omnichannel(self) -> Path:
        """What `almanac report omnichannel` found, in numbers; serving reads it."""
        return self.root / "insight" / "omnichannel.json"

    def table(self, name: str) -> Path:
        """Return where the canonical table `name` lies."""
        return self.tables / f"{name}.parquet"


@dataclass(frozen=True)
class Project:
    """A project file, read and checked."""

    path: Path
    settings: ProjectSettings
    sources: dict[str, str]
    tables: dict[str, TableSettings]
    raw: dict[str, Any]

    @property
    def workspace(self) -> Workspace:
        """The folders that results go to."""
        return Workspace(self.resolve(str(self.settings.workspace)))

    def resolve(self, path: str) -> Path:
        """Return `path` relative to the folder of the project file."""
        return (self.path.parent / Path(path).expanduser()).resolve()

    def section(self, name: str, model: type[Section]) -> Section:
        """Read the section `name` as `model`.

        Raises
        ------
        ProjectError
            Naming the file, the key, what was expected and what was there.
        """
        return _validate(model, self.raw.get(name, {}), self.path, name)


def load_project(path: Path) -> Project:
    """Read and check a project file.

    Raises
    ------
    ProjectError
        If it is not there, is not TOML, or holds a key that is not known or not of its type.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(
            f"{path}: no project file here. "
            "Write one with `almanac init --sales FILE.csv` or name it with --project."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: not valid TOML: {error}") from None
    _check_names(raw, SECTIONS, path, "section")
    tables = raw.get("tables", {})
    _check_names(tables, tuple(TABLES), path, "table")
    return Project(
        path=path.resolve(),
        settings=_validate(ProjectSettings, raw.get("project", {}), path, "project"),
        sources=raw.get("sources", {}),
        tables={
            name: _validate(TableSettings, value, path, f"tables.{name}")
            for name, value in tables.items()
        },
        raw=raw,
    )


def _validate(model: type[Section], value: Any, path: Path, section: str) -> Section:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = ""
        if first["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(key, list(model.model_fields), n=1, cutoff=0.0)
            hint = f" There is no such key; nearest: '{nearest[0]}'." if nearest else ""
        got = "" if isinstance(first.get("input"), dict) else f", got {first.get('input')!r}"
        where = f"[{section}]" + (f" {key}" if key else "")
        raise ProjectError(f"{path}: {where}: {first['msg']}{got}.{hint}") from None


def _check_names(given: dict[str, Any], known: tuple[str, ...], path: Path, kind: str) -> None:
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ProjectError(f"{path}: {kind} [{name}] is not known; nearest: [{nearest[0]}].")


def _check_zone(name: str) -> str:
    if name not in available_timezones():
        nearest = difflib.get_close_matches(name, available_timezones(), n=1, cutoff=0.0)
        raise ValueError(f"not an IANA time zone; nearest: '{nearest[0]}'")
    return ZoneInfo(name).key
