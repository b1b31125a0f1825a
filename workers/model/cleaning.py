"""What tools answer, made fit for a model: printable, without secrets, bounded. Pure.

1. Of a long text its beginning and its end are shown, and how much is not.
2. A server may answer with megabytes, and cleaning takes its time by the character. So of what is
   far from being shown nothing is looked at.
3. Secrets are hidden before anything is cut away for good: what is looked at reaches further than
   what is shown, by more than the longest secret, and next to such a cut nothing is shown.
4. A private key is longer than all others. Its beginning tells it, however it goes on; so it is
   only behind a cut that what may be the rest of one has to be left out.
"""

from __future__ import annotations

import re

from workers.redact import Redactor
from workers.text import printable

REACH = 192 * 1024
"""More than a private key has that is shown line by line behind a margin, or any other secret."""
_END_OF_KEY = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
LARGE = 64 * 1024
"""Characters above which cleaning is no matter of a moment."""


def cleaned(text: str, limit: int, redactor: Redactor) -> str:
    """The text as a model may have it, of about `limit` characters at most."""
    half = limit // 2
    window, reach = 4 * limit + _reach(redactor), _reach(redactor)
    if len(text) <= 2 * window:
        text = redactor.redact_text(printable(text))
        if len(text) <= limit:
            return text
        head, tail, out = text, text, len(text) - 2 * half
    else:
        head = cleaned_start(text, window - reach, redactor)
        tail = _behind_cut(redactor.redact_text(printable(text[-window:])), half, redactor)
        out = len(text) - len(head[:half]) - len(tail[-half:])
    return f"{head[:half]}\n[{out:,} characters are not shown here]\n{tail[-half:]}"


def cleaned_start(text: str, limit: int, redactor: Redactor) -> str:
    """The beginning of a text, of which at most so much is wanted; all of it where it is short."""
    reach = _reach(redactor)
    if len(text) <= limit + reach:
        return redactor.redact_text(printable(text))
    start = redactor.redact_text(printable(text[: limit + reach]))
    return start[: max(0, len(start) - redactor.longest)]


def _behind_cut(text: str, wanted: int, redactor: Redactor) -> str:
    """A text without what may be the rest of a secret that began before it."""
    if len(text) - _reach(redactor) >= wanted:
        return text[_reach(redactor) :]
    ends = [found.end() for found in _END_OF_KEY.finditer(text)]
    return text[max(redactor.longest, *ends[-1:], 0) :]


def _reach(redactor: Redactor) -> int:
    return max(REACH, redactor.longest)
