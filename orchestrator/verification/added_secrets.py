"""Which secrets stand in a file that a change brings in.

1. A known value is one wherever it stands, as it is or as base64, in an address, in JSON; so is a
   key of a well-known kind, where it is a real one (see `workers.secrets`), in files of any kind.
2. A new file's name can hold one too.
3. Told are the line and the kind. The secret itself is given only to be looked for in what was
   there before: what is only moved, or beside a line that changed, is not added.
"""

from __future__ import annotations

from workers.redact import Redactor
from workers.secrets import is_real_key

HITS_AT_MOST = 1000
"""So many are looked at in one file."""


def secrets_in(
    path: str, content: bytes, redactor: Redactor, *, is_new: bool
) -> tuple[tuple[int, str, bytes], ...]:
    """Line (0: its name), kind and secret of each that a file holds, once for each line."""
    found: dict[tuple[int, str], bytes] = {}
    name = path.encode("utf-8", "surrogateescape")
    for hit in redactor.find(name) if is_new else ():
        if hit.known or is_real_key(name[hit.start : hit.end]):
            found[0, f"its name holds {hit.what}"] = name[hit.start : hit.end]
    for hit in redactor.find(content):
        secret = content[hit.start : hit.end]
        if hit.known or is_real_key(secret):
            line = content.count(b"\n", 0, hit.start) + 1
            found.setdefault((line, f"it adds {hit.what}"), secret)
        if len(found) >= HITS_AT_MOST:
            break
    return tuple((line, what, secret) for (line, what), secret in sorted(found.items()))
