"""The moment before a command begins in its sandbox: bubblewrap waits until its limits hold.

1. Bubblewrap says at once from which process all in the sandbox will come, and sets the sandbox up
   while that process is put into its groups, where it was not born there, and given its limits.
2. Then it is let go; before that no command runs. One that is not let go is ended at once.
3. Whether the sandbox stood, and the command ran, is told by bubblewrap's status at the end.
"""

from __future__ import annotations

import contextlib
import json
import os

import anyio
import anyio.to_thread

from workers.limits import Guard

WAIT_S = 20.0
"""How long bubblewrap may take to say who it is."""


class Threshold:
    """Where one child waits; of two descriptors that it closes."""

    def __init__(self, status: int, release: int) -> None:
        self._status, self._release = status, release
        self._said = b""
        self.admitted = False
        self.trouble = ""
        """Why it could not be let go, for a person; empty where bubblewrap itself says so."""

    async def admit(self, guard: Guard) -> bool:
        """Put the limits in place and let the command begin; whether that was done."""
        try:
            with anyio.fail_after(WAIT_S):
                pid = await self._first()
            if pid is None:
                return False
            await anyio.to_thread.run_sync(guard.hold, pid)
            os.write(self._release, b"x")
        except (ProcessLookupError, BrokenPipeError):
            return False  # it ended: its output says why
        except TimeoutError:
            self.trouble = f"bubblewrap said nothing within {WAIT_S:g} seconds"
        except OSError as error:
            self.trouble = f"its limits could not be set: {error}"
        else:
            self.admitted = True
        return self.admitted

    def close(self) -> bool:
        """Whether the command ran in its sandbox. Called when all of it is gone."""
        try:
            with contextlib.suppress(BlockingIOError):
                while chunk := os.read(self._status, 65536):
                    self._said += chunk
            return b'"exit-code"' in self._said
        finally:
            os.close(self._status)
            os.close(self._release)

    async def _first(self) -> int | None:
        """The process that all in the sandbox comes from; None where there will be none."""
        while b"\n" not in self._said:
            await anyio.wait_readable(self._status)
            if not (chunk := os.read(self._status, 65536)):
                return None
            self._said += chunk
        first = json.loads(self._said.partition(b"\n")[0])
        return int(first["child-pid"])
