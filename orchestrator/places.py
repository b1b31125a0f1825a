"""Where the user's own files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def user_config_folder(environ: Mapping[str, str]) -> Path:
    """The folder of a person's own `orch.toml`."""
    named = environ.get("XDG_CONFIG_HOME", "")
    if Path(named).is_absolute():  # the standard has a relative one ignored
        return Path(named) / "orch"
    return Path(environ.get("HOME") or "/nonexistent") / ".config" / "orch"
