"""A model makes a change: the way of a round, in each dialect."""

from tests.integration.maker.support import (
    FINISH,
    call,
    calls,
    room,
    system_of,
    user_words,
)


async def test_a_model_reads_edits_runs_and_finishes(tmp_path, dialect):
    turns = (
        calls(call("list"), call("read", path="src/sums.py"), text="I look first."),
        calls(
            call("edit", path="src/sums.py", old="sum(numbers) + 1", new="sum(numbers)"),
            call("run", command="sh test.sh && echo fine"),
        ),
        FINISH,
    )
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert (report.outcome, report.why) == ("done", "")
        assert report.summary == "I did it. I ran the test."
        assert (here.tree / "src/sums.py").read_text().endswith("sum(numbers)\n")
        listed, shown = here.results(1)
        assert "src/" in listed
        assert "2|     return sum(numbers) + 1" in shown
        edited, ran = here.results(2)
        assert "replaced at line 2" in edited
        assert ran.startswith("exit 0 after") and "fine" in ran
        assert report.usage.tokens > 0
        log = here.log
        assert "I look first." in log and "> edit" in log and "exit 0" in log
        assert [one.name for one in here.surroundings.log.parent.iterdir()] == ["1.log"]


async def test_a_red_check_goes_back_into_the_same_conversation(tmp_path, dialect):
    wrong = call("edit", path="src/sums.py", old="+ 1", new="+ 2")
    right = call("edit", path="src/sums.py", old="sum(numbers) + 2", new="sum(numbers)")
    turns = (
        calls(wrong),
        FINISH,
        calls(right, text="Now I see."),
        calls(call("finish", summary="Mended. Tested.")),
    )
    async with room(tmp_path, *turns, dialect=dialect) as here:
        assert (await here.work()).outcome == "done"
        report = await here.work(feedback="gate 'sums' failed: it is 2 too much")
        assert (report.outcome, report.summary) == ("done", "Mended. Tested.")
        third = here.model.requests[2]
        assert "Mend the sum." in user_words(third)
        assert "it is 2 too much" in user_words(third)
        assert len({one.conversation for one in here.model.requests}) == 1
        assert "+ 2" not in (here.tree / "src/sums.py").read_text()
        assert len({system_of(one) for one in here.model.requests}) == 1
