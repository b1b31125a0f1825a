"""What is rendered reads back as the same plan, and people's comments outlive a change."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model import Plan, Task
from orchestrator.planning.plan_file import draft_plan
from orchestrator.planning.plan_text import change_plan_text, render_plan
from orchestrator.toml_lines import parse_document
from tests.support.examples import examples

TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("\"'\\\n\r\t #[]{}=.ab\x00\x1f\x7fé\u2028")),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)
LISTS = st.lists(TEXT, max_size=4).map(tuple)
IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)


@st.composite
def plans(draw):
    ids = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    tasks = tuple(
        Task(
            id=name,
            title=draw(TEXT),
            prompt=draw(TEXT),
            needs=tuple(draw(st.lists(st.sampled_from(ids), max_size=2))),
            paths=draw(LISTS),
            may_change=draw(LISTS),
            worker=draw(st.none() | TEXT.filter(bool)),
            gates=draw(LISTS),
        )
        for name in ids
    )
    return Plan(goal=draw(TEXT), base=draw(st.none() | TEXT.filter(bool)), tasks=tasks)


def read(text):
    draft = draft_plan(parse_document(text, "plan.toml"), leave_names=False)
    assert draft.problems == ()
    return Plan.model_validate(draft.plan.model_dump())


@settings(max_examples=examples(120), deadline=None)
@given(plans(), st.lists(TEXT, max_size=3))
def test_a_rendered_plan_reads_back_as_itself(plan, comments):
    assert read(render_plan(plan, comments)) == plan


@settings(max_examples=examples(60), deadline=None)
@given(plans(), plans())
def test_a_changed_text_says_the_new_plan(before, after):
    said = read(change_plan_text(render_plan(before, ["by hand"]), after))
    assert (said.goal, said.base) == (after.goal, after.base)
    assert {task.id: task for task in said.tasks} == {task.id: task for task in after.tasks}


def test_prompts_stay_readable():
    def prompt(text):
        plan = Plan(goal="g", tasks=(Task(id="a", prompt=text),))
        return render_plan(plan).split("prompt = ")[1].rstrip("\n")

    assert prompt("Do it.") == '"Do it."'
    assert prompt('One "two"\nthree') == '"""\nOne "two"\nthree"""'
    assert prompt('a\nsaid "b"') == r'"a\nsaid \"b\""'  # four quotes in a row puzzle readers
    assert prompt("re \\d+\nline") == "'''\nre \\d+\nline'''"


HAND_WRITTEN = """\
# my plan
goal = "Old"  # the goal

# the first thing
[[task]]
id = "a"  # keep this id
prompt = "Do a."   # said by Ann
paths = ["a/**"]

# the second thing
[[task]]
id = "b"
prompt = "Do b."
needs = ["a"]
"""


def test_comments_of_people_survive_a_change():
    changed = Plan(
        goal="New",
        tasks=(
            Task(id="a", prompt="Do a.", paths=("a/**", "x")),
            Task(id="b", prompt="Do b\nwell."),
            Task(id="c", prompt="Do c.", needs=("b",)),
        ),
    )
    text = change_plan_text(HAND_WRITTEN, changed)
    assert read(text) == changed
    for comment in ["# my plan", "# the goal", "# the first thing", "# the second thing"]:
        assert comment in text
    assert 'id = "a"  # keep this id' in text
    assert "# said by Ann" in text
    assert "needs = [" not in text.split('id = "b"')[1].split("[[task]]")[0]


def test_a_long_list_stands_line_by_line():
    paths = tuple(f"src/package/module_{n}.py" for n in range(9))
    text = render_plan(Plan(goal="g", tasks=(Task(id="a", prompt="p", paths=paths),)))
    assert 'paths = [\n    "src/package/module_0.py",\n' in text
    assert tomllib.loads(text)["task"][0]["paths"] == list(paths)
