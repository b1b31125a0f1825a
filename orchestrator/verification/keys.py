"""The key of a verdict: all that what a gate says depends on. Pure.

1. Two runs of a gate with equal keys would say the same; so one verdict serves both.
2. In it: the tree, the command, what counts as a pass and which report says so, the configured
   time limit, the values of the environment that the gate sees, the sandbox with its limits and
   the network, the set-up and what is kept of it, what is copied beside the tree, and the platform
   with its tools.
   Where known failures do not count: which those are, and how the gate ended on the base.
3. Not in it: the gate's name, the run, the workspace, ports and temporary folders. The content
   of `setup_inputs` is a part of the tree; a set-up without them may have been made from any tree
   of its run, so then the tree that the run began at is in the key. The default time limit
   follows the baseline and differs from run to run; what ran out of time is never reused, so it
   may.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ledger.model import Gate, Network, Preparation, Sha, Verdict

KEY_VERSION = 3
"""Raised when what a key is made of, or what a verdict means, changes."""

VOLATILE = frozenset({"TMPDIR", "TMP", "TEMP"})


def verdict_key(
    gate: Gate,
    tree: Sha,
    *,
    environment: Mapping[str, str],
    preparation: Preparation,
    copied: Mapping[str, str],
    platform: str,
    base_tree: Sha = "",
    base: Verdict | None = None,
    sandbox: str = "none",
    network: Network = True,
) -> str:
    """The key for that gate on that tree.

    `copied` maps paths to hashes of their content; `base_tree` is the tree that the run began at,
    `base` what the gate said of it, None where it is the base that is judged.
    """
    compared = base if gate.pass_if == "no-new-failures" else None
    unpinned = bool(preparation.setup) and not preparation.setup_inputs
    parts = {
        "version": KEY_VERSION,
        "tree": tree,
        "command": gate.command,
        "pass_if": gate.pass_if,
        "junit": gate.junit,
        "may_fail": [compared.exit_code, *sorted(compared.failed_tests)] if compared else None,
        "timeout_s": gate.timeout_s,
        "environment": {
            name: value
            for name, value in environment.items()
            if name not in VOLATILE and not name.startswith("ORCH_")
        },
        "setup": preparation.setup,
        "setup_inputs": preparation.setup_inputs,
        "keep": sorted(preparation.keep) if preparation.setup else (),
        "began": base_tree if unpinned else None,
        "copied": dict(copied),
        "platform": platform,
        "sandbox": sandbox,
        "network": network,
    }
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
