"""How many tokens a request can hold, before anybody has counted them.

No vendor's tokenizer is at hand, and each has another. What is reserved for a call must rather be
too much than too little, at a cost that a proxy can bear for every request:

1. Small letters and blanks: two to a token. Words and indentation take far less.
2. Every other byte: one token. Digits, signs, capitals as in keys and hashes, and whatever is not
   ASCII, never take more than one each.
3. A picture: a flat number, above what vendors charge for the largest.
4. Tools and each message bring words of the vendor's own: a flat number for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.wire.dialect import packed

PICTURE = 6000
REQUEST = 1200
"""What a vendor adds for tools and for the request as a whole."""
MESSAGE = 16
BYTES_TO_A_TOKEN = 4
"""What is usual for text and code."""

_LIGHT = b"abcdefghijklmnopqrstuvwxyz "
_PICTURES = ("image", "image_url", "input_image")


def tokens_at_most(request: Mapping[str, Any]) -> int:
    """An upper estimate of the tokens of a request: all of its JSON counts."""
    pictures = 0
    left: list[Any] = [request]
    plain = True
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if value.get("type") in _PICTURES:
                pictures += 1
                plain = False
            else:
                left += value.values()
        elif isinstance(value, list):
            left += value
    written = packed(request if plain else _without_pictures(request))
    raw = written.encode("utf-8", "surrogatepass")
    heavy = len(raw.translate(None, delete=_LIGHT))
    messages = request.get("messages")
    many = len(messages) if isinstance(messages, list) else 0
    light = len(raw) - heavy
    return heavy + (light + 1) // 2 + pictures * PICTURE + many * MESSAGE + REQUEST


def usual_tokens(raw: bytes) -> int:
    """What text and code of this size usually are: for scripts, never for money."""
    return -(-len(raw) // BYTES_TO_A_TOKEN)


def _without_pictures(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("type") in _PICTURES:
            return None
        return {key: _without_pictures(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_pictures(one) for one in value]
    return value
