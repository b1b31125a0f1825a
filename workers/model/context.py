"""What a conversation carries along, and what of it gives way. Pure.

1. Everything stays as it was sent, byte for byte, until the next request would fill the window to
   `FULL`: a provider reads what it knows by its beginning at a tenth of the price.
2. Then the oldest results of tools give way to one line each, in one go, until no more than `KEPT`
   of the window is in use: rarely and much, rather than often and little. What the model looked at
   last stays, and so does what is hardly longer than its line.
3. Where that is not enough, long arguments of old calls go, then all but the newest results.
4. A token is taken for four bytes, corrected by what the provider counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

FULL = 0.38
"""Under 40 %, with room for what the estimate is wrong by."""
KEPT = 0.12
NEWEST = 2
"""So many turns keep their results."""
STUB_CHARS = 160
LEAST_SAVED = 200
"""Bytes."""
BYTES_PER_TOKEN = 4.0
PIECE_BYTES = 60
"""What the wire adds to each piece."""

Kind = Literal["result", "call", "text"]


@dataclass(frozen=True)
class Piece:
    """A part of a conversation: what it is, how large, and what could stand in its place."""

    kind: Kind
    turn: int
    """Counted from the first, a model's answer and the results of its calls together."""
    size_bytes: int
    stub_bytes: int = 0
    """What it shrinks to; 0: it stays."""

    @property
    def saves(self) -> int:
        return self.size_bytes - self.stub_bytes if self.stub_bytes else 0


@dataclass(frozen=True)
class Scale:
    """How many tokens a byte is, as far as is known."""

    tokens_per_byte: float = 1 / BYTES_PER_TOKEN

    def tokens(self, size_bytes: int) -> int:
        return int(size_bytes * self.tokens_per_byte + 0.5)

    def corrected(self, size_bytes: int, counted_tokens: int) -> Scale:
        """With what a provider counted for a request of this size."""
        if counted_tokens <= 0 or size_bytes < 2000:
            return self
        found = counted_tokens / size_bytes
        # A provider that counts nonsense must not lead to nonsense here.
        return replace(self, tokens_per_byte=min(max(found, 1 / 12), 1.0))


def size_of(pieces: Sequence[Piece], fixed_bytes: int) -> int:
    """What a request of these pieces holds."""
    return fixed_bytes + sum(piece.size_bytes + PIECE_BYTES for piece in pieces)


def give_way(
    pieces: Sequence[Piece], fixed_bytes: int, window_tokens: int, scale: Scale
) -> frozenset[int]:
    """Which pieces, by number, are to be replaced by their stubs now; usually none."""
    size_bytes = size_of(pieces, fixed_bytes)
    if scale.tokens(size_bytes) < window_tokens * FULL:
        return frozenset()
    target = window_tokens * KEPT
    newest = max((piece.turn for piece in pieces), default=0)
    gone: set[int] = set()
    for kind, spared in (("result", NEWEST), ("call", NEWEST), ("result", 1), ("call", 1)):
        # What is spared may fill the window by itself: then only as much as must be.
        enough = target if spared == NEWEST else window_tokens * FULL
        for number, piece in enumerate(pieces):
            if scale.tokens(size_bytes) < enough:
                break
            old = piece.turn <= newest - spared
            if number in gone or piece.kind != kind or not old or piece.saves < LEAST_SAVED:
                continue
            gone.add(number)
            size_bytes -= piece.saves
    return frozenset(gone)


@dataclass
class Book:
    """The scale of a conversation, and how often it was made shorter."""

    window_tokens: int
    scale: Scale = field(default_factory=Scale)
    sent_bytes: int = 0
    """The size of the request under way."""
    compactions: int = 0

    def counted(self, tokens: int) -> None:
        """A request was answered, and its input counted."""
        self.scale = self.scale.corrected(self.sent_bytes, tokens)
