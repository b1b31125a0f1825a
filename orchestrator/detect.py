"""Which gates a repository already has, from the files that say so. Pure.

1. Linters, formatters and type checkers judge quickly: stage `check`. Suites: stage `land`.
2. A gate is proposed only for a tool that the repository speaks of, with the file that does.
3. Tools are run the way the project runs them: what a lock file names installs them.
4. What a Makefile, tox, nox or pre-commit offers is proposed only for what nothing else covers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ledger.model import Stage
from orchestrator.detect_python import propose_python, tools_of
from orchestrator.proposal import Draft, InitProposal, Look, hooks_of


def propose(look: Look) -> InitProposal:
    """The gates and the set-up that a repository speaks of."""
    draft = Draft()
    for part in (propose_python, _javascript, _rust, _go, _make, _runners):
        part(look, draft)
    stages = {"check": 0, "land": 1}
    gates = sorted(draft.gates.values(), key=lambda one: stages[one.gate.stage])
    return InitProposal(
        tuple(gates),
        tuple(draft.fix),
        tuple(dict.fromkeys(draft.setup)),
        tuple(dict.fromkeys(draft.setup_inputs)),
        tuple(dict.fromkeys(draft.keep)),
    )


def _javascript(look: Look, draft: Draft) -> None:
    try:
        package = json.loads(look.files.get("package.json", "{}"))
    except (json.JSONDecodeError, RecursionError):
        return
    scripts = package.get("scripts") if isinstance(package, dict) else None
    if "package.json" not in look.files or not isinstance(package, dict):
        return
    manager, install, lock = _package_manager(look, package)
    if package.get("dependencies") or package.get("devDependencies"):
        draft.setup.append(install)
        draft.setup_inputs += ["package.json", *([lock] if lock else [])]
        draft.keep.append("node_modules")
    wanted: tuple[tuple[str, str, Stage], ...] = (
        ("lint", "lint", "check"),
        ("typecheck", "types", "check"),
        ("type-check", "types", "check"),
        ("check-types", "types", "check"),
        ("format:check", "format", "check"),
        ("test", "suite", "land"),
    )
    for script, what, stage in wanted:
        command = scripts.get(script) if isinstance(scripts, dict) else None
        if not isinstance(command, str) or "no test specified" in command:
            continue
        # runners that watch for changes look at CI and then run once
        prefix = "CI=true " if what == "suite" else ""
        name = f"{'js-' if 'tests' in draft.gates and script == 'test' else ''}{script}"
        gate = name.replace(":", "-")
        draft.add(gate, f"{prefix}{manager} run {script}", "scripts in package.json", what, stage)
    if "types" not in draft.covered and "tsconfig.json" in look.files:
        runner = "bunx" if manager == "bun" else "npx --no-install"
        draft.add("tsc", f"{runner} tsc --noEmit", "tsconfig.json", "types")


def _package_manager(look: Look, package: Mapping[str, Any]) -> tuple[str, str, str | None]:
    named = str(package.get("packageManager", "")).split("@")[0]
    for manager, install, locks in (
        ("pnpm", "pnpm install --frozen-lockfile", ("pnpm-lock.yaml",)),
        ("yarn", "yarn install --frozen-lockfile", ("yarn.lock",)),
        ("bun", "bun install --frozen-lockfile", ("bun.lock", "bun.lockb")),
    ):
        lock = next((name for name in locks if name in look.files), None)
        if named == manager or lock is not None:
            return manager, install, lock
    if "package-lock.json" in look.files:
        return "npm", "npm ci", "package-lock.json"
    return "npm", "npm install --no-package-lock", None


def _rust(look: Look, draft: Draft) -> None:
    if "Cargo.toml" not in look.files:
        return
    if "rustfmt.toml" in look.files or ".rustfmt.toml" in look.files:
        draft.add("cargo-fmt", "cargo fmt --check", "rustfmt.toml", "format")
        draft.fix.append("cargo fmt")
    draft.add("cargo-check", "cargo check --all-targets", "Cargo.toml", "types")
    draft.add("cargo-test", "cargo test", "Cargo.toml", "suite", "land")
    draft.keep.append("target")


def _go(look: Look, draft: Draft) -> None:
    if "go.mod" in look.files:
        draft.add("go-vet", "go vet ./...", "go.mod", "lint")
        draft.add("go-test", "go test ./...", "go.mod", "suite", "land")


def _make(look: Look, draft: Draft) -> None:
    name = next((n for n in ("GNUmakefile", "makefile", "Makefile") if n in look.files), None)
    if name is None:
        return
    targets = _targets(look.files[name])
    wanted: tuple[tuple[str, str, Stage], ...] = (
        ("lint", "lint", "check"),
        ("typecheck", "types", "check"),
        ("test", "suite", "land"),
        ("tests", "suite", "land"),
        ("check", "suite", "land"),
    )
    for target, what, stage in wanted:
        if target in targets and what not in draft.covered:
            draft.add(f"make-{target}", f"make {target}", name, what, stage)


def _targets(makefile: str) -> set[str]:
    """Every target that a rule names, also beside others and with `::`; no variable is one."""
    lines = re.sub(r"\\\r?\n", " ", makefile)
    rules = re.findall(r"(?m)^([^\s#:=][^#:=\n]*?)\s*::?(?![:=])", lines)
    return {name for rule in rules for name in rule.split()}


def _tox(look: Look) -> str | None:
    """The file that configures tox, in the order in which tox itself looks for one."""
    files = look.files
    if re.search(r"(?m)^\[(testenv|tox)", files.get("tox.ini", "")):
        return "tox.ini"
    if re.search(r"(?m)^\[tox:tox\]", files.get("setup.cfg", "")):
        return "setup.cfg"
    if "tox" in tools_of(files):
        return "[tool.tox] in pyproject.toml"
    return "tox.toml" if "tox.toml" in files else None


def _runners(look: Look, draft: Draft) -> None:
    if "suite" not in draft.covered and (why := _tox(look)):
        draft.add("tox", "tox -q", why, "suite", "land")
        draft.keep.append(".tox")
    if "suite" not in draft.covered and "noxfile.py" in look.files:
        draft.add("nox", "nox", "noxfile.py", "suite", "land")
        draft.keep.append(".nox")
    if "lint" not in draft.covered and hooks_of(look.files):
        reason = ".pre-commit-config.yaml"
        draft.add("pre-commit", "pre-commit run --all-files", reason, "lint")
