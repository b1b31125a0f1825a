"""A provider's cache of prompts, as far as its usage tells of it.

1. Prompts come in segments. What is cached is a prefix: all segments up to one where the
   provider sets a breakpoint. Models do not share prefixes.
2. The longest prefix that is cached already is read; what lies behind it, up to the last
   breakpoint, is written. Where writing is not charged, it counts as plain input.
3. A prefix shorter than the least size is neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ledger.model import Tokens
from workers.wire.dialect import Segment
from workers.wire.estimate import usual_tokens


class PromptCache:
    """What one scripted model remembers of the prompts that it was sent."""

    def __init__(self, least_tokens: int) -> None:
        self._least = least_tokens
        self._known: set[bytes] = set()

    def read(self, model: str, segments: Sequence[Segment], *, writes_cost: bool) -> Tokens:
        """The input of a prompt, told apart; it is remembered."""
        digest = hashlib.sha256(model.encode("utf-8", "surrogatepass"))
        size = cached = marked = 0
        met: list[bytes] = []
        for segment in segments:
            digest.update(len(segment.content).to_bytes(8, "big") + segment.content)
            size += usual_tokens(segment.content)
            # A breakpoint may move on: what an earlier prompt marked is read all the same.
            if digest.digest() in self._known:
                cached = size
            if segment.breakpoint and size >= self._least:
                met.append(digest.digest())
                marked = size
        self._known.update(met)
        written = max(0, marked - cached) if writes_cost else 0
        return Tokens(input=size - cached - written, cache_read=cached, cache_write=written)
