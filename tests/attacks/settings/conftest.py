from pathlib import Path

import pytest

from tests.attacks.settings.support import Attacked


@pytest.fixture
def here(tmp_path: Path) -> Attacked:
    return Attacked(tmp_path)
