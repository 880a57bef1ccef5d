# SPDX-License-Identifier: AGPL-3.0-or-later
"""The two pipes: commands in, lines out, one JSON object each."""

import base64
import json
import os
from typing import Any


class Lines:
    """Reads commands and says lines. What is said is out of the process when `say` returns."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = os.fdopen(source, "rb", buffering=1 << 20)
        self._sink = sink
        self.said = 0

    def command(self) -> dict | None:
        """The next command; nothing when there will be none."""
        line = self._source.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def say(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"say": kind, **fields}, separators=(",", ":")).encode() + b"\n"
        self.said += 1
        while line:
            line = line[os.write(self._sink, line) :]


def body_fields(body: bytes) -> dict:
    """How a body stands in a line."""
    if not body:
        return {}
    try:
        return {"body": in_order(body).decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def in_order(body: bytes) -> bytes:
    """A body whose bytes are the same in every process.

    Recent releases keep the signatures of an event in a hash table of Rust's, whose order is drawn from the
    operating system anew in each process. What is signed and hashed is canonical JSON: there the order makes
    no difference.
    """
    if b'"signatures"' not in body:
        return body
    try:
        ordered = json.dumps(json.loads(body), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return ordered.encode()
    except ValueError:
        return body


def body_of(command: dict) -> bytes:
    """The body that a command carries."""
    if "body_base64" in command:
        return base64.b64decode(command["body_base64"], validate=True)
    return command.get("body", "").encode()
