"""Taxes."""


def tax(cents: int, percent: int) -> int:
    """The tax on an amount, in cents, rounded half to even."""
    return round(cents * percent / 100)
