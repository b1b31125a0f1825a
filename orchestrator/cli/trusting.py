"""Ask a person whether commands that came with the repository may run: before anything runs them.

1. Whoever is about to run commands of the settings calls `require_trust` first, with whether a
   person is there to answer. It returns, or nothing is run.
2. The first use trusts, and says so in one line; in one more for each provider of models that is
   not well known, since what the code says goes there, and a key, unless the person's own settings
   put another in its place; and for a forge, where the file says which server it is, or by whose
   token.
3. Commands that have changed are shown before they are asked about, as they are; nobody can say
   yes to what was not shown. What is too much for a question is left to `orch trust`.
4. Anything but a clear yes is a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ledger.model import Settings
from orchestrator.cli import output
from orchestrator.config import SourcedSettings
from orchestrator.errors import OrchError
from orchestrator.policy.models import WELL_KNOWN, providers_asked
from orchestrator.review.words import count, foreign
from orchestrator.settings_rules import SHARED_FILE
from orchestrator.trust import Trust, look, reason_of, record, record_first
from orchestrator.workplace import Workplace

PERSON_NEEDED = 5
MOST_LINES = 60
MOST_CHARACTERS = 8000
"""More than that is not asked about in passing."""
QUESTION = "Trust these commands? (y/N) "

_GAP = re.compile(" {16,}")


def require_trust(workplace: Workplace, sourced: SourcedSettings, *, attended: bool) -> None:
    """Return when the shared settings' commands may run; OrchError where a person must say so.

    `attended`: a person is at the terminal, and may be asked.
    """
    trust = look(workplace, sourced)
    if trust.standing == "first":
        if record_first(workplace, trust):
            _say_first(trust, sourced.shared(trust.counted), sourced.settings)
            return
        trust = look(workplace, sourced)
    if trust.standing == "same":
        return
    shown = changes_of(trust)
    if not shown:
        record(workplace, trust)  # nothing would run: there is nothing to ask about
        return
    short = len(shown) <= MOST_LINES and sum(map(len, shown)) <= MOST_CHARACTERS
    output.narrate(output.colour_narration(f"{reason_of(trust)}:", "ask"))
    told = shown if short else [foreign(line) for line in shown[:10]]
    output.narrate([painted(line, to_stderr=True) for line in told])
    if not short:
        output.narrate(f"... {count(len(shown), 'line')} in all, too much to ask about here")
    if attended and short and output.ask(QUESTION):
        record(workplace, trust)
        return
    raise OrchError(
        "nothing was run: the commands that the settings name are not trusted",
        hint="orch trust shows them and asks; orch trust --yes trusts them as they are",
        exit_code=PERSON_NEEDED,
    )


def changes_of(trust: Trust) -> list[str]:
    """The difference as it is shown: no line of it hides its end behind a wide gap."""
    return [_GAP.sub(lambda gap: f"<{len(gap[0])} spaces>", line) for line in trust.changes()]


def summary(lines: Iterable[str]) -> str:
    """How many commands there are: `2 gates, 1 worker, 1 set-up command`."""
    heads = {line.split(": ", 1)[0] for line in lines}
    numbers = [
        (sum(head.startswith("gate ") for head in heads), "gate"),
        (sum(head.startswith("worker ") for head in heads), "worker"),
        (sum(head.startswith("automation ") for head in heads), "automation"),
        (sum(line.startswith("run: setup = ") for line in lines), "set-up command"),
        (sum(line.startswith("run: fix = ") for line in lines), "fix command"),
    ]
    return ", ".join(count(number, noun) for number, noun in numbers if number) or "no command"


def strangers(shared: Settings, now: Settings) -> Iterator[str]:
    """Where prompts and keys go by the shared settings that is no provider that everybody knows.

    Nothing goes where a person's own settings, which `now` has too, put another in its place, or
    other models in the place of all that it serves.
    """
    known = {one.url for one in WELL_KNOWN.values()}
    asked = set(providers_asked(shared, shared.workers))
    still_asked = set(providers_asked(now, now.workers))
    for name, one in shared.providers.items():
        overridden = now.providers.get(name) != one or name in asked - still_asked
        if one.url not in known and not overridden:
            yield foreign(one.url) + (f" with your {one.key}" if one.key else "")


def painted(line: str, *, to_stderr: bool = False) -> str:
    """A line of a difference in its colour."""
    style = {"+": "good", "-": "bad"}.get(line[:1], "plain")
    colour = output.colour_narration if to_stderr else output.colour_answer
    return colour(line, style)


def _say_first(trust: Trust, shared: Settings, now: Settings) -> None:
    if not trust.now:
        return
    said = f"first use here: {summary(trust.now)} of {SHARED_FILE} trusted;"
    output.narrate(f"{said} changes will be asked about (orch trust shows them)")
    for place in strangers(shared, now):
        output.narrate(f"  what models are told goes to {place}")
    forge = shared.forge
    if forge is not None and (forge.url or forge.token):
        where = foreign(forge.url) if forge.url else "the forge of the remote"
        named = f" with your {forge.token}" if forge.token else ""
        output.narrate(f"  pull requests and their reports go to {where}{named}")
