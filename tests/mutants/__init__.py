"""Seeded bugs, and the tests that catch them: whoever guards a guarantee is guarded too."""
