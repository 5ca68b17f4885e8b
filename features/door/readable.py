"""Whether a source is there and may be read, without reading it."""

from __future__ import annotations

from features.door.databases import check_database
from features.door.sources import PACKAGE, find_files, list_texts
from features.errors import SourceError
from features.project import Project, TableSettings


def check_readable(project: Project, settings: TableSettings) -> str:
    """Open every file, and look every database table up, that a canonical table is read from.

    Returns
    -------
    str
        What it is, in words.

    Raises
    ------
    SourceError
        If something is not there or may not be read.
    """
    said = []
    for text in list_texts(project, settings):
        if "://" in text and not text.startswith(PACKAGE):
            url, _, table = text.partition("#")
            said.append(check_database(url, table or settings.table or "", project.resolve))
            continue
        files = find_files(project, text)
        for file in files:
            try:
                with file.open("rb") as opened:
                    opened.read(1)
            except OSError as error:
                raise SourceError(f"{file}: cannot be read: {error.strerror}") from None
        said.append(files[0].name if len(files) == 1 else f"{len(files)} files of {text}")
    return f"{', '.join(said)} can be read" if said else "a query over no source"
