"""`almanac keys`: make, list, rotate and revoke keys; read the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from commands.options import DEFAULT_PROJECT, OPERATIONS, ProjectFile
from commands.steps import open_project, open_terminal
from features.errors import InvalidRequest
from features.project import Project
from serving.access.scopes import Scope

KeyId = Annotated[str, typer.Argument(help="Its id, as `almanac keys list` tells it.")]

keys_app = typer.Typer(
    help="Who may ask the service what: make, list, rotate, revoke keys.", no_args_is_help=True
)


@keys_app.command(rich_help_panel=OPERATIONS)
def create(
    name: Annotated[str, typer.Option(help="Whose it is, for people.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeatable.")],
    expires_days: Annotated[int | None, typer.Option(min=1, help="It ends after so long.")] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            min=0, max=1_000_000, help="Its own limit, 0 for none; else that of [access]."
        ),
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Make a key and show it, this once; only its hash is kept."""
    from serving.access.keyfile import add_key
    from serving.access.keys import make_key
    from serving.access.settings import find_keys_file

    loaded, now = open_project(project), _now()
    key, text = make_key(
        name,
        tuple(scope),
        now,
        expires_days=expires_days,
        requests_per_minute=requests_per_minute,
    )
    add_key(find_keys_file(loaded), key)
    _audit(loaded, "key-created", key.key_id, now)
    _show(text)


@keys_app.command("list", rich_help_panel=OPERATIONS)
def list_keys(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """List every key that was made: its id, state, scopes and end, never the key."""
    from serving.access.keyfile import read_keys
    from serving.access.settings import find_keys_file

    terminal, now = open_terminal(), _now()
    keys = read_keys(find_keys_file(open_project(project)))
    for key in keys.values():
        ends = "never ends" if key.expires_at is None else f"ends {key.expires_at:%Y-%m-%d %H:%M}Z"
        limit = key.requests_per_minute
        pace = "usual limit" if limit is None else f"{limit} a minute" if limit else "no limit"
        words = (key.key_id, key.describe_state(now), " ".join(key.scopes), ends, pace, key.name)
        terminal.say("  ".join(words))
    if not keys:
        terminal.say("there are no keys: this machine may do everything, and no other is answered")


@keys_app.command(rich_help_panel=OPERATIONS)
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(min=0.0, max=24.0 * 90, help="How long the old one lives on.")
    ] = 24.0,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Give a key a new secret and show it, this once; the old one lives on for a while."""
    from serving.access.keyfile import change_key
    from serving.access.keys import rotate_key
    from serving.access.settings import find_keys_file

    loaded, now = open_project(project), _now()
    overlap = timedelta(hours=overlap_hours)
    text = change_key(find_keys_file(loaded), key_id, lambda key: rotate_key(key, now, overlap))
    _audit(loaded, "key-rotated", key_id, now)
    _show(text)


@keys_app.command(rich_help_panel=OPERATIONS)
def revoke(key_id: KeyId, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """End a key; every worker refuses it within a second."""
    import msgspec

    from serving.access.keyfile import change_key
    from serving.access.keys import Key
    from serving.access.settings import find_keys_file

    loaded, now = open_project(project), _now()

    def end(key: Key) -> tuple[Key, None]:
        if key.revoked_at is not None:
            raise InvalidRequest(f"key {key_id} was revoked on {key.revoked_at:%Y-%m-%d}")
        return msgspec.structs.replace(key, revoked_at=now), None

    change_key(find_keys_file(loaded), key_id, end)
    _audit(loaded, "key-revoked", key_id, now)
    open_terminal().say(f"revoked {key_id}")


@keys_app.command(rich_help_panel=OPERATIONS)
def audit(
    last: Annotated[int, typer.Option(min=1, help="How many lines, the newest last.")] = 20,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Show what was refused, erased and exported, and what was done with keys."""
    import msgspec

    from serving.access.callers import open_audit

    terminal = open_terminal()
    for entry in open_audit(open_project(project)).read_last(last):
        terminal.say(msgspec.json.encode(entry).decode())


def _audit(project: Project, action: str, key_id: str, now: datetime) -> None:
    from serving.access.audit import Entry
    from serving.access.callers import open_audit

    open_audit(project).write(Entry(now, action, key_id))


def _show(text: str) -> None:
    """Write the key alone to the output, so that it can be piped; words go beside it."""
    typer.echo("keep it now, it cannot be shown again:", err=True)
    typer.echo(text)


def _now() -> datetime:
    return datetime.now(UTC)
