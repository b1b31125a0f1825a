"""A list of what was bought."""

from typing import List, Tuple

from pocket.format import fmt


def report(items: List[Tuple[str, int]]) -> str:
    """One line an item, then the total."""
    lines = [f"{name:<12}{fmt(cents):>10}" for name, cents in items]
    total = sum(cents for _, cents in items)
    return "\n".join([*lines, f"{'total':<12}{fmt(total):>10}"])
