"""Amounts of money, in cents."""

from typing import Optional, Union


def to_cents(amount: Union[int, float, str]) -> int:
    """An amount such as 12.34 or "12.34" in cents."""
    return int(float(amount) * 100)


def add(*amounts: Optional[int]) -> int:
    """The sum of amounts in cents; what is missing counts nothing."""
    return sum(amount or 0 for amount in amounts)
