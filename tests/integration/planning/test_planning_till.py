"""What planning came to is kept beside the ledger, also of a planning that was killed."""

from pathlib import Path

import pytest

from ledger.books import Cap, Caps
from ledger.model import Tokens
from ledger.place import Place, place_of
from orchestrator.costs import load_costs
from orchestrator.planning.till import PlanningTill, load_planning, planning_file
from workers.gateway.till import Call, MemoryTill, Refused, Reservation

pytestmark = pytest.mark.anyio
USED = Tokens(input=50, output=10)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / ".git").mkdir()
    return place_of(tmp_path / ".git", {"ORCH_STATE_DIR": str(tmp_path / "state")})


def call(cost_usd: float | None = 0.5) -> Call:
    return Call("planning", "plan", 1, "thinker", "acme", "large", 900, cost_usd)


async def made(till: PlanningTill, cost_usd: float | None = 0.5) -> Reservation:
    found = await till.reserve(call(cost_usd))
    assert isinstance(found, Reservation)
    return found


async def test_planning_is_counted_and_what_nobody_settled_at_its_worst(place: Place) -> None:
    for _ in range(2):
        till = PlanningTill(MemoryTill(Caps(run=Cap(usd=1.0))), place)
        first = await made(till)
        assert len(list(load_planning(place))) % 2 == 1, "kept before the call leaves"
        await till.settle(first, USED, 0.1)
    await made(till)  # and then it was killed
    costs = load_costs(place, None, "model")
    bill = costs.purposes["planning"]
    assert (bill.calls, bill.unsettled, bill.amount.tokens) == (3, 1, 2 * 60 + 900)
    assert bill.amount.cost_usd == pytest.approx(0.7) and costs.whole.landed == 0
    assert [line.name for line in costs.lines] == ["acme:large"]
    assert [line.name for line in load_costs(place, None, "task").lines] == ["(planning)"]
    assert load_costs(place, None, "run", run="some-run").whole.bill.calls == 0


async def test_a_call_that_is_refused_is_not_kept(place: Place) -> None:
    till = PlanningTill(MemoryTill(Caps(run=Cap(usd=0.4))), place)
    assert isinstance(await till.reserve(call()), Refused)
    assert list(load_planning(place)) == []


async def test_a_torn_line_hides_nothing_that_follows(place: Place) -> None:
    till = PlanningTill(MemoryTill(), place)
    first = await made(till)
    with planning_file(place).open("a") as file:
        file.write('{"planning": "half a li')
    await till.settle(first, USED, None)
    costs = load_costs(place, None, "run")
    assert (costs.whole.bill.unsettled, costs.whole.bill.amount.unpriced) == (0, 1)
    assert planning_file(place).stat().st_mode & 0o777 == 0o600
