"""The Fibonacci example with a real model: `make live`.

    ORCH_MODEL=ollama:qwen2.5-coder:7b make live
    ORCH_MODEL=deepseek:deepseek-chat make live         # with DEEPSEEK_API_KEY set
    ORCH_MODEL=mine:some-model ORCH_MODEL_URL=http://127.0.0.1:8000/v1 make live

It works on a copy in a temporary folder, within half a dollar and 200,000 tokens.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLE = Path(__file__).parent / "fibonacci"


def main() -> int:
    """Run it; the exit code of `orch run`."""
    model, url = os.environ.get("ORCH_MODEL", ""), os.environ.get("ORCH_MODEL_URL", "")
    provider = model.partition(":")[0]
    if ":" not in model:
        sys.stderr.write(f"error: ORCH_MODEL names no model\n{__doc__}")
        return 2
    with tempfile.TemporaryDirectory(prefix="orch-live-") as folder:
        project = Path(folder) / "fibonacci"
        shutil.copytree(EXAMPLE, project)
        own = f'[worker.coder]\nkind = "model"\nmodel = {json.dumps(model)}\n'
        if url:
            own += f'\n[provider.{provider}]\ndialect = "openai"\nurl = {json.dumps(url)}\n'
        (project / ".agent" / "orch.local.toml").write_text(own)
        (project / ".agent" / ".gitignore").write_text("orch.local.toml\nstate_ledger.json\n")
        for words in (
            ("init", "-q", "-b", "main"),
            ("config", "user.name", "A Person"),
            ("config", "user.email", "person@example.invalid"),
            ("add", "-A"),
            ("commit", "-q", "-m", "as it was"),
        ):
            subprocess.run(("git", *words), cwd=project, check=True)
        orch = (sys.executable, "-m", "orchestrator.cli.main")
        environ = {**os.environ, "ORCH_STATE_DIR": str(Path(folder) / "state")}
        budgets = ("--budget-usd", "none", "--budget-tokens", "200000")
        if not url and provider != "ollama":
            budgets = ("--budget-usd", "0.5", "--budget-tokens", "200000")
        ended = subprocess.run(
            (*orch, "run", "plan.toml", *budgets), cwd=project, env=environ, check=False
        )
        for words in (("diff",), ("cost",)):
            subprocess.run((*orch, *words), cwd=project, env=environ, check=False)
        return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
