"""A pocket calculator for small money."""
