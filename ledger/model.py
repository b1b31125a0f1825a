"""The nouns: what is planned, what judges it, and what came of it. Pure values.

Every class is frozen and refuses unknown keys, so a value that exists is well formed.
Files that people write (plans, settings) are read into these by `orchestrator.planning`
and `orchestrator.config`, which know lines and give hints; nothing here reads anything.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ledger.connectors import (
    ForgeSettings,
    McpServer,
    McpServerSettings,
    NotifySettings,
    TicketSettings,
)
from ledger.value import TASK_ID as TASK_ID
from ledger.value import Network as Network
from ledger.value import RunId as RunId
from ledger.value import Sha as Sha
from ledger.value import TaskId as TaskId
from ledger.value import Value as Value

FEWER_TESTS = "fewer-tests"
"""What a task may be allowed beside paths: that fewer tests run than before."""
LAST_GREEN = "last-green"
"""In place of a revision: the newest commit of the branch that its gates are known to pass."""
BLOCKING_FINDINGS = "blocking-findings"
"""And that it lands although a checker blocks it."""


# --- what is wanted -------------------------------------------------------------------------


class Task(Value):
    """One unit of work; it needs other tasks to have landed (or to be unchanged) first."""

    id: TaskId
    title: str = ""
    prompt: str
    needs: tuple[TaskId, ...] = ()
    paths: tuple[str, ...] = ()
    """What it may change, git wildmatch from the root; empty: anything."""
    may_change: tuple[str, ...] = ()
    """Protected paths that it may change after all; `fewer-tests`: it may lose tests."""
    worker: str | None = None
    gates: tuple[str, ...] = ()
    """Gates that judge it beside the run's own."""
    mcp: tuple[str, ...] | None = None
    """The only MCP servers whose tools it is given; None: all that its worker may use."""


class Plan(Value):
    """A goal's tasks and their order."""

    goal: str
    base: str | None = None
    """A revision, or `last-green`; absent: what the user's checkout is on."""
    tasks: tuple[Task, ...] = Field(min_length=1)

    def task(self, task_id: TaskId) -> Task:
        """The task of that id; KeyError where there is none."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)


# --- who works, who judges, within what -----------------------------------------------------

Stage = Literal["check", "land"]
PassIf = Literal["exit-0", "no-new-failures"]


SandboxMode = Literal["bubblewrap", "none", "external"]


class SandboxSettings(Value):
    """What workers, set-up and gates may touch of the machine."""

    mode: SandboxMode = "bubblewrap"
    """`none`: they run as the user, with all rights. `external`: something around orch confines."""
    read: tuple[str, ...] = ()
    """Places that they may read beside the system and the tools on PATH; `~` is the user's home."""
    write: tuple[str, ...] = ()
    """Places that they may write beside their workspace: shared by all, so never for sources."""
    setup_network: Network = False
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """What one command and all that it starts may hold; absent: three quarters of the machine's."""
    processes: Annotated[int, Field(ge=8)] = 2048
    """How many processes and threads one command may have."""
    file_gb: Annotated[float, Field(gt=0)] = 8.0
    """How large a file that it writes may be."""


class Gate(Value):
    """A command that judges a tree by its exit code."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
    command: str
    stage: Stage = "land"
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Absent: the larger of 600 and 4 times the baseline's duration."""
    when: Literal["always", "named"] = "always"
    """`named`: it judges only the work of tasks that name it."""
    network: Network = False
    """What it may reach from its sandbox."""
    pass_if: PassIf = "exit-0"
    """`no-new-failures`: a test that failed on the base may fail; no other may."""
    junit: str | None = None
    """Where in the tree its command writes a report in JUnit's XML."""


class CommandWorker(Value):
    """Any program as a worker, run by `sh -c` in the workspace."""

    kind: Literal["command"]
    command: str
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    env: tuple[str, ...] = ()
    """Names of variables of the user's environment that it may see."""
    network: Network = False
    """What it may reach from its sandbox."""


ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*:[!-~]+$", max_length=200)]
"""`provider:model`; what is behind the first colon is the provider's own name for it."""


class ModelWorkerSettings(Value):
    """A model as a worker: orch's own loop, or who plans or checks."""

    kind: Literal["model"]
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    """The first is asked; the others in turn, where a task goes in circles. `model` in the file
    is a ladder of one."""
    prompt: str = ""
    """Instructions beside those of orch."""
    window_tokens: Annotated[int, Field(ge=4096)] = 128_000
    """What the model can read at once."""
    max_output_tokens: Annotated[int, Field(ge=256)] = 16_000
    """What one of its answers may have."""
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    network: Network = False
    """What the commands that it runs may reach from their sandbox."""


WorkerSettings = Annotated[CommandWorker | ModelWorkerSettings, Field(discriminator="kind")]


class ProviderSettings(Value):
    """Who serves models."""

    dialect: Literal["anthropic", "openai"]
    """Which wire format it speaks: Anthropic Messages, or OpenAI Chat Completions."""
    url: str
    key: str | None = None
    """The name of the variable that holds its key; None: it wants none."""
    parallel: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many calls it serves at a time, from all runs together; None: as many as come."""


CallPurpose = Literal["work", "check", "plan"]
"""What a model is called for."""


class Shortage(Value):
    """By how much a budget was too little for a call, in one unit."""

    unit: Literal["usd", "tokens"]
    needed: float | int
    """What the call may come to at the worst."""
    left: float | int
    limit: float | int


class Price(Value):
    """What a model costs, in US dollars for a million tokens."""

    model: str
    """As requests name it, or `provider:model`."""
    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cache_read: Annotated[float, Field(ge=0)] | None = None
    """None: as any input."""
    cache_write: Annotated[float, Field(ge=0)] | None = None

    def cost_usd(self, tokens: Tokens) -> float:
        """What that many tokens cost."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        total = tokens.input * self.input + tokens.output * self.output
        return (total + tokens.cache_read * read + tokens.cache_write * write) / 1e6


class Limits(Value):
    """What a run may use; the part of the settings that may change while it goes on."""

    parallel: Annotated[int, Field(ge=1, le=256)] = 4
    gates_parallel: Annotated[int, Field(ge=1, le=64)] = 1
    attempts: Annotated[int, Field(ge=1, le=50)] = 3
    rounds: Annotated[int, Field(ge=1, le=50)] = 3
    timeout_s: Annotated[float, Field(gt=0)] = 1800.0
    """One attempt's own working time: gates and sleep are not counted."""
    min_free_gb: Annotated[float, Field(ge=0)] = 5.0
    check_rounds: Annotated[int, Field(ge=1, le=20)] = 2
    """How often a checker may send an attempt's work back."""
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What all model calls of the run may cost. None: as much as comes, like the next four."""
    budget_tokens: Annotated[int, Field(ge=1)] | None = None
    call_usd: Annotated[float, Field(gt=0)] | None = None
    attempt_usd: Annotated[float, Field(gt=0)] | None = None
    task_usd: Annotated[float, Field(gt=0)] | None = None
    """What one task may cost, all its attempts together."""
    deadline: float | None = None
    """Seconds since the epoch; past it nothing new starts and the run ends in order."""


class Preparation(Value):
    """How a workspace is made ready."""

    setup: tuple[str, ...] = ()
    setup_inputs: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    copy_files: tuple[str, ...] = ()
    """Ignored files of the user's checkout that workspaces need (`copy` in the file)."""
    copy_gates: tuple[str, ...] = ()
    """The same, for gates only."""


class Settings(Value):
    """What `.agent/orch.toml` says, as it stood when the run started."""

    limits: Limits = Limits()
    preparation: Preparation = Preparation()
    sandbox: SandboxSettings = SandboxSettings()
    notify: NotifySettings = NotifySettings()
    worker: str | None = None
    """The default worker's name."""
    planner: str | None = None
    """Who plans; a model worker. None: nobody, a goal is one task."""
    checker: str | None = None
    """Who judges what others made, between check and land gates; a model worker."""
    plan_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What planning may cost; None: what the run may."""
    daily_usd: Annotated[float, Field(gt=0)] | None = None
    """What all runs of a day may cost together before automations start no more; None: no end."""
    daily_tokens: Annotated[int, Field(ge=1)] | None = None
    fix: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """Names of variables of the user's environment that gates and set-up may see."""
    workspaces: str | None = None
    """The folder that workspaces live in; absent: the user's state folder."""
    gates: tuple[Gate, ...] = ()
    workers: dict[str, WorkerSettings] = Field(default_factory=dict)
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    """Those of the file, and the well-known ones that a worker's models name."""
    mcp: dict[str, McpServer] = Field(default_factory=dict)
    """Servers of tools for model workers, by name."""
    prices: tuple[Price, ...] = ()
    """They win over the list that orch comes with."""
    mcp_server: McpServerSettings = McpServerSettings()
    forge: ForgeSettings | None = None
    """None: nothing is said of it, and what the remote says is enough."""
    tickets: TicketSettings | None = None
    """None: they are the forge's issues."""

    def gate(self, name: str) -> Gate:
        """The gate of that name; KeyError where there is none."""
        for gate in self.gates:
            if gate.name == name:
                return gate
        raise KeyError(name)


class Identity(Value):
    """Who commits."""

    name: str
    email: str


# --- what came of it ------------------------------------------------------------------------

Outcome = Literal["passed", "failed", "could-not-run"]


class TestCount(Value):
    """How many tests ended in which way."""

    __test__: ClassVar[bool] = False  # not a test class, whatever pytest makes of its name

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    """An expected failure counts as skipped."""
    errors: int = 0
    """Tests that broke before or after they could say anything."""

    @property
    def total(self) -> int:
        return self.ran + self.skipped

    @property
    def ran(self) -> int:
        return self.passed + self.bad

    @property
    def bad(self) -> int:
        return self.failed + self.errors

    def __add__(self, other: TestCount) -> TestCount:
        return TestCount(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
            errors=self.errors + other.errors,
        )

    def render(self) -> str:
        """`5 passed, 1 failed, 2 errors, 3 skipped`, without what is zero."""
        parts = [f"{self.passed} passed"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.errors} error{'s' * (self.errors > 1)}"] if self.errors else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(parts)


class Verdict(Value):
    """What a gate said of a tree."""

    gate: str
    tree: Sha
    key: str
    """Hash of all that the verdict depends on; equal keys may share a verdict."""
    outcome: Outcome
    exit_code: int | None = None
    """None: it never ended by itself."""
    why: str = ""
    """For a person: why it could not run, or the one line that says what failed."""
    lines: tuple[str, ...] = ()
    """The lines of its output that matter, bounded, without terminal escapes."""
    signature: str = ""
    """Equal for equal failures: line numbers, times and paths of workspaces are left out."""
    tests: TestCount | None = None
    """None: no report and no runner counted any."""
    needed_tests: int | None = None
    """How many tests had to run, where fewer did: a pass by leave then, or none."""
    failed_tests: tuple[str, ...] = ()
    """The names of tests that failed, the first 200."""
    failed_more: int = 0
    """How many more failed than are named."""
    new_failures: tuple[str, ...] | None = None
    """Those of `failed_tests` that did not fail on the base; None: the base is not known."""
    duration_s: float = 0.0
    log: str | None = None
    """The blob that holds its whole (bounded) output."""
    reused: bool = False


class Refusal(Value):
    """A change that may not be committed as it is, and why."""

    path: str
    why: str


class Finding(Value):
    """A place in a head that a person must look at before it goes on."""

    path: str
    line: int = 0
    """0: the file as a whole, or its name."""
    test: str = ""
    """The test that is weaker; empty: it is no matter of tests."""
    what: str

    @property
    def said(self) -> str:
        """It as one line: `tests/test_a.py:12: test_total: it is skipped now`."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return ": ".join(filter(None, (place, self.test, self.what)))


class CheckerFinding(Value):
    """What a checker found in a change."""

    path: str
    line: int = 0
    """0: the file as a whole."""
    severity: Literal["blocking", "advice"]
    """Only what is blocking sends work back."""
    what: str
    reproduce: str = ""
    """How to see it: a call, an input, a command."""

    @property
    def said(self) -> str:
        """It as one line: `src/a.py:12: an empty list divides by zero`."""
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


class Tokens(Value):
    """What model calls used, in the vendors' own tokens; each is counted in one place only."""

    input: Annotated[int, Field(ge=0)] = 0
    """Read at the full price: neither out of a cache nor into one."""
    cache_read: Annotated[int, Field(ge=0)] = 0
    cache_write: Annotated[int, Field(ge=0)] = 0
    output: Annotated[int, Field(ge=0)] = 0
    """Written, reasoning included."""
    reasoning: Annotated[int, Field(ge=0)] = 0
    """The part of the output that was thinking, where the vendor tells it apart."""

    @property
    def prompt(self) -> int:
        """All that was read, whatever its price."""
        return self.input + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        return self.prompt + self.output

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
        )


class Usage(Value):
    """What work cost."""

    duration_s: float = 0.0
    tokens: int = 0
    cost_usd: float | None = 0.0
    """None: not known, which is never zero."""
