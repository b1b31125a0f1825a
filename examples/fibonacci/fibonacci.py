"""Fibonacci numbers, slowly."""


def fibonacci(n: int) -> int:
    """The nth Fibonacci number; the first two are 0 and 1."""
    if n < 2:
        return n
    return fibonacci(n - 1) + fibonacci(n - 2)
