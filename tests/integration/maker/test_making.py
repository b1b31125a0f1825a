"""A model makes a change: the way of a round, in each dialect."""

from dataclasses import replace

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


async def test_nothing_of_the_environment_goes_along(tmp_path, dialect, monkeypatch):
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, "of-a-person")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "of-a-person")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with room(tmp_path, FINISH, dialect=dialect) as here:
        direct = replace(here.access, url=here.model.url)
        here.surroundings = replace(here.surroundings, model=direct)
        assert (await here.work()).outcome == "done"
        headers = here.model.requests[0].headers
        assert "of-a-person" not in str(headers)
        keys = [headers[name] for name in ("x-api-key", "authorization") if name in headers]
        assert len(keys) == 1 and keys[0].endswith(direct.key)


async def test_what_a_report_says_is_redacted(tmp_path):
    secret = "hunter2-hunter2-hunter2"
    turn = {"text": f"I refuse: {secret}", "stop": "refusal"}
    async with room(tmp_path, turn, secrets={"API_KEY": secret}) as here:
        report = await here.work()
        assert secret not in str(report) and "[redacted API_KEY]" in report.why
        assert secret not in here.log
