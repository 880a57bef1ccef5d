# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the server holds of a room, read from its database between two commands, when nothing is half done."""

import json
import sqlite3
from pathlib import Path

EVENTS = """
SELECT e.event_id, e.outlier, r.event_id IS NOT NULL, j.internal_metadata
FROM events e JOIN event_json j USING (event_id) LEFT JOIN rejections r USING (event_id)
WHERE e.room_id = ? ORDER BY e.event_id
"""

STATE = """
SELECT type, state_key, event_id, COALESCE(membership = 'join', 0) FROM current_state_events WHERE room_id = ?
ORDER BY type, state_key
"""

# What an own user has done far away, such as knocking, is in no state that the server has.
MEMBERSHIP = """
SELECT event_id FROM current_state_events WHERE room_id = ?1 AND type = 'm.room.member' AND state_key = ?2
UNION ALL SELECT event_id FROM local_current_membership WHERE room_id = ?1 AND user_id = ?2 LIMIT 1
"""

# Something is still to be sent to a server, now or when its pause ends. What is meant for a server that took
# nothing yet is in memory alone: after a crash nobody means to send it any more.
UNSENT = """
SELECT 1 FROM destination_rooms r JOIN destinations d USING (destination)
WHERE r.stream_ordering > d.last_successful_stream_ordering LIMIT 1
"""

# What was taken and is not judged yet; rooms whose state is still being fetched.
UNJUDGED = "SELECT 1 FROM federation_inbound_events_staging LIMIT 1"
PARTIAL = "SELECT 1 FROM partial_state_rooms LIMIT 1"


class Holdings:
    """Reads Synapse's database beside it."""

    def __init__(self, database: Path, server_name: str) -> None:
        self._database = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
        self._suffix = f":{server_name}"
        self._told: set[str] = set()
        # Rooms of partial state are younger than some releases.
        tables = self._column("SELECT name FROM sqlite_master WHERE name = 'partial_state_rooms'")
        self._unfinished = [UNSENT, UNJUDGED] + [PARTIAL] * len(tables)

    def unfinished(self) -> bool:
        """Whether the database knows of work that is still to be done."""
        return any(self._database.execute(query).fetchone() for query in self._unfinished)

    def membership(self, room: str, user: str) -> str | None:
        """The event by which a user stands to a room."""
        found = self._database.execute(MEMBERSHIP, (room, user)).fetchone()
        return found[0] if found else None

    def version(self) -> int:
        """Another number after each transaction of the server that wrote something."""
        return self._database.execute("PRAGMA data_version").fetchone()[0]

    def tell(self, room: str, pdus: str | list) -> dict:
        """All of the room but whether the server is at rest."""
        state = self._database.execute(STATE, (room,)).fetchall()
        events = [
            [event, standing(outlier, rejected, json.loads(metadata))]
            for event, outlier, rejected, metadata in self._database.execute(EVENTS, (room,))
        ]
        backward = self._ids(
            "SELECT DISTINCT event_id FROM event_backward_extremities WHERE room_id = ?", room
        )
        told = {
            "room_id": room,
            "joined": any(
                joined and kind == "m.room.member" and key.endswith(self._suffix)
                for kind, key, _, joined in state
            ),
            "events": events,
            "waiting": self._ids(
                "SELECT event_id FROM federation_inbound_events_staging WHERE room_id = ?", room
            ),
            "missing": backward,
            "forward_extremities": self._ids(
                "SELECT event_id FROM event_forward_extremities WHERE room_id = ?", room
            ),
            "backward_extremities": backward,
            "state": [[kind, key, event] for kind, key, event, _ in state],
        }
        if pdus != "none":
            told["pdus"] = self._pdus([event for event, _ in events], pdus)
        return told

    def _pdus(self, held: list[str], wanted: str | list) -> dict:
        if isinstance(wanted, list):
            held = [event for event in held if event in set(wanted)]
        elif wanted == "new":
            held = [event for event in held if event not in self._told]
        self._told.update(held)
        query = "SELECT json FROM event_json WHERE event_id = ?"
        return {event: pdu(*self._database.execute(query, (event,)).fetchone()) for event in held}

    def _ids(self, query: str, room: str) -> list[str]:
        return sorted(self._column(query, room))

    def _column(self, query: str, *arguments: str) -> list[str]:
        return [value for (value,) in self._database.execute(query, arguments)]


def standing(outlier: bool, rejected: bool, metadata: dict) -> str:
    """How the server stands to an event."""
    if rejected:
        return "rejected"
    if outlier:
        return "outlier"
    return "soft_failed" if metadata.get("soft_failed") else "accepted"


def pdu(stored: str) -> dict:
    """An event as other servers see it: what is kept beside it under `unsigned` is the server's own."""
    event = json.loads(stored)
    event.pop("unsigned", None)
    # See `lines.in_order`.
    event["signatures"] = dict(sorted(event["signatures"].items()))
    return event
