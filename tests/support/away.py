"""A person who leaves: nothing asks them, and somebody else's sandbox confines what goes on."""

from __future__ import annotations

from typing import Any

from tests.support.cli import User


class Away(User):
    """A user whose automations run while nobody is there."""

    def settings(self, *args: Any, **how: Any) -> None:
        how["run"] = f"budget_usd = 1.0\n{how.get('run', '')}"
        super().settings(*args, **how)
        file = self.root / ".agent/orch.toml"
        file.write_text(file.read_text().replace('sandbox = "none"', 'sandbox = "external"'))
