"""Forges: pushed results, pull requests of them, and tickets as goals."""
