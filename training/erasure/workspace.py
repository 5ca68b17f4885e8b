"""Erasing people from everything that Almanac wrote below a workspace, in one repeatable command.

Tables, datasets, decisions and evidence lose their rows; models lose what they keep of the people,
wherever a copy lies. Each file is replaced by one rename, so that a crash leaves it as it was or as
it shall be, and running it again does what is left. What the store of live customers holds is not
touched here.

Nothing else may write to the workspace meanwhile, as a training would carry people on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from features.errors import InvalidRequest, SourceError
from features.progress import Progress
from features.project import Project
from features.schema import TABLES
from training.erasure.bundles import SmallerBundle, erase_from_bundle, find_bundles
from training.erasure.registry import AffectedModel, is_server_used, tag_versions
from training.erasure.rows import CUSTOMER_COLUMNS, count_customers, is_row_file, write_without
from training.erasure.served import erase_from_served
from training.erasure.staging import (
    Staging,
    find_links_outside,
    find_partials,
    walk_files,
)
from training.erasure.table_notes import is_canonical, refresh_note

Files = tuple[tuple[Path, int], ...]


@dataclass(frozen=True)
class ErasureReport:
    """What was erased from files, and what must be done elsewhere.

    Attributes
    ----------
    files : tuple of (Path, int)
        Files that changed, with the rows removed from each.
    affected_models : tuple of AffectedModel
        Versions whose folder or tags changed.
    unread : tuple of Path
        Files and folders that could not be read, were being written, or are links out of the
        workspace: whether they hold an erased customer is not known.
    notes : tuple of str
        Sentences for whoever answers for the erasure.
    """

    files: Files
    affected_models: tuple[AffectedModel, ...]
    unread: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether no file of the workspace can hold an erased customer any more."""
        return not self.unread

    @property
    def rows(self) -> int:
        """Rows removed, over all files."""
        return sum(rows for _, rows in self.files)


def erase_from_workspace(
    project: Project, customers: Collection[str], progress: Progress, *, now: datetime
) -> ErasureReport:
    """Remove every row of some customers from the files of a workspace.

    Parameters
    ----------
    project : Project
    customers : collection of str
        Customer ids as the canonical tables hold them; ids nobody has change nothing.
    progress : Progress
    now : datetime
        Moment of the erasure, with a zone; written to the manifests of models and to MLflow.

    Returns
    -------
    ErasureReport

    Raises
    ------
    InvalidRequest
        If `customers` is one text, or `now` has no zone.
    ProjectError
        If `[tracking] uri` names an MLflow server that does not answer: files are done then, and
        the next call tags the versions.
    """
    if isinstance(customers, str):
        raise InvalidRequest("customers: expected several ids, got one text; put it into a list")
    if now.tzinfo is None:
        raise InvalidRequest("now: expected a moment with a zone, got one without; name its zone")
    wanted, root = frozenset(customers), project.workspace.root
    if not wanted or not root.is_dir():
        return ErasureReport((), (), (), ())
    staging = Staging(root)
    abandoned, busy = find_partials(root)
    for path in abandoned:
        staging.discard(path)
    models, unread_models = _erase_from_models(root, wanted, staging, progress, now)
    served, unread_served = erase_from_served(root, wanted, staging)
    files, unread = _erase_from_files(project, wanted, staging, progress)
    affected = _list_affected(models, tag_versions(project, find_bundles(root)))
    staging.close()
    of_models = tuple(
        (model.after.directory / name, rows) for model in models for name, rows in model.rows
    )
    lost = (*busy, *find_links_outside(root), *unread_models, *unread_served, *unread)
    notes = _build_notes(project, affected, lost)
    report = ErasureReport((*of_models, *served, *files), affected, lost, notes)
    progress.say(f"erased: {report.rows} rows from {len(report.files)} files")
    return report


def _erase_from_models(
    root: Path,
    customers: frozenset[str],
    staging: Staging,
    progress: Progress,
    now: datetime,
) -> tuple[list[SmallerBundle], list[Path]]:
    """Erase from every copy of every model; return those that changed and those not readable."""
    bundles = find_bundles(root)
    moment = now.astimezone(UTC).isoformat(timespec="seconds")
    moments = dict.fromkeys((bundle.digest for bundle in bundles), moment)
    # Where an erasure was cut short between copies of a model, the others become equal to the first
    moments |= {done["from"]: done["at"] for bundle in bundles for done in bundle.erasures}
    changed, unread = [], []
    for bundle in progress.track(bundles, "erasing from models"):
        try:
            smaller = erase_from_bundle(bundle, customers, staging, moments)
        except SourceError:
            unread.append(bundle.directory)
            continue
        if smaller is not None:
            changed.append(smaller)
    return changed, unread


def _erase_from_files(
    project: Project, customers: frozenset[str], staging: Staging, progress: Progress
) -> tuple[Files, list[Path]]:
    """Erase from every file that is of no model; return those that changed and those unreadable."""
    root = project.workspace.root
    of_models = {bundle.directory for bundle in find_bundles(root)}
    paths = [p for p in walk_files(root) if is_row_file(p) and p.parent not in of_models]
    changed, unread = [], []
    for path in progress.track(paths, "erasing from files"):
        try:
            rows = _erase_from_file(project, path, customers, staging)
        except SourceError:
            unread.append(path)
            continue
        if rows:
            changed.append((path, rows))
    return tuple(changed), unread


def _erase_from_file(
    project: Project, path: Path, customers: frozenset[str], staging: Staging
) -> int:
    rows, _ = count_customers(path, customers)
    if rows:
        smaller = staging.make_path()
        write_without(path, customers, smaller)
        if is_canonical(project, path):
            refresh_note(project, path, smaller, staging)
        smaller.replace(path)
    return rows


def _list_affected(
    models: Sequence[SmallerBundle], tagged: Sequence[AffectedModel]
) -> tuple[AffectedModel, ...]:
    published = [
        AffectedModel(model.before.kind, model.version, model.before.digest, model.after.digest)
        for model in models
        if model.version
    ]
    return tuple(dict.fromkeys([*tagged, *published]))


def _build_notes(
    project: Project, affected: Sequence[AffectedModel], unread: Sequence[Path]
) -> tuple[str, ...]:
    notes = [model.words for model in affected]
    notes += [
        f"[tables.{name}]: its source is not Almanac's and may still hold the customers; remove "
        "them there too, as the table is read from it again whenever it changes"
        for name in project.tables
        if any(column.name in CUSTOMER_COLUMNS for column in TABLES[name].columns)
    ]
    if affected:
        notes.append(
            "services that are running take the models without the customers over within seconds; "
            "/readyz tells if one was refused"
        )
    if is_server_used(project):
        notes.append(
            "[tracking] uri: models and evidence on this MLflow server are out of reach; remove "
            "versions that learned from the customers there, after training again"
        )
    notes += [
        f"{path}: cannot be read, is being written, or is a link out of the workspace; whether it "
        "holds an erased customer is not known. Wait for its writer, or remove it, then erase again"
        for path in unread
    ]
    notes.append(
        "results written outside the workspace (CSV, Parquet, HTML pages) and backups of it are "
        "out of reach; remove the customers there by hand"
    )
    return tuple(notes)
