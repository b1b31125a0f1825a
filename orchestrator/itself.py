"""How orch starts itself, as a process of its own."""

from __future__ import annotations

import sys

ORCH = (sys.executable, "-P", "-m", "orchestrator.cli.main")
"""Without `-P` Python looks for modules in the folder that it is started in first, which is the
checkout: a repository with a package `ledger` of its own would have that run as the user."""
