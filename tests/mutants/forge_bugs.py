"""Seeded bugs in what leaves for a remote, and in what comes back out of a bundle."""

from __future__ import annotations

from tests.mutants.seeded import Seeded

_PUSH = "tests/integration/forges/test_push.py"
_PULLS = "tests/integration/forges/test_pull_requests.py"
_BUNDLES = "tests/integration/bundle/test_bundles.py::test_a_hostile_file_brings_nothing"

FORGE_BUGS = (
    Seeded(
        "pushes-with-force",
        "nobody's branch on a remote is moved but our own, and that forward",
        "orchestrator/policy/pushing.py",
        "if branch in own and is_forward(at):",
        "if is_forward(at):",
        (f"{_PUSH}::test_a_branch_of_that_name_that_this_run_never_pushed_is_left_alone",),
    ),
    Seeded(
        "pushes-what-was-not-judged",
        "only judged trees are pushed",
        "orchestrator/forges/push.py",
        "if git.tree_of(load.commit) != load.tree:",
        "if not load.tree:",
        (f"{_PUSH}::test_a_commit_whose_tree_is_not_the_judged_one_is_not_pushed",),
    ),
    Seeded(
        "protects-nothing",
        "protected names are never pushed to",
        "orchestrator/forges/push.py",
        "_refuse_protected(name, settings, seen.head)",
        "_refuse_protected(name, settings, None)",
        (f"{_PUSH}::test_what_the_remote_says_is_its_main_branch_is_refused",),
    ),
    Seeded(
        "runs-the-repositorys-helpers",
        "no program of the repository's starts while orch pushes",
        "worktree/remote.py",
        '_OWN = ("global", "system")',
        '_OWN = ("global", "system", "local")',
        (f"{_PUSH}::test_who_one_is_comes_from_the_users_own_configuration_alone",),
    ),
    Seeded(
        "opens-two",
        "one that was opened while the line broke is looked for, not given up",
        "orchestrator/forges/pull_request.py",
        'if not (error.unsure or error.trouble == "conflict"):',
        "if error.trouble:",
        (f"{_PULLS}::test_one_that_a_crash_swallowed_is_found_and_no_second_is_opened",),
    ),
    Seeded(
        "opens-again-after-a-500",
        "what may have been done is not done twice",
        "orchestrator/forges/http.py",
        "safe = method in RETRIED or not again.error.unsure",
        "safe = True",
        (
            f"{_PULLS}::test_what_is_broken_for_a_moment_is_tried_again_where_nothing_can_be_done_twice",
        ),
    ),
    Seeded(
        "tells-the-token",
        "no token is in what is said",
        "orchestrator/forges/http.py",
        "return Redactor({self.token.source: self.token.value}).redact_text(text)",
        "return text",
        (f"{_PULLS}::test_a_token_that_the_forge_repeats_is_not_told",),
    ),
    Seeded(
        "sends-the-token-astray",
        "a well-known token goes to the remote's own host alone",
        "orchestrator/forges/tokens.py",
        "if not is_own_host(repo):",
        "if not repo.api:",
        ("tests/unit/forges/test_addresses.py",),
    ),
    Seeded(
        "takes-any-ref",
        "a bundle sets no ref but those of its run",
        "orchestrator/bundle/taking.py",
        "if not ref.startswith((run_refs(run), run_branches(run))):",
        "if not ref:",
        (_BUNDLES,),
    ),
    Seeded(
        "believes-a-bundle",
        "refs and facts of a bundle agree before they count",
        "orchestrator/bundle/taking.py",
        "if not found.agrees:",
        "if not found.run:",
        (_BUNDLES,),
    ),
    Seeded(
        "runs-what-a-bundle-says",
        "a bundle's commands run only where a person trusts them",
        "orchestrator/cli/bundling.py",
        "if asked and not trusted:",
        "if asked and trusted:",
        ("tests/e2e/test_forges.py::test_the_next_job_goes_on_where_a_killed_one_stopped",),
    ),
)
