"""The seeded bugs can be seeded: what they change is there, and so are the tests they name."""

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.bugs import BUGS
from tests.mutants.seeded import Seeded

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_seeded_bug_has_its_place_and_its_tests(bug: Seeded) -> None:
    assert (ROOT / bug.file).read_text("utf-8").count(bug.old) == 1, bug.file
    for test in bug.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not name or f"def {name}(" in text, test


def test_there_are_enough_of_them_with_names_of_their_own() -> None:
    assert len(BUGS) >= 25
    assert max(Counter(bug.name for bug in BUGS).values()) == 1
