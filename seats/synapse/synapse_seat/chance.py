# SPDX-License-Identifier: AGPL-3.0-or-later
"""All chance of the process, drawn from one text.

`secrets`, `uuid` and `SystemRandom` ask the operating system through `os.urandom`; `random` has a state of
its own. Both are replaced before anything else is imported, so that nobody holds on to the true ones. What is
left is the order of hashes: see `process.pin_hashes`.
"""

import hashlib
import os
import random


class Stream:
    """Bytes without end, the same for the same text."""

    def __init__(self, text: str) -> None:
        self.begin(text)

    def begin(self, text: str) -> None:
        self._key = hashlib.sha256(text.encode()).digest()
        self._block = 0

    def draw(self, count: int) -> bytes:
        drawn = b""
        while len(drawn) < count:
            drawn += hashlib.blake2b(self._block.to_bytes(8, "big"), key=self._key).digest()
            self._block += 1
        return drawn[:count]


BEFORE_THE_FIRST_COMMAND = "before the first command"

_stream = Stream(BEFORE_THE_FIRST_COMMAND)


def install() -> None:
    """Puts the stream in the place of the operating system's."""
    os.urandom = _stream.draw
    # `random` made a name of its own of it when it was imported.
    random._urandom = _stream.draw
    random.seed(BEFORE_THE_FIRST_COMMAND)


def reseed(text: str) -> None:
    """From here on everything is drawn from `text`."""
    _stream.begin(text)
    random.seed(text)
