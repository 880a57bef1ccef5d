# SPDX-License-Identifier: AGPL-3.0-or-later
"""A room in which anything happens, as chance has it: what a seed says, it says always."""

import random
from collections.abc import Callable
from typing import Any

from world import World

ACTS = 60
PAUSES_MS = (0, 10, 300, 5_000)

Act = Callable[["Muddle", str, str], Any]


class Muddle:
    """What happens next to whom."""

    def __init__(self, world: World, room: str, seed: int) -> None:
        self.world, self.room = world, room
        self.chance = random.Random(seed)

    def play(self) -> None:
        """Lets things happen, and looks after each at what the servers hold."""
        world = self.world
        for _ in range(ACTS):
            up = [name for name in world.names if world.servers[name].up]
            act = self.chance.choice(KINDS) if up else start_all
            act(self, self.chance.choice(up or world.names), self.chance.choice(world.names))
            world.wait(self.chance.choice(PAUSES_MS))
            for name in world.names:
                if world.servers[name].up:
                    world.holds(name, self.room, pdus="new")

    def deed(self, name: str, deed: str, **fields: Any) -> None:
        self.world.begin(name, deed, room_id=self.room, **fields)


def say(muddle: Muddle, name: str, _other: str) -> None:
    content = {"msgtype": "m.text", "body": str(muddle.chance.random())}
    muddle.deed(name, "send", type="m.room.message", content=content)


def topic(muddle: Muddle, name: str, _other: str) -> None:
    content = {"topic": str(muddle.chance.random())}
    muddle.deed(name, "send", type="m.room.topic", state_key="", content=content)


def towards(deed: str) -> Act:
    return lambda muddle, name, other: muddle.deed(name, deed, user_id=f"@user:{other}")


def start_all(muddle: Muddle, _name: str, _other: str) -> None:
    for name, child in muddle.world.servers.items():
        if not child.up:
            muddle.world.start(name)


KINDS: list[Act] = [
    say,
    say,
    say,
    topic,
    towards("invite"),
    towards("kick"),
    towards("ban"),
    towards("unban"),
    lambda muddle, name, other: muddle.deed(name, "join", via=[other]),
    lambda muddle, name, _: muddle.deed(name, "leave"),
    lambda muddle, name, _: muddle.deed(name, "scroll_back", limit=5),
    lambda muddle, name, other: muddle.world.cut(name + other),
    lambda muddle, name, other: muddle.world.silence(name + other),
    lambda muddle, *_: muddle.world.heal(),
    lambda muddle, *_: muddle.world.heal(),
    lambda muddle, name, _: muddle.world.kill(name),
    lambda muddle, name, _: muddle.world.fuse(name, muddle.chance.randint(1, 9)),
    lambda muddle, name, _: muddle.world.jump(name, muddle.chance.randint(-10_000, 10_000)),
    start_all,
    start_all,
]
