"""Before a run that nobody attends starts: everything that it lacks, at once."""

from __future__ import annotations

from orchestrator.cli.trusting import require_trust
from orchestrator.config import lacking_keys
from orchestrator.errors import WRONG_USE, OrchError, Problem, Problems
from orchestrator.planned import Checked
from orchestrator.policy.models import workers_of_run
from orchestrator.pricing import unpaid
from orchestrator.start import RunOptions, unattended_problems
from orchestrator.workplace import Workplace


def require_unattended(
    workplace: Workplace, checked: Checked, options: RunOptions, *, keys: bool = True
) -> None:
    """Return when the run may start with nobody there; Problems with all that is missing.

    `keys`: those of the models that it may ask must be there.
    """
    problems = list(unattended_problems(workplace.git, checked.settings, checked.plan, options))
    if keys:
        asked = workers_of_run(checked.settings, checked.plan)
        problems += lacking_keys(checked.settings, workplace.environ, asked)
    problems += unpaid(checked.settings, workers_of_run(checked.settings, checked.plan))
    exit_code = WRONG_USE
    try:
        require_trust(workplace, checked.sourced, attended=False)
    except OrchError as error:
        problems.append(Problem("", None, error.message, error.hint))
        exit_code = error.exit_code
    if problems:
        raise Problems(problems, exit_code=exit_code)
