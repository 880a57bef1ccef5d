# SPDX-License-Identifier: AGPL-3.0-or-later
"""One server in its place: does what commands say, from `hello` to `stop`."""

import os
import signal
from pathlib import Path
from typing import Any

from . import PROTOCOL, chance, holdings, server, template
from .clock import pool, reactor
from .lines import Lines, body_fields, body_of
from .users import DEEDS, Refused, Users
from .wire import Inbound, Outbound

TELLS = ["joined", "events", "waiting", "missing", "state", "idle", "pdus"]
TELLS += ["forward_extremities", "backward_extremities"]
OPTIONS = ["back_off_ms", "key_validity_ms", "software"]


class Wrong(Exception):
    """A command that can't be carried out."""


class Seat:
    """Synapse, and the pipe that leads to it."""

    def __init__(self, lines: Lines, hello: dict, prepared: Path) -> None:
        if hello.get("do") != "hello":
            raise Wrong("the first command is `hello`")
        if hello["protocol"] != PROTOCOL:
            raise Wrong(f"this seat speaks version {PROTOCOL} of the protocol")
        self._lines = lines
        chance.reseed(hello["chance"])
        reactor.set_time(hello["now"], hello["wall"])

        folder, name = Path(hello["folder"]), hello["server_name"]
        database, service = folder / "homeserver.db", folder / "users.yaml"
        if not database.exists():
            template.copy(prepared, database)
        service.write_text(server.service_file(name))
        homeserver = server.build(server.configuration(hello, database, service))
        self._outbound = Outbound(lines)
        homeserver.get_federation_http_client().agent = self._outbound
        # What it says when it starts comes after who it is.
        lines.say(
            "hello",
            protocol=PROTOCOL,
            software={"name": "Synapse", "version": server.VERSION},
            room_versions=server.room_versions(),
            deeds=sorted(DEEDS),
            tells=TELLS,
            options=OPTIONS,
            commands=["clock", "fuse"],
            pid=os.getpid(),
        )
        server.run(homeserver)
        self._inbound = Inbound()
        self._holdings = holdings.Holdings(database, name)
        self._users = Users(name, self._inbound, self._holdings.membership, self._did)
        # Nothing but Synapse's own metrics tells how much waits in memory for other servers.
        self._queues = homeserver.get_federation_sender()._per_destination_queues

    def obey(self, command: dict) -> bool:
        """Carries a command out and ends its reply; whether there may be another."""
        name = command["do"]
        if name == "stop":
            self._lines.say("done", id=command["id"], now=reactor.now, next_due=None, busy=False)
            return False
        if name not in COMMANDS:
            raise Wrong(f"there is no command `{name}`")
        COMMANDS[name](self, command)
        reactor.settle()
        self.done(command)
        return True

    def done(self, command: dict) -> None:
        """The end of a reply."""
        self._lines.say(
            "done", id=command["id"], now=reactor.now, next_due=reactor.next_due(), busy=self._busy()
        )

    def _busy(self) -> bool:
        open_here = self._inbound.open or self._outbound.open or self._users.open
        queued = any(queue.pending_pdu_count() for queue in self._queues.values())
        return bool(open_here) or queued or self._holdings.unfinished()

    # --- Commands.

    def _advance(self, command: dict) -> None:
        said = self._lines.said
        reactor.advance(command["to"], lambda: self._lines.said > said)

    def _deliver(self, command: dict) -> None:
        number = command["request"]

        def answered(status: int, headers: list, body: bytes) -> None:
            self._lines.say("answer", request=number, status=status, headers=headers, **body_fields(body))

        self._inbound.put(command["method"], command["uri"], command["headers"], body_of(command), answered)

    def _answer(self, command: dict) -> None:
        self._outbound.answer(command["ask"], command["status"], command["headers"], body_of(command))

    def _fail(self, command: dict) -> None:
        self._outbound.fail(command["ask"], command["why"])

    def _user(self, command: dict) -> None:
        if command["deed"] not in DEEDS:
            raise Wrong(f"users can't `{command['deed']}`")
        self._users.do(command["id"], command)

    def _did(self, number: int, result: dict | Refused) -> None:
        if isinstance(result, Refused):
            self._lines.say("failed", deed=number, reason=str(result), **result.fields)
        else:
            self._lines.say("did", deed=number, **result)

    def _tell(self, command: dict) -> None:
        told = self._holdings.tell(command["room_id"], command.get("pdus", "none"))
        self._lines.say("holds", **told, idle=not self._busy())

    def _clock(self, command: dict) -> None:
        reactor.set_time(reactor.now, command["wall"])

    def _fuse(self, command: dict) -> None:
        """The power is gone after so many more writes."""
        left, version = command["writes"], self._holdings.version()

        def worked() -> None:
            nonlocal left, version
            seen = self._holdings.version()
            if seen != version:
                left, version = left - 1, seen
                if left <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        pool.worked = worked


COMMANDS: dict[str, Any] = {
    "advance": Seat._advance,
    "deliver": Seat._deliver,
    "answer": Seat._answer,
    "fail": Seat._fail,
    "user": Seat._user,
    "tell": Seat._tell,
    "clock": Seat._clock,
    "fuse": Seat._fuse,
}
