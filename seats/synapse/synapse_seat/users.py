# SPDX-License-Identifier: AGPL-3.0-or-later
"""What users do, put to Synapse's client API as an application service may, in the name of any user."""

import itertools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from . import server
from .wire import Inbound

# Old releases know no other, and new ones still do.
API = "/_matrix/client/r0"

# `/messages` gives no more at once.
MOST_OF_A_PAGE = 1000


class Refused(Exception):
    """Synapse did not do what a user wanted."""

    def __init__(self, status: int, answer: dict) -> None:
        super().__init__(answer.get("error") or f"the answer was {status}")
        self.fields = {"status": status, "errcode": answer.get("errcode", "")}


# What a deed does next: requests are yielded, their answers come back, and what is returned is what is said
# of it.
Request = tuple[str, str, dict | None]
Steps = Any


class Users:
    """Does deeds, one request after the other, and says when they are done."""

    def __init__(
        self,
        server_name: str,
        inbound: Inbound,
        membership: Callable[[str, str], str | None],
        said: Callable[[int, dict | Refused], None],
    ) -> None:
        self._inbound = inbound
        self._membership = membership
        self._said = said
        self._token = server.token(server_name)
        self._known: set[str] = set()
        self._transactions = itertools.count(1)
        self.open = 0

    def do(self, number: int, deed: dict) -> None:
        """Begins with a deed."""
        self.open += 1
        self._go_on(number, deed["by"], self._steps(deed), None)

    def _steps(self, deed: dict) -> Steps:
        user = deed["by"]
        if user not in self._known:
            localpart = user[1:].partition(":")[0]
            body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
            try:
                yield "POST", f"{API}/register", body
            except Refused as refused:
                # So it is after a restart.
                if refused.fields["errcode"] != "M_USER_IN_USE":
                    raise
            self._known.add(user)
        return (yield from DEEDS[deed["deed"]](self, deed))

    def _go_on(self, number: int, user: str, steps: Steps, answer: Any) -> None:
        try:
            request = steps.throw(answer) if isinstance(answer, Refused) else steps.send(answer)
        except StopIteration as end:
            self.open -= 1
            self._said(number, end.value or {})
            return
        except Refused as refused:
            self.open -= 1
            self._said(number, refused)
            return
        method, uri, body = request
        headers = [
            ["Host", "seat"],
            ["Authorization", f"Bearer {self._token}"],
            ["Content-Type", "application/json"],
        ]
        # Registering is the one thing that the service does in its own name.
        if uri != f"{API}/register":
            uri += ("&" if "?" in uri else "?") + urlencode({"user_id": user})

        def answered(status: int, _headers: list, text: bytes) -> None:
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = {"error": text.decode("utf-8", "replace")}
            self._go_on(number, user, steps, parsed if status == 200 else Refused(status, parsed))

        self._inbound.put(method, uri, headers, b"" if body is None else json.dumps(body).encode(), answered)

    # --- Deeds.

    def create_room(self, deed: dict) -> Steps:
        initial = [
            {"type": kind, "state_key": "", "content": {key: deed[key]}}
            for kind, key in (
                ("m.room.join_rules", "join_rule"),
                ("m.room.history_visibility", "history_visibility"),
            )
            if key in deed
        ]
        body = {
            "preset": "private_chat",
            "visibility": "private",
            "room_version": deed["room_version"],
            "power_level_content_override": deed.get("power_levels", {}),
            "initial_state": initial,
        }
        answer = yield "POST", f"{API}/createRoom", body
        return {"room_id": answer["room_id"]}

    def join(self, deed: dict) -> Steps:
        yield "POST", f"{API}/join/{quote(deed['room_id'], '')}{self._via(deed)}", self._reason(deed)
        return self._made(deed, deed["by"])

    def knock(self, deed: dict) -> Steps:
        yield "POST", f"{API}/knock/{quote(deed['room_id'], '')}{self._via(deed)}", self._reason(deed)
        return self._made(deed, deed["by"])

    def leave(self, deed: dict) -> Steps:
        yield "POST", f"{self._room(deed)}/leave", self._reason(deed)
        return self._made(deed, deed["by"])

    def towards(self, deed: dict) -> Steps:
        body = {"user_id": deed["user_id"], **self._reason(deed)}
        yield "POST", f"{self._room(deed)}/{deed['deed']}", body
        return self._made(deed, deed["user_id"])

    def send(self, deed: dict) -> Steps:
        kind = quote(deed["type"], "")
        if "state_key" in deed:
            uri = f"{self._room(deed)}/state/{kind}/{quote(deed['state_key'], '')}"
        else:
            uri = f"{self._room(deed)}/send/{kind}/{next(self._transactions)}"
        answer = yield "PUT", uri, deed["content"]
        return {"event_id": answer["event_id"]}

    def redact(self, deed: dict) -> Steps:
        event = quote(deed["event_id"], "")
        uri = f"{self._room(deed)}/redact/{event}/{next(self._transactions)}"
        answer = yield "PUT", uri, self._reason(deed)
        return {"event_id": answer["event_id"]}

    def scroll_back(self, deed: dict) -> Steps:
        pages, limit, seen, complete = deed.get("pages"), min(deed["limit"], MOST_OF_A_PAGE), 0, False
        place: dict = {}
        for page in itertools.count():
            if pages is not None and page >= pages:
                break
            answer = yield (
                "GET",
                f"{self._room(deed)}/messages?{urlencode({'dir': 'b', 'limit': limit, **place})}",
                None,
            )
            seen += len(answer["chunk"])
            if "end" not in answer:
                complete = True
                break
            place = {"from": answer["end"]}
        return {"events": seen, "complete": complete}

    def _made(self, deed: dict, user: str) -> dict:
        """The API doesn't say which event a change of membership made."""
        event = self._membership(deed["room_id"], user)
        return {"event_id": event} if event else {}

    @staticmethod
    def _room(deed: dict) -> str:
        return f"{API}/rooms/{quote(deed['room_id'], '')}"

    @staticmethod
    def _via(deed: dict) -> str:
        # Releases differ in which of the two they read.
        servers = deed.get("via", [])
        return "?" + urlencode([(name, server) for server in servers for name in ("server_name", "via")])

    @staticmethod
    def _reason(deed: dict) -> dict:
        return {"reason": deed["reason"]} if "reason" in deed else {}


DEEDS: dict[str, Callable[[Users, dict], Steps]] = {
    "create_room": Users.create_room,
    "join": Users.join,
    "knock": Users.knock,
    "leave": Users.leave,
    "invite": Users.towards,
    "kick": Users.towards,
    "ban": Users.towards,
    "unban": Users.towards,
    "send": Users.send,
    "redact": Users.redact,
    "scroll_back": Users.scroll_back,
}
