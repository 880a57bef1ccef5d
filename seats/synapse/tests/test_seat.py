# SPDX-License-Identifier: AGPL-3.0-or-later
"""Synapses under one simulated network. Run with `python -m unittest` in this folder; see README.md."""

import json
import os
import unittest
from pathlib import Path
from typing import Any

from muddle import Muddle
from world import LATENCY_MS, Child, Stopwatch, World, pythons

try:
    import jsonschema
except ImportError:
    # Synapse brings it along: run the tests with its Python to have this one too.
    jsonschema = None

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "seat-protocol.schema.json"
RELEASES = pythons()
PYTHON = next(iter(RELEASES.values()))

# How many seeds are tried where chance decides.
SEEDS = int(os.environ.get("SEAT_SEEDS", "2"))


def room_of_all(world: World, **fields: Any) -> str:
    """The first server makes a room, and the others join it."""
    first, *others = world.names
    wanted = {"room_version": "10", "join_rule": "public", "history_visibility": "shared", **fields}
    room = world.user(first, "create_room", **wanted)["room_id"]
    for name in others:
        joined = world.user(name, "join", room_id=room, via=[first])
        assert joined["say"] == "did", joined
    world.settle()
    return room


def partition_heal(world: World, room: str) -> None:
    """Both sides talk, and hear of each other later."""
    first, *others = world.names
    for number in range(3):
        world.say(first, room, f"before {number}")
        world.wait(100)
    world.settle()
    world.part(first, "".join(others))
    for number in range(6):
        world.say(first, room, f"here {number}")
        world.say(others[0], room, f"there {number}")
        world.wait(500)
    world.heal()
    for number in range(2):
        world.say(first, room, f"after {number}")
        world.say(others[-1], room, f"after {number}")
        world.wait(300)
    world.settle()


class SeatTest(unittest.TestCase):
    maxDiff = None

    def assert_same(self, world: World, room: str) -> dict:
        """All servers hold the same room, but for what was before they came; what the first holds."""
        held = {name: world.holds(name, room) for name in world.names}
        [first, *_] = held.values()
        for name, holds in held.items():
            self.assertTrue(holds["joined"] and holds["idle"], name)
            self.assertEqual(holds["state"], first["state"], name)
            self.assertEqual(holds["forward_extremities"], first["forward_extremities"], name)
            self.assertEqual(holds["waiting"], [], name)
        return first

    def accepted(self, world: World, name: str, room: str) -> set[str]:
        return {event for event, standing in world.holds(name, room)["events"] if standing == "accepted"}


class Rooms(SeatTest):
    def test_create_and_join(self) -> None:
        for version in ("1", "6", "10", "11", "12"):
            with self.subTest(version=version), World("ab", PYTHON) as world:
                if version not in world.servers["a"].told["room_versions"]:
                    continue
                room = room_of_all(world, room_version=version)
                world.say("a", room, "hello")
                world.say("b", room, "hello yourself")
                world.settle()
                self.assert_same(world, room)
                done = world.user("b", "scroll_back", room_id=room, limit=100)
                self.assertTrue(done["complete"], done)
                self.assertEqual(self.accepted(world, "a", room), self.accepted(world, "b", room))

    def test_everything_that_users_do(self) -> None:
        levels = {"invite": 50, "users": {"@user:a": 100, "@user:b": 50}}
        with World("abc", PYTHON) as world:
            room = world.user("a", "create_room", room_version="11", join_rule="knock", power_levels=levels)[
                "room_id"
            ]

            def does(name: str, deed: str, **fields: Any) -> dict:
                done = world.user(name, deed, room_id=room, **fields)
                self.assertEqual(done["say"], "did", (name, deed, fields, done))
                world.settle()
                return done

            does("a", "invite", user_id="@user:b")
            does("b", "join", via=["a"])
            refused = world.user("c", "join", room_id=room, via=["a"])
            self.assertEqual((refused["say"], refused["errcode"]), ("failed", "M_FORBIDDEN"))
            does("c", "knock", via=["b"], reason="let me in")
            does("b", "invite", user_id="@user:c")
            does("c", "join", via=["b"])
            said = does("c", "send", type="m.room.message", content={"msgtype": "m.text", "body": "oh"})
            does("b", "redact", event_id=said["event_id"])
            does("a", "send", type="m.room.topic", state_key="", content={"topic": "deeds"})
            named = {"membership": "join", "displayname": "Sea"}
            does("c", "send", type="m.room.member", state_key="@user:c", content=named)
            does("b", "kick", user_id="@user:c", reason="enough")
            does("b", "ban", user_id="@user:c")
            does("b", "unban", user_id="@user:c")
            does("b", "leave")
            state = {(kind, key): event for kind, key, event in world.holds("a", room)["state"]}
            pdus = world.holds("a", room, pdus=list(state.values()))["pdus"]
            self.assertEqual(pdus[state["m.room.topic", ""]]["content"], {"topic": "deeds"})
            for name in "bc":
                membership = pdus[state["m.room.member", f"@user:{name}"]]["content"]["membership"]
                self.assertEqual(membership, "leave")

    def test_partition_and_heal(self) -> None:
        for names in ("ab", "abc"):
            watch = Stopwatch()
            with self.subTest(names=names), World(names, PYTHON) as world:
                watch.lap("start", world)
                room = room_of_all(world)
                watch.lap("room", world)
                partition_heal(world, room)
                watch.lap("partition and heal", world)
                self.assert_same(world, room)
                said = {event for name in names for event in self.accepted(world, name, room)}
                self.assertEqual(said, self.accepted(world, "a", room))
                print(f"\n{names}: {watch}")
                self.assertLess(watch.work, 12)

    def test_one_way(self) -> None:
        with World("ab", PYTHON) as world:
            room = room_of_all(world)
            world.cut("ab")
            unheard = world.say("a", room, "nobody hears")
            heard = world.say("b", room, "everybody hears")
            world.wait(10_000)
            self.assertIn(heard, self.accepted(world, "a", room))
            self.assertNotIn(unheard, self.accepted(world, "b", room))
            self.assertFalse(world.holds("a", room)["idle"])
            world.heal()
            world.settle()
            self.assert_same(world, room)

    def test_a_room_in_a_pool(self) -> None:
        with World("abc", PYTHON) as world:
            watch = Stopwatch()
            for number in range(3):
                watch.lap("before", world)
                room = room_of_all(world)
                partition_heal(world, room)
                self.assert_same(world, room)
                watch.lap(f"room {number}", world)
            print(f"\npool: {watch}")
            for name, _, used in watch.laps:
                self.assertTrue(name == "before" or used < 2, watch)

    def test_a_fresh_server_in_an_old_process(self) -> None:
        digests = set()
        with World("ab", PYTHON) as world:
            for _ in range(3):
                watch = Stopwatch()
                watch.lap("before", world)
                world.fresh()
                watch.lap("start", world)
                room = room_of_all(world)
                partition_heal(world, room)
                self.assert_same(world, room)
                watch.lap("run", world)
                digests.add(world.digest())
                print(f"\nfresh: {watch}")
                self.assertLess(watch.laps[-1][2], 2)
        self.assertEqual(len(digests), 1)


class Faults(SeatTest):
    def test_killed_in_the_middle(self) -> None:
        with World("abc", PYTHON) as world:
            room = room_of_all(world)
            kept = world.say("b", room, "before")
            world.wait(1)
            # Some have the message and have not answered, or have not heard of it yet.
            world.wait(LATENCY_MS)
            world.kill("b")
            missed = world.say("a", room, "while b is away")
            world.wait(5_000)
            world.start("b")
            self.assertIn(kept, self.accepted(world, "b", room))
            world.say("c", room, "after")
            world.settle()
            self.assert_same(world, room)
            self.assertIn(missed, self.accepted(world, "b", room))
            world.say("b", room, "back again")
            world.settle()
            self.assert_same(world, room)

    def test_power_cut_after_any_write(self) -> None:
        with World("ab", PYTHON) as world:
            room = room_of_all(world)
            for writes in range(1, 12):
                world.fuse("b", writes)
                world.say("a", room, f"to be cut off after {writes}")
                world.run(world.now + 60_000, stop=lambda: not world.servers["b"].up)
                self.assertFalse(world.servers["b"].up, writes)
                world.start("b")
                world.say("a", room, "and on")
                world.settle()
                self.assert_same(world, room)
            self.assertEqual(
                self.accepted(world, "a", room) - self.accepted(world, "b", room), self.before(world, room)
            )

    def before(self, world: World, room: str) -> set[str]:
        """What was said before b came, which nobody has scrolled back to."""
        outliers = {event for event, standing in world.holds("b", room)["events"] if standing == "outlier"}
        return outliers & self.accepted(world, "a", room)

    def test_two_hours_of_outage(self) -> None:
        watch = Stopwatch()
        options = {"back_off_ms": {"first": 1_000, "longest": 60_000}}
        with World("ab", PYTHON, options=options) as world:
            room = room_of_all(world)
            watch.lap("room", world)
            world.part("a", "b")
            for _ in range(24):
                world.say("a", room, "anybody?")
                world.say("b", room, "hello?")
                world.wait(300_000)
            watch.lap("two hours", world)
            refused = sum(1 for entry in world.record if entry[1] == "fail")
            commands = sum(child.commands for child in world.servers.values())
            world.heal()
            world.say("a", room, "there you are")
            world.settle()
            world.say("b", room, "and you")
            world.settle()
            watch.lap("heal", world)
            self.assert_same(world, room)
            print(f"\noutage: {refused} refused, {commands} commands: {watch}")
            self.assertLess(watch.work, 20)

    def test_silence_is_given_up(self) -> None:
        with World("ab", PYTHON) as world:
            room = room_of_all(world)
            world.silence("ab")
            world.say("a", room, "into the void")
            world.wait(120_000)
            self.assertTrue(any(entry[1] == "abandon" for entry in world.record))
            world.heal()
            world.say("b", room, "here")
            world.settle()
            self.assert_same(world, room)

    def test_clock_jumps(self) -> None:
        with World("ab", PYTHON) as world:
            room = room_of_all(world)
            for jump in (3_600_000, -7_200_000):
                world.jump("b", jump)
                event = world.say("b", room, "what time is it?")
                pdu = world.holds("b", room, pdus=[event])["pdus"][event]
                self.assertAlmostEqual(pdu["origin_server_ts"], world.wall("b"), delta=1000)
                world.settle()
                self.assert_same(world, room)

    def test_another_key(self) -> None:
        with World("ab", PYTHON) as world:
            room = room_of_all(world)
            world.say("b", room, "by the old key")
            world.settle()
            world.stop("b")
            world.rotate_key("b")
            world.start("b")
            event = world.say("b", room, "by the new key")
            world.settle()
            self.assert_same(world, room)
            pdu = world.holds("a", room, pdus=[event])["pdus"][event]
            self.assertEqual(list(pdu["signatures"]["b"]), ["ed25519:k2"])


class Protocol(SeatTest):
    def test_the_same_twice(self) -> None:
        def run(seed: int) -> tuple[str, list]:
            with World("abc", PYTHON, seed=seed) as world:
                room = room_of_all(world)
                partition_heal(world, room)
                world.kill("c")
                world.say("a", room, "c is away")
                world.wait(3_000)
                world.start("c")
                world.say("b", room, "c is back")
                world.settle()
                for name in world.names:
                    world.holds(name, room, pdus="all")
                return world.digest(), world.record

        (one, first), (two, second), (other, _) = run(1), run(1), run(2)
        # The first difference says more than two digests.
        for a, b in zip(first, second, strict=False):
            self.assertEqual(json.dumps(a), json.dumps(b))
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)

    def test_the_same_twice_whatever_happens(self) -> None:
        for seed in range(SEEDS):
            with self.subTest(seed=seed):
                first, second = (self.muddle(seed) for _ in range(2))
                for a, b in zip(first, second, strict=False):
                    self.assertEqual(json.dumps(a), json.dumps(b))
                self.assertEqual(len(first), len(second))

    def muddle(self, seed: int) -> list:
        with World("abc", PYTHON, seed=seed) as world:
            Muddle(world, room_of_all(world), seed).play()
            return world.record

    @unittest.skipIf(jsonschema is None, "no jsonschema here")
    def test_as_the_schema_has_it(self) -> None:
        schema = json.loads(SCHEMA.read_text())
        check = {
            side: jsonschema.Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{side}"}]})
            for side in ("Command", "Line")
        }
        Child.overheard = []
        try:
            with World("ab", PYTHON) as world:
                room = room_of_all(world)
                world.say("b", room, "hello")
                world.user("b", "scroll_back", room_id=room, limit=10, pages=1)
                world.user("b", "join", room_id="!nowhere:nowhere", via=["nowhere"])
                world.holds("b", room, pdus="new")
                world.jump("b", 1000)
                world.fuse("b", 1)
                world.silence("ab")
                world.say("a", room, "oh")
                world.begin("b", "leave", room_id=room)
                world.wait(120_000)
                world.stop("a")
            kinds = set()
            for side, said in Child.overheard:
                check[side].validate(said)
                kinds.add(said.get("do") or said.get("say"))
        finally:
            Child.overheard = None
        commands = "hello advance deliver answer fail user tell clock fuse stop"
        lines = "hello ask abandon answer did failed holds done gone"
        self.assertEqual(kinds, set(f"{commands} {lines}".split()))

    def test_wrong_commands(self) -> None:
        for command, fields in (("dance", {}), ("user", {"deed": "dance", "by": "@user:a"}), ("deliver", {})):
            with self.subTest(command=command), World("a", PYTHON) as world:
                with self.assertRaises(RuntimeError):
                    world.servers["a"].command(command, **fields)
                # The process is there for the next server.
                world.servers["a"].expect_gone()
                world.start("a")

    def test_bytes_that_are_no_text(self) -> None:
        with World("a", PYTHON) as world:
            lines = world.put("a", "PUT", "/_matrix/federation/v1/send/1", body_base64="/w8AJA==")
            self.assertGreaterEqual(lines[0]["status"], 400)
            lines = world.put("a", "GET", "/_matrix/nothing")
            self.assertEqual(lines[0]["status"], 404)


@unittest.skipIf(len(RELEASES) < 2, "one release only")
class Releases(SeatTest):
    def test_side_by_side(self) -> None:
        names = list(RELEASES)
        for a, b in [(names[0], names[-1]), (names[-1], names[0])]:
            pythons = {"a": RELEASES[a], "b": RELEASES[b]}
            with self.subTest(a=a, b=b), World("ab", pythons) as world:
                told = [world.servers[name].told["software"]["version"] for name in "ab"]
                self.assertNotEqual(*told)
                # All releases know this version.
                room = room_of_all(world, room_version="6")
                partition_heal(world, room)
                self.assert_same(world, room)


if __name__ == "__main__":
    unittest.main()
