from pathlib import Path

import pytest

from tests.integration.automations.support import Automated


@pytest.fixture
def automated(tmp_path: Path) -> Automated:
    return Automated(tmp_path)
