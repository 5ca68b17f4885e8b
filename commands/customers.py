"""The command line of live customers: ingest, dead letters, identity, erasure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import DEFAULT_PROJECT, OPERATIONS, ProjectFile
from commands.steps import open_project, open_terminal
from features.errors import InvalidRequest
from features.project import Project

if TYPE_CHECKING:
    from serving.customers.store import CustomerStore

Name = Annotated[str, typer.Argument(help="Any identifier: kind:value, or the value alone.")]

identity_app = typer.Typer(help="Who is who: look, split, join, review.", no_args_is_help=True)


def ingest(
    files: Annotated[
        list[Path] | None, typer.Argument(help="JSON lines of messages; .gz is read, too.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Take in what the canonical tables hold, once.")
    ] = False,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Take messages of a customer-data platform in; what was stopped goes on where it ended."""
    from serving.customers.files import ingest_file
    from serving.customers.history import ingest_history

    if not files and not history:
        raise typer.BadParameter("name one file or more, or give --history")
    terminal = open_terminal()
    with _open(project) as (loaded, store):
        if history:
            for table, rows in ingest_history(store, loaded, terminal).items():
                terminal.say(f"{table}: {rows:,} messages taken")
        for path in files or []:
            terminal.say(ingest_file(store, path, _now(), terminal).describe())
        waiting = _count(store)
    if waiting:
        terminal.say(f"{waiting:,} dead letters wait: almanac dead-letters")


def dead_letters(
    replay: Annotated[
        bool, typer.Option("--replay", help="Send them again, as after a mend of the settings.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Only those rejected for this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Show what was rejected and why, or send it again."""
    from serving.customers.dead_letters import count_dead_letters, read_dead_letters
    from serving.customers.replay import replay_letters

    terminal = open_terminal()
    with _open(project) as (_, store):
        if replay:
            counts = replay_letters(store, reason)
            terminal.say(
                f"{counts['accepted']:,} accepted, {counts['duplicate']:,} known before, "
                f"{counts['rejected']:,} rejected again"
            )
            return
        for why, n in count_dead_letters(store.session).items():
            terminal.say(f"{n:>9,}  {why}")
        for letter in read_dead_letters(store.session, reason=reason, limit=limit):
            where = f" at {letter.pointer}" if letter.pointer else ""
            terminal.say(
                f"#{letter.letter} {letter.source} {letter.reason}{where}: {letter.detail}"
            )


def erase(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Forget a customer for ever: events, profile, identity, dead letters; then run purge."""
    from serving.access.audit import Entry
    from serving.access.callers import open_audit

    with _open(project) as (loaded, store):
        if not yes:
            typer.confirm("Forget this customer for ever?", abort=True)
        erased = store.erase(name, _now())
        open_audit(loaded).write(Entry(datetime.now(UTC), "erasure"))
    told = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in erased.counts.items() if n)
    open_terminal().say(f"erased: {told}. Next: almanac purge, which cleans the files")


@identity_app.command(rich_help_panel=OPERATIONS)
def show(name: Name, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Show a person's identifiers, the merges that made them, and what was decided why."""
    terminal = open_terminal()
    with _open(project) as (_, store):
        root = store.find(name)
        for kind, value in store.people.find_members(store.session, root):
            terminal.say(f"{kind}: {value}")
        within = "SELECT node FROM nodes WHERE root = ?"
        for edge, node, other, cause in store.session.rows(
            "SELECT edge, node, other, cause FROM edges WHERE is_apart = 0 "
            f"AND node IN ({within}) ORDER BY edge",
            (root,),
        ):
            terminal.say(f"merge {edge}: {node} and {other}, by {cause}")
        for action, kind, value, cause in store.session.rows(
            f"SELECT action, kind, value, cause FROM audit WHERE node IN ({within}) ORDER BY entry",
            (root,),
        ):
            what = f" {kind} {value}" if kind else ""
            terminal.say(f"{action}{what}: {cause}")


@identity_app.command(rich_help_panel=OPERATIONS)
def split(
    merge: Annotated[int, typer.Argument(help="Its number, as `identity show` tells it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Take a merge back: both histories are as before, and stay apart."""
    with _open(project) as (_, store):
        roots = store.split(merge, _now(), f"steward: {reason}")
    open_terminal().say(f"split into {len(roots)} people: {', '.join(map(str, roots))}")


@identity_app.command(rich_help_panel=OPERATIONS)
def propose(
    threshold: Annotated[
        float | None, typer.Option(min=0.5, max=1.0, help="Else what the project file says.")
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Let Splink propose who could be one person; nobody is joined by it."""
    from serving.customers.review import propose_people

    terminal = open_terminal()
    with _open(project) as (_, store):
        n = propose_people(store, _now(), threshold=threshold)
    terminal.say(f"{n:,} proposals wait: almanac identity review")


@identity_app.command(rich_help_panel=OPERATIONS)
def review(
    accept: Annotated[
        list[int] | None, typer.Option(help="Number of a proposal to accept; repeatable.")
    ] = None,
    reject: Annotated[
        list[int] | None, typer.Option(help="Number of a proposal to reject; repeatable.")
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Accept or reject what was proposed, one by one; without options, asks."""
    from serving.customers.review import describe_proposal, judge_proposal, list_proposals

    terminal = open_terminal()
    with _open(project) as (_, store):
        proposals = {p.number: p for p in list_proposals(store)}
        chosen = {**dict.fromkeys(accept or [], True), **dict.fromkeys(reject or [], False)}
        for number, verdict in chosen.items():
            if number not in proposals:
                raise InvalidRequest(f"proposal {number}: there is none that waits")
            judge_proposal(store, proposals[number], _now(), is_accepted=verdict)
            terminal.say(f"{'accepted' if verdict else 'rejected'} {number}")
        if chosen:
            return
        for proposal in proposals.values():
            terminal.say(describe_proposal(store, proposal))
            answer = typer.prompt("one person? [y]es, [n]o, [s]kip, [q]uit", default="s")
            if answer.lower().startswith("q"):
                return
            if answer.lower()[:1] in ("y", "n"):
                is_accepted = answer.lower().startswith("y")
                judge_proposal(store, proposal, _now(), is_accepted=is_accepted)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Project, CustomerStore]]:
    from serving.customers.store import CustomerStore

    project = open_project(path)
    store = CustomerStore.open(project)
    try:
        yield project, store
    finally:
        store.close()


def _count(store: CustomerStore) -> int:
    from serving.customers.dead_letters import count_dead_letters

    return sum(count_dead_letters(store.session).values())


def _now() -> int:
    from serving.customers.person import to_microseconds_of

    return to_microseconds_of(datetime.now(UTC))
