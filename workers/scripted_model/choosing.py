"""Which turn answers a request: the rules of `script`, and what has been used up so far."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from workers.scripted_model.script import FLAGS, Script, Turn
from workers.wire.dialect import Said

SHOWN = 8
"""Turns whose refusal is told."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The turn that answers, or why none does."""

    conversation: str
    number: int | None
    """From 1; None: no turn applies."""
    turn: Turn | None
    why: str = ""


class Chooser:
    """Gives out the turns of one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._used: Counter[tuple[str, int]] = Counter()

    def choose(self, dialect: str, model: str, messages: Sequence[Said]) -> Chosen:
        """The turn for a request; it counts as given."""
        speakers = [one.speaker for one in messages]
        begins = speakers.index("assistant") if "assistant" in speakers else len(speakers)
        ends = len(speakers) - speakers[::-1].index("assistant") if "assistant" in speakers else 0
        opening, latest = messages[:begins], messages[ends:]
        conversation = self._conversation(opening)
        texts = {
            "task": [one.text for one in opening],
            "when": [one.text for one in latest if one.speaker != "system"],
            "system": [one.text for one in messages if one.speaker == "system"],
            "model": [model],
        }
        place = speakers.count("assistant") + 1
        refused = []
        for number, turn in enumerate(self._script.turn, 1):
            why = _missing(turn, dialect, place, texts)
            owner = conversation if turn.per == "conversation" else ""
            if not why and turn.repeat and self._used[owner, number] >= turn.repeat:
                why = "is used up"
            if not why:
                self._used[owner, number] += 1
                return Chosen(conversation, number, turn)
            refused.append(f"turn {number} {why}")
        more = f"; and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        said = " / ".join(texts["when"])
        said = said if len(said) <= 300 else f"{said[:140]} ... {said[-140:]}"
        why = (
            f"no turn answers this request: answer {place} of conversation {conversation}, "
            f"model {model!r}, where this came last: {said!r}. {'; '.join(refused[:SHOWN])}{more}"
        )
        return Chosen(conversation, None, None, why)

    def _conversation(self, opening: Sequence[Said]) -> str:
        text = "\n".join(one.text for one in opening if one.speaker != "system")
        if self._script.conversation:
            whole = "\n".join(one.text for one in opening)
            found = re.search(self._script.conversation, whole, FLAGS)
            if found is not None:
                text = found[1] or "" if found.re.groups else found[0]
        if text and len(text) <= 64 and text.isprintable():
            return text
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _missing(turn: Turn, dialect: str, place: int, texts: dict[str, list[str]]) -> str:
    """What a turn asks for and does not find; empty where it applies."""
    if turn.dialect not in (None, dialect):
        return f"asks for the dialect {turn.dialect}"
    if turn.at not in (None, place):
        return f"asks for answer {turn.at}"
    for key, said in texts.items():
        pattern = getattr(turn, key)
        if pattern and not any(re.search(pattern, text, FLAGS) for text in said):
            return f"finds no {pattern!r} ({key})"
    return ""
