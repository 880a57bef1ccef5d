# SPDX-License-Identifier: AGPL-3.0-or-later
"""A small simulated network of seats, for the tests: latency, cuts, kills, and a record of all that was said.

It stands in for Backfire, and needs nothing but Python. Servers are called by one letter, and their users
`@user:a`.
"""

import base64
import hashlib
import heapq
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SEAT = Path(__file__).resolve().parent.parent / "seat.py"
EPOCH = 1_700_000_000_000
LATENCY_MS = 20


def pythons() -> dict[str, str]:
    """The environments to test with: `SEAT_PYTHONS=1.163.2=/path/to/python,...`, or this one."""
    given = os.environ.get("SEAT_PYTHONS")
    if given:
        return dict(entry.split("=", 1) for entry in given.split(","))
    return {"here": sys.executable}


def text(data: bytes) -> str:
    """Unpadded base64."""
    return base64.b64encode(data).decode().rstrip("=")


class Gone(Exception):
    """The server's process is no more."""


# The arithmetic of Ed25519, for the one thing that only a homeserver can do otherwise: RFC 8032, section
# 5.1.5.
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
BASE_Y = 4 * pow(5, -1, P) % P
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202


def public_key(seed: bytes) -> bytes:
    """The public key of a seed."""

    def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        (x1, y1), (x2, y2) = a, b
        product = D * x1 * x2 * y1 * y2
        x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
        y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
        return x % P, y % P

    half = hashlib.sha512(seed).digest()[:32]
    scalar = int.from_bytes(half, "little") & ((1 << 254) - 8) | (1 << 254)
    sum_, power = (0, 1), (BASE_X, BASE_Y)
    while scalar:
        if scalar & 1:
            sum_ = add(sum_, power)
        power, scalar = add(power, power), scalar >> 1
    x, y = sum_
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Child:
    """One seat: a process, and the server in it."""

    # Where what both sides say is kept, if anybody wants it.
    overheard: list | None = None

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        command = [python, str(SEAT), *os.environ.get("SEAT_OPTIONS", "").split()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ids = itertools.count(1)
        self.lives = 0
        self.keys = 1
        self.old_keys: list[dict] = []
        self.skew = 0
        self.up = False
        self.commands = 0

    def hello(self, world: "World", folder: Path, options: dict) -> list[dict]:
        self.lives += 1
        self.up = True
        lines = self.command(
            "hello",
            protocol=1,
            server_name=self.name,
            key={"id": f"ed25519:k{self.keys}", "seed": text(self.seed())},
            old_keys=self.old_keys,
            now=world.now,
            wall=EPOCH + world.now + self.skew,
            chance=f"{world.seed}/{self.name}/{self.lives}",
            folder=str(folder),
            peers=[name for name in world.names if name != self.name],
            options=options,
        )
        self.told = lines[0]
        assert self.told["say"] == "hello", self.told
        return lines

    def seed(self) -> bytes:
        return hashlib.sha256(f"key {self.keys} of {self.name}".encode()).digest()

    def command(self, do: str, **fields: Any) -> list[dict]:
        """What the seat says upon a command, the end of the reply last."""
        self.commands += 1
        command = {"id": next(self.ids), "do": do, **fields}
        if self.overheard is not None:
            self.overheard.append(("Command", command))
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise Gone(f"{self.name} is gone")
            lines.append(json.loads(line))
            if self.overheard is not None:
                self.overheard.append(("Line", lines[-1]))
            kind = lines[-1]["say"]
            if kind == "error":
                raise RuntimeError(f"{self.name}: {lines[-1]}")
            if kind == "gone":
                self.up = False
                return lines
            if kind == "done":
                assert lines[-1]["id"] == command["id"], lines[-1]
                due = lines[-1]["next_due"]
                assert due is None or due > lines[-1]["now"], lines[-1]
                self.now, self.due, self.busy = lines[-1]["now"], due, lines[-1]["busy"]
                return lines

    def kill(self) -> None:
        os.kill(self.told["pid"], signal.SIGKILL)
        self.expect_gone()

    def expect_gone(self) -> None:
        line = json.loads(self.process.stdout.readline())
        assert line["say"] == "gone", line
        self.up = False

    def used(self) -> float:
        """Seconds of the processor that it has used so far, on Linux."""
        seconds = 0.0
        for pid in {self.process.pid, self.told["pid"]}:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            # What its own children have used is added when they end.
            ticks = sum(int(field) for field in fields[11:15])
            seconds += ticks / os.sysconf("SC_CLK_TCK")
        return seconds

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


class World:
    """Servers and the network between them."""

    def __init__(self, names: str, python: str | dict, seed: int = 1, options: dict | None = None) -> None:
        self.names, self.seed = list(names), seed
        self.options = options or {"back_off_ms": {"first": 1000, "longest": 10_000}}
        by_name = python if isinstance(python, dict) else dict.fromkeys(names, python)
        # All at once, so that they import at the same time.
        self.servers = {name: Child(name, by_name[name]) for name in names}
        self._begin()

    def _begin(self) -> None:
        self.now = 0
        self.record: list = []
        self.cuts: set[tuple[str, str]] = set()
        self.silent: set[tuple[str, str]] = set()
        self._events: list = []
        self._numbers = itertools.count()
        self._requests = itertools.count(1)
        self._delivered: dict[int, tuple[str, str, int]] = {}
        self._deeds: dict[tuple[str, int], dict] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="world-"))
        for name in self.names:
            self.start(name)

    def fresh(self) -> None:
        """The world from the start, with the same processes."""
        for name, child in self.servers.items():
            self.stop(name)
            child.lives = 0
            child.ids = itertools.count(1)
        shutil.rmtree(self.folder)
        self._begin()

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: Any) -> None:
        for child in self.servers.values():
            child.close()
        shutil.rmtree(self.folder)

    # --- Servers.

    def start(self, name: str) -> None:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        lines = self.servers[name].hello(self, folder, self.options)
        self._note("started", name)
        self._hear(name, lines)

    def kill(self, name: str) -> None:
        self.servers[name].kill()
        self._fell(name)

    def stop(self, name: str) -> None:
        self._command(name, "stop")
        self.servers[name].up = False
        self._fell(name)

    def fuse(self, name: str, writes: int) -> None:
        """The power of a server is gone after so many more writes."""
        self._command(name, "fuse", writes=writes)

    def wall(self, name: str) -> int:
        return EPOCH + self.now + self.servers[name].skew

    def jump(self, name: str, ms: int) -> None:
        """A server's clock jumps."""
        self.servers[name].skew += ms
        self._command(name, "clock", wall=self.wall(name))

    def rotate_key(self, name: str) -> None:
        """From its next start on a server signs with another key."""
        child = self.servers[name]
        old = {
            "id": f"ed25519:k{child.keys}",
            "public": text(public_key(child.seed())),
            "expired_ts": self.wall(name),
        }
        child.old_keys = [*child.old_keys, old]
        child.keys += 1

    def put(self, name: str, method: str, uri: str, **body: str) -> list[dict]:
        """A request of nobody."""
        request = next(self._requests)
        return self._command(
            name, "deliver", request=request, **{"from": "x"}, method=method, uri=uri, headers=[], **body
        )

    def _fell(self, name: str) -> None:
        self._note("gone", name)
        for request, (asker, server, ask) in list(self._delivered.items()):
            if server == name:
                del self._delivered[request]
                self._later(LATENCY_MS, self._fail, asker, ask, "broken", self.servers[asker].lives)
            elif asker == name:
                del self._delivered[request]

    # --- Time.

    def run(self, until: int, stop: Any = lambda: False) -> None:
        """Lets things happen until a time, or until it is time to stop."""
        while not stop():
            dues = sorted((c.due, name) for name, c in self.servers.items() if c.up and c.due is not None)
            event = self._events[0][0] if self._events else until + 1
            if dues and dues[0][0] < event and dues[0][0] <= until:
                # As far as nothing can reach it that is not known yet.
                others = dues[1][0] + LATENCY_MS - 1 if len(dues) > 1 else until
                name = dues[0][1]
                self._command(name, "advance", to=max(dues[0][0], min(event - 1, others, until)))
            elif event <= until:
                at, _, what, arguments = heapq.heappop(self._events)
                self.now = max(self.now, at)
                what(*arguments)
            else:
                self.now = max(self.now, until)
                return

    def wait(self, ms: int) -> None:
        self.run(self.now + ms)

    def settle(self, limit: int = 600_000) -> None:
        """Until all are at rest."""

        def rests() -> bool:
            return not self._events and not any(c.busy for c in self.servers.values() if c.up)

        end = self.now + limit
        while self.now < end:
            self.run(min(end, self.now + 500))
            if rests():
                return
        raise AssertionError(
            f"not at rest: {[n for n, c in self.servers.items() if c.busy]}, {len(self._events)}"
        )

    # --- Users.

    def user(self, name: str, deed: str, **fields: Any) -> dict:
        """What comes of a deed, when it is done."""
        key = (name, self.begin(name, deed, **fields))
        self.run(self.now + 300_000, stop=lambda: key in self._deeds)
        return self._deeds[key]

    def begin(self, name: str, deed: str, **fields: Any) -> int:
        fields.setdefault("by", f"@user:{name}")
        self._note("deed", name, deed, fields)
        lines = self._command(name, "user", deed=deed, **fields)
        return lines[-1].get("id", 0)

    def say(self, name: str, room: str, text: str) -> str:
        done = self.user(
            name, "send", room_id=room, type="m.room.message", content={"msgtype": "m.text", "body": text}
        )
        return done["event_id"]

    def holds(self, name: str, room: str, pdus: Any = "none") -> dict:
        lines = self._command(name, "tell", room_id=room, pdus=pdus)
        [told] = [line for line in lines if line["say"] == "holds"]
        self._note("holds", name, told)
        return told

    # --- The network.

    def cut(self, *pairs: str) -> None:
        """`cut("ab")` cuts the way from a to b."""
        self.cuts.update((pair[0], pair[1]) for pair in pairs)

    def silence(self, *pairs: str) -> None:
        """What is sent on the way is lost, and nobody is told."""
        self.silent.update((pair[0], pair[1]) for pair in pairs)

    def part(self, *groups: str) -> None:
        sides = {name: number for number, group in enumerate(groups) for name in group}
        self.cut(*(a + b for a in sides for b in sides if sides[a] != sides[b]))

    def heal(self) -> None:
        self.cuts.clear()
        self.silent.clear()

    def _open(self, a: str, b: str) -> bool:
        return b in self.servers and self.servers[b].up and (a, b) not in self.cuts

    def _later(self, ms: int, what: Any, *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + ms, next(self._numbers), what, arguments))

    def _command(self, name: str, do: str, **fields: Any) -> list[dict]:
        child = self.servers[name]
        if do != "advance" and child.now < self.now:
            self._hear(name, child.command("advance", to=self.now))
            assert child.now == self.now, (child.now, self.now)
        lines = child.command(do, **fields)
        self._hear(name, lines)
        return lines

    def _hear(self, name: str, lines: list[dict]) -> None:
        child = self.servers[name]
        # Time goes on with whoever is the furthest, but no message leaves before its sender's clock says so.
        self.now = max(self.now, child.now) if child.up else self.now
        for line in lines:
            kind = line["say"]
            if kind == "ask":
                self._note("ask", name, line)
                self._ask(name, line)
            elif kind == "answer" and line["request"] in self._delivered:
                asker, server, ask = self._delivered.pop(line["request"])
                if (server, asker) in self.silent:
                    continue
                self._note("answer", name, line)
                self._later(LATENCY_MS, self._answer, server, asker, ask, line, self.servers[asker].lives)
            elif kind in ("did", "failed"):
                self._note(kind, name, line)
                self._deeds[(name, line["deed"])] = line
            elif kind == "abandon":
                self._note(kind, name, line)
        if lines[-1]["say"] == "gone":
            self._fell(name)

    def _ask(self, name: str, line: dict) -> None:
        lives = self.servers[name].lives
        if (name, line["to"]) in self.silent:
            return
        if self._open(name, line["to"]):
            self._later(LATENCY_MS, self._deliver, name, line, lives)
        else:
            self._later(0, self._fail, name, line["ask"], "refused", lives)

    def _deliver(self, name: str, line: dict, lives: int) -> None:
        if not self._open(name, line["to"]):
            self._fail(name, line["ask"], "broken", lives)
            return
        request = next(self._requests)
        self._delivered[request] = (name, line["to"], line["ask"])
        carried = {
            key: line[key] for key in ("method", "uri", "headers", "body", "body_base64") if key in line
        }
        self._command(line["to"], "deliver", request=request, **{"from": name}, **carried)

    def _answer(self, server: str, asker: str, ask: int, line: dict, lives: int) -> None:
        if (server, asker) in self.cuts:
            self._fail(asker, ask, "broken", lives)
        elif self.servers[asker].up and self.servers[asker].lives == lives:
            carried = {key: line[key] for key in ("status", "headers", "body", "body_base64") if key in line}
            self._command(asker, "answer", ask=ask, **carried)

    def _fail(self, asker: str, ask: int, why: str, lives: int) -> None:
        if self.servers[asker].up and self.servers[asker].lives == lives:
            self._note("fail", asker, ask, why)
            self._command(asker, "fail", ask=ask, why=why)

    def _note(self, *what: Any) -> None:
        self.record.append([self.now, *what])

    def digest(self) -> str:
        """All that was said, in few letters."""
        text = json.dumps(self.record).replace(str(self.folder), "")
        return hashlib.sha256(text.encode()).hexdigest()


class Stopwatch:
    """How long the parts of a test took, on the clock, and how much work of the seats that was."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._used = 0.0
        self.laps: list[tuple[str, float, float]] = []

    def lap(self, name: str, world: World) -> None:
        now, used = time.perf_counter(), sum(child.used() for child in world.servers.values())
        self.laps.append((name, now - self._last, used - self._used))
        self._last, self._used = now, used

    @property
    def work(self) -> float:
        """Seconds of the processor in all laps together, whatever else goes on on the machine."""
        return sum(used for _, _, used in self.laps)

    def __str__(self) -> str:
        laps = ", ".join(f"{name} {wall:.2f} ({used:.2f})" for name, wall, used in self.laps)
        wall = sum(wall for _, wall, _ in self.laps)
        return f"{wall:.2f} s on the clock, {self.work:.2f} s of work: {laps}"
