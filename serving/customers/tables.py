"""The tables that live customers are kept in, and the canonical tables as views over them."""

from __future__ import annotations

from serving.customers.database import Database

ROW_COLUMNS = (
    "event_id", "occurred_at", "channel", "type", "region_id", "product_id", "order_id",
    "promotion_id", "message_id", "quantity", "value", "currency", "device_time_zone",
)  # fmt: skip
"""Of `event_rows`, as `features.segment.messages.EventRow` has them."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    # A node is what messages are attributed to, for ever; people are nodes that share a root.
    """CREATE TABLE IF NOT EXISTS nodes (
        node INTEGER PRIMARY KEY, root INTEGER NOT NULL, epoch INTEGER NOT NULL,
        created_at INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS nodes_by_root ON nodes (root)",
    """CREATE TABLE IF NOT EXISTS identifiers (
        kind TEXT NOT NULL, value TEXT NOT NULL, node INTEGER NOT NULL, first_at INTEGER NOT NULL,
        PRIMARY KEY (kind, value)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS identifiers_by_node ON identifiers (node)",
    """CREATE TABLE IF NOT EXISTS edges (
        edge INTEGER PRIMARY KEY, node INTEGER NOT NULL, other INTEGER NOT NULL,
        at INTEGER NOT NULL, cause TEXT NOT NULL, is_apart INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS edges_by_node ON edges (node)",
    "CREATE INDEX IF NOT EXISTS edges_by_other ON edges (other)",
    """CREATE TABLE IF NOT EXISTS event_rows (
        seq INTEGER PRIMARY KEY, node INTEGER NOT NULL, hash INTEGER NOT NULL,
        digest INTEGER NOT NULL, is_hidden INTEGER NOT NULL, received_at INTEGER NOT NULL,
        event_id TEXT NOT NULL, occurred_at INTEGER NOT NULL, channel TEXT, type TEXT NOT NULL,
        region_id TEXT, product_id TEXT, order_id TEXT, promotion_id TEXT, message_id TEXT,
        quantity REAL, value REAL, currency TEXT, device_time_zone TEXT)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS event_rows_by_hash ON event_rows (hash)",
    "CREATE INDEX IF NOT EXISTS event_rows_by_node ON event_rows (node, received_at)",
    # A page of a timeline is read from its end, by this alone; lines of orders stand within these.
    """CREATE INDEX IF NOT EXISTS event_rows_by_time ON event_rows (node, occurred_at, seq, channel)
        WHERE is_hidden = 0 AND type <> 'item'""",
    """CREATE INDEX IF NOT EXISTS event_rows_by_order ON event_rows (order_id)
        WHERE order_id IS NOT NULL""",
    """CREATE INDEX IF NOT EXISTS event_rows_by_message ON event_rows (message_id)
        WHERE message_id IS NOT NULL""",
    """CREATE TABLE IF NOT EXISTS order_changes (
        message_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, node INTEGER NOT NULL,
        kind TEXT NOT NULL, at INTEGER NOT NULL, amount REAL)""",
    "CREATE INDEX IF NOT EXISTS order_changes_by_order ON order_changes (order_id)",
    "CREATE INDEX IF NOT EXISTS order_changes_by_node ON order_changes (node)",
    """CREATE INDEX IF NOT EXISTS order_changes_by_time ON order_changes (node, at)
        WHERE kind <> 'complete'""",
    # What writes with an Idempotency-Key were answered, by keyed hashes; see `kept_answers`.
    """CREATE TABLE IF NOT EXISTS kept_answers (
        mark TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, token TEXT NOT NULL,
        until INTEGER NOT NULL, has_ids INTEGER NOT NULL, answer TEXT)""",
    "CREATE INDEX IF NOT EXISTS kept_answers_by_end ON kept_answers (until)",
    # What is left of a message that erased somebody, so that it does so once.
    "CREATE TABLE IF NOT EXISTS deletions (hash INTEGER PRIMARY KEY, at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS traits (
        node INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (node, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS consents (
        node INTEGER PRIMARY KEY, preferences TEXT NOT NULL, at INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS profiles (
        root INTEGER PRIMARY KEY, customer_id TEXT NOT NULL, is_personal INTEGER NOT NULL,
        consent TEXT, time_zone TEXT, region_id TEXT, created_at INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS profiles_by_customer ON profiles (customer_id)",
    """CREATE TABLE IF NOT EXISTS audit (
        entry INTEGER PRIMARY KEY, at INTEGER NOT NULL, action TEXT NOT NULL, node INTEGER,
        other INTEGER, kind TEXT, value TEXT, cause TEXT)""",
    "CREATE INDEX IF NOT EXISTS audit_by_node ON audit (node)",
    "CREATE INDEX IF NOT EXISTS audit_by_other ON audit (other)",
    "CREATE INDEX IF NOT EXISTS audit_by_identifier ON audit (kind, value)",
    """CREATE TABLE IF NOT EXISTS dead_letters (
        letter INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL,
        reason TEXT NOT NULL, detail TEXT NOT NULL, pointer TEXT, message_id TEXT, body TEXT,
        hash INTEGER NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_by_hash ON dead_letters (hash)",
    """CREATE TABLE IF NOT EXISTS dead_letter_marks (
        mark TEXT NOT NULL, letter INTEGER NOT NULL, PRIMARY KEY (mark, letter)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS dead_letter_marks_by_letter ON dead_letter_marks (letter)",
    """CREATE TABLE IF NOT EXISTS tombstones (
        mark TEXT PRIMARY KEY, erased_at INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS erasures (
        erasure INTEGER PRIMARY KEY, at INTEGER NOT NULL, customer_mark TEXT NOT NULL,
        counts TEXT NOT NULL, models TEXT NOT NULL, customer_id TEXT, files_at INTEGER)""",
    """CREATE TABLE IF NOT EXISTS proposals (
        node INTEGER NOT NULL, other INTEGER NOT NULL, probability REAL NOT NULL,
        reasons TEXT NOT NULL, at INTEGER NOT NULL, number INTEGER NOT NULL, verdict TEXT,
        judged_at INTEGER,
        PRIMARY KEY (node, other)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS files (
        digest TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL,
        position INTEGER NOT NULL, accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL,
        rejected INTEGER NOT NULL, at INTEGER NOT NULL)""",
)

_MESSAGE_TYPES = "('touch', 'open', 'click')"


def define_views(database: Database) -> tuple[str, ...]:
    """Return the statements that make the canonical `events`, `touches` and `customers` anew.

    Who has not agreed to be known is in them under a pseudonym, `person-` and a number, and so
    counts in aggregates only.

    An open or click of a message whose send was reported is in `touches`; without one it is an
    event.
    """
    moment = database.moment
    sent = (
        "SELECT 1 FROM event_rows s JOIN nodes m ON m.node = s.node WHERE "
        "s.message_id = e.message_id AND s.type = 'touch' AND s.is_hidden = 0 AND m.root = n.root"
    )
    shown = "e.is_hidden = 0"
    is_message = f"e.type IN {_MESSAGE_TYPES} AND e.message_id IS NOT NULL"
    # where a message was opened says as little of a home as where it was sent
    columns = ", ".join(
        f"CASE WHEN NOT ({is_message}) THEN e.{name} END AS {name}"
        if name in ("region_id", "device_time_zone")
        else f"e.{name}"
        for name in ROW_COLUMNS[2:]
    )
    events = (
        f"SELECT e.event_id, p.customer_id, {moment('e.occurred_at')} AS occurred_at, {columns} "
        "FROM event_rows e JOIN nodes n ON n.node = e.node JOIN profiles p ON p.root = n.root "
        f"WHERE {shown} AND NOT ({is_message} AND EXISTS ({sent}))"
    )

    def first(kind: str) -> str:
        return f"MIN(CASE WHEN e.type = '{kind}' THEN e.occurred_at END)"

    touches = (
        "SELECT e.message_id || '/' || n.root AS message_id, p.customer_id, "
        "MIN(CASE WHEN e.type = 'touch' THEN e.channel END) AS channel, "
        f"{moment(first('touch'))} AS sent_at, "
        "MIN(CASE WHEN e.type = 'touch' THEN e.promotion_id END) AS promotion_id, "
        f"CASE WHEN {first('open')} IS NOT NULL THEN {moment(first('open'))} END AS opened_at, "
        f"CASE WHEN {first('click')} IS NOT NULL THEN {moment(first('click'))} END AS clicked_at "
        "FROM event_rows e JOIN nodes n ON n.node = e.node JOIN profiles p ON p.root = n.root "
        f"WHERE {shown} AND {is_message} "
        f"GROUP BY e.message_id, n.root, p.customer_id HAVING {first('touch')} IS NOT NULL"
    )
    customers = (
        "SELECT customer_id, time_zone, CASE WHEN time_zone IS NOT NULL THEN 'stated' END "
        "AS time_zone_source, region_id, "
        # nothing is sent to a pseudonym: who it is has not agreed
        "CASE WHEN is_personal = 1 THEN consent ELSE 'none' END AS consent, "
        f"{moment('created_at')} AS created_at FROM profiles"
    )
    views = {"events": events, "touches": touches, "customers": customers}
    dropped = tuple(f"DROP VIEW IF EXISTS {name}" for name in views)
    return (*dropped, *(f"CREATE VIEW {name} AS {query}" for name, query in views.items()))
