"""Which verdicts may be shared."""

from ledger.model import Gate, Preparation, Verdict
from orchestrator.verification.keys import verdict_key

GATE = Gate(name="unit", command="pytest")
SAME = {
    "environment": {"PATH": "/bin", "HOME": "/h", "TMPDIR": "/w/1/tmp", "ORCH_PORT": "20001"},
    "preparation": Preparation(setup=("uv sync",), setup_inputs=("uv.lock",)),
    "copied": {".env": "1234"},
    "platform": "linux",
}


def key(gate=GATE, tree="a" * 40, **more):
    return verdict_key(gate, tree, **(SAME | more))


def test_a_key_holds_for_another_run_another_workspace_and_another_name():
    elsewhere = {"PATH": "/bin", "HOME": "/h", "TMPDIR": "/w/2/tmp", "ORCH_RUN": "b", "TMP": "/t"}
    assert key(environment=elsewhere) == key()
    assert key(GATE.model_copy(update={"name": "tests", "stage": "check"})) == key()
    assert key(base_tree="c" * 40) == key(base_tree="d" * 40)
    base = Verdict(gate="unit", tree="c" * 40, key="k", outcome="passed", failed_tests=("a",))
    assert key(base=base) == key()
    kept_of_nothing = key(preparation=Preparation(keep=("a",)))
    assert kept_of_nothing == key(preparation=Preparation())


def test_a_key_differs_with_everything_that_a_verdict_depends_on():
    compared = GATE.model_copy(update={"pass_if": "no-new-failures"})
    base = Verdict(gate="unit", tree="c" * 40, key="k", outcome="passed", exit_code=1)
    others = [
        key(compared),
        key(compared, base=base),
        key(compared, base=base.model_copy(update={"failed_tests": ("a",)})),
        key(compared, base=base.model_copy(update={"exit_code": 2})),
        key(GATE.model_copy(update={"junit": "r.xml"})),
        key(tree="b" * 40),
        key(GATE.model_copy(update={"command": "pytest -x"})),
        key(GATE.model_copy(update={"timeout_s": 5.0})),
        key(environment=SAME["environment"] | {"PATH": "/opt/bin"}),
        key(environment=SAME["environment"] | {"API": "1"}),
        key(preparation=Preparation(setup=("uv sync --frozen",), setup_inputs=("uv.lock",))),
        key(preparation=Preparation(setup=("uv sync",))),
        key(preparation=SAME["preparation"].model_copy(update={"keep": (".venv",)})),
        key(preparation=Preparation(setup=("uv sync",)), base_tree="c" * 40),
        key(copied={".env": "5678"}),
        key(copied={}),
        key(platform="darwin"),
        key(sandbox="gate"),
        key(network="off"),
    ]
    assert len({key(), *others}) == len(others) + 1
