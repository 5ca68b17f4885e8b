"""Every error that Almanac raises on purpose, in one tree.

::

    AlmanacError                  refused, with a reason a user can act on
    ├── ProjectError              almanac.toml is wrong
    ├── SourceError               a file or database cannot be read
    ├── TableError                a table is not what the schema says
    │   ├── MissingColumn
    │   ├── WrongType
    │   ├── AmbiguousTime         a timestamp without a zone, or zones mixed
    │   ├── OutOfRange
    │   ├── DuplicateKey
    │   ├── UnknownReference      an id that the table it points to does not hold
    │   └── EmptyTable
    ├── NotEnoughData             too little history for what was asked
    ├── UnknownName               a region, product, channel or level that does not exist
    ├── InvalidRequest            what was asked for cannot be, whatever the data
    ├── NotTrained                no run, model or champion yet
    ├── FeatureError              a feature is declared wrongly, or cannot be read as asked
    ├── ArtifactError             a saved model is damaged or of another format
    └── GateRefused               a challenger did not pass the promotion gates
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlmanacError(Exception):
    """Root of the tree; the command line turns it into exit code 1 and its message."""


class ProjectError(AlmanacError):
    """The project file cannot be used."""


class SourceError(AlmanacError):
    """A file, package resource or database cannot be read."""


class TableError(AlmanacError):
    """A table is not what the schema says.

    Parameters
    ----------
    table : str
        Canonical table name.
    source : str
        File or database the rows came from, as the user wrote it.
    column : str
        The user's column where it is known, else the canonical one.
    row : int or None
        1-based data row in the source; None when the problem is not in one row.
    expected, got, fix : str
        What the schema wants, what was there, and what to do about it.
    """

    def __init__(
        self,
        table: str,
        source: str,
        column: str,
        *,
        expected: str,
        got: str,
        fix: str,
        row: int | None = None,
    ) -> None:
        self.table, self.source, self.column, self.row = table, source, column, row
        self.expected, self.got, self.fix = expected, got, fix
        where = (
            f"{source}"
            + (f", row {row}" if row is not None else "")
            + (f", column '{column}'" if column else "")
        )
        super().__init__(f"{table}: {where}: expected {expected}, got {got}. {fix}")


class MissingColumn(TableError):
    """A required column is not there."""


class WrongType(TableError):
    """A value cannot be read as its column's type."""


class AmbiguousTime(TableError):
    """A timestamp has no zone and none is declared, or zones are mixed."""


class OutOfRange(TableError):
    """A value lies outside what its column allows."""


class DuplicateKey(TableError):
    """Two rows share a key that must be unique."""


class UnknownReference(TableError):
    """A row points to an id that its table does not hold."""


class EmptyTable(TableError):
    """A source holds no rows."""


class NotEnoughData(AlmanacError):
    """There is too little history for what was asked."""


class UnknownName(AlmanacError):
    """A name is not known; the message offers the nearest one.

    Parameters
    ----------
    kind : str
        What was looked up: 'region', 'product', 'channel', 'level'.
    name : str
        What was asked for.
    known : iterable of str
        All names of that kind.

    Examples
    --------
    >>> raise UnknownName("region", "Nrth", ["North", "South"])
    Traceback (most recent call last):
    ...
    features.errors.UnknownName: region 'Nrth' is not known; nearest: 'North'
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
        hint = f"; nearest: '{nearest[0]}'" if nearest else f"; there is no {kind} yet"
        super().__init__(f"{kind} '{name}' is not known{hint}")


class InvalidRequest(AlmanacError):
    """What was asked for cannot be, whatever the data: a window, a time of day, a number."""


class NotTrained(AlmanacError):
    """What was asked for has not been trained or promoted yet."""


class FeatureError(AlmanacError):
    """A feature is declared wrongly, or cannot be read as asked."""


class ArtifactError(AlmanacError):
    """A saved model is damaged, incomplete or of another format."""


class GateRefused(AlmanacError):
    """A challenger did not pass the promotion gates."""
