"""Why a gate says something else in the sandbox than outside of it. Pure.

1. Two equal outcomes are no difference, whatever the times.
2. Red inside and green outside: what the output inside says of hosts, sockets, places and limits
   tells what is missing there, the most telling first, each with what to write.
3. Green inside and red outside: something of the user's machine disturbs it; it is said.
4. Where nothing in the output is recognised, the usual reasons are named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.model import Verdict


@dataclass(frozen=True, slots=True)
class Difference:
    """What a gate said outside and inside, and what explains it."""

    gate: str
    outside: str
    inside: str
    why: str = ""
    hint: str = ""


_NAMES = re.compile(
    r"Name or service not known|Temporary failure in name resolution|Could not resolve host"
    r"|getaddrinfo|EAI_AGAIN|\bENOTFOUND|nodename nor servname|no such host|dns error"
    r"|[Nn]etwork is unreachable|ENETUNREACH"
)
_LOCAL = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[?::1\]?)[:\s,\"')]*(?:port\s*)?(\d{2,5})?.*"
    r"(?:[Cc]onnection refused|ECONNREFUSED)"
    r"|(?:[Cc]onnection refused|ECONNREFUSED).*?(?:localhost|127\.0\.0\.1|::1)\D*(\d{2,5})?"
)
_REFUSED = re.compile(r"[Cc]onnection refused|ECONNREFUSED|\[Errno 111\]")
_SOCKET = re.compile(r"(/(?:var/)?run/[\w./-]+\.(?:sock|socket|PGSQL[.\d]+)[\w.]*|docker\.sock)")
_MISSING = re.compile(r"([/~][\w.@+~/-]+)['\"]?:? (?:No such file or directory|not found)")
_MISSING_AFTER = re.compile(
    r"(?:No such file or directory|FileNotFoundError|cannot find|ENOENT)\W.*?([/~][\w.@+~/-]{3,})"
)
_READ_ONLY = re.compile(r"Read-only file system:? ?['\"]?([/~][\w.@+~/-]*)?|EROFS")
_NO_PROGRAM = re.compile(r"(?:^|: )([\w.+-]+): (?:command )?not found")
_LIMIT = re.compile(r"Resource temporarily unavailable|can't start new thread|Cannot allocate")
_LARGE = re.compile(r"File too large|SIGXFSZ")


def compare(
    outside: Verdict, inside: Verdict, lines: Sequence[str], home: str, checkout: str
) -> Difference:
    """What differs between two verdicts; `lines` is what it printed in the sandbox."""
    plain = Difference(outside.gate, outside.outcome, inside.outcome)
    if outside.outcome == inside.outcome:
        return plain
    if inside.outcome == "passed":
        why = "something of your machine disturbs it: a variable, a service, or a file in the home"
        return _with(plain, why, "the run judges inside; nothing is to be done")
    text = "\n".join([*lines, inside.why])
    for why, hint in _reasons(text, home, checkout):
        return _with(plain, why, hint)
    hint = "look at what it printed: orch gate " + outside.gate + " --log"
    return _with(plain, "it finds something else there than by hand", hint)


def _with(plain: Difference, why: str, hint: str) -> Difference:
    return Difference(plain.gate, plain.outside, plain.inside, why, hint)


def _reasons(text: str, home: str, checkout: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if socket := _SOCKET.search(text):
        why = f"it talks to a service of the machine by {socket[1]}, which is not there"
        found.append((why, "start the service in the gate's own command"))
    if local := _LOCAL.search(text):
        port = next((group for group in local.groups() if group), "")
        why = f"it needs a service on localhost{f', port {port},' if port else ''} of this machine"
        hint = "start it in the gate's own command, at $ORCH_PORT; or write: network = true"
        found.append((why, hint))
    if _NAMES.search(text):
        hint = 'write in its [[gate]]: network = ["the.host"], or network = true'
        found.append(("it needs the network", hint))
    if _REFUSED.search(text) and not found:
        hint = "start it in the gate's own command, at $ORCH_PORT; or write: network = true"
        found.append(("it needs a service that is not reached from there", hint))
    for pattern in (_MISSING, _MISSING_AFTER):
        for match in pattern.finditer(text):
            found += _missing(match[1], home, checkout)
    if read_only := _READ_ONLY.search(text):
        place = read_only[1] or "a place outside its workspace"
        hint = 'let it write to $TMPDIR, or write below [sandbox]: write = ["' + place + '"]'
        found.append((f"it writes to {place}", hint))
    if program := _NO_PROGRAM.search(text):
        why = f"the program {program[1]} is not among what PATH and the system show"
        found.append((why, 'write below [sandbox]: read = ["the folder it lies in"]'))
    if _LARGE.search(text):
        found.append(("a file grew over the limit", "write below [sandbox]: file_gb = 16"))
    if _LIMIT.search(text):
        hint = "write below [sandbox]: processes = 8192, or memory_gb"
        found.append(("it came to a limit of processes or memory", hint))
    return found


def _missing(place: str, home: str, checkout: str) -> list[tuple[str, str]]:
    if place == checkout or place.startswith(f"{checkout}/"):
        why = f"it reads your checkout by its whole path: {place}"
        return [(why, "make the path relative, so that it judges its own tree")]
    if place.startswith("/home/agent"):
        place = f"~{place.removeprefix('/home/agent')}"
    elif place.startswith(f"{home}/"):
        place = f"~{place.removeprefix(home)}"
    if place.startswith("~"):
        hint = f'write below [sandbox]: read = ["{place}"]; or name another place by a variable'
        return [(f"it reads {place}, and your home is not there", hint)]
    if place.startswith(("/srv", "/mnt", "/media", "/data", "/var", "/root", "/home")):
        return [(f"it reads {place}", f'write below [sandbox]: read = ["{place}"]')]
    return []
