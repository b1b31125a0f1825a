"""Folders to measure in, which are removed when all has been measured."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path


def fresh_folder() -> Path:
    """A new folder that lasts as long as this process.

    File systems look through what was deleted in the last seconds before they make a file: what
    one measurement removed, the next would pay for.
    """
    folder = Path(tempfile.mkdtemp(prefix="orch-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
