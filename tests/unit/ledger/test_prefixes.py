"""The queue and what is known of its prefixes."""

from __future__ import annotations

from ledger import events as e
from tests.support.builders import Story, head


def four_queued() -> Story:
    return Story.of(6).baseline().queues("t1", "t2", "t3", "t4")


def test_green_heads_queue_in_the_order_in_which_they_end():
    story = Story.of(3).baseline().starts("t1", "t2").ends("t2").ends("t1")
    assert story.state.queue == [head("t2"), head("t1")]


def test_the_shortest_red_prefix_is_what_is_suspected():
    story = four_queued()
    story.judges(story.builds(4), "failed")
    assert story.state.suspects == 4
    story.judges(story.builds(2), "failed")
    assert story.state.suspects == 2
    story.judges(story.builds(3), "failed")
    assert story.state.suspects == 2


def test_landing_a_part_of_a_red_prefix_shortens_it():
    story = four_queued()
    story.judges(story.builds(4, "all"), "failed")
    first = story.builds(3)
    story.judges(first).lands(first)
    assert story.state.suspects == 1
    assert story.state.queue == [head("t4")]
    assert story.state.trees["all"].reds == 1


def test_landing_more_than_a_red_prefix_forgets_it():
    story = four_queued()
    long = story.builds(4)
    story.judges(story.builds(2), "failed")
    story.judges(long).lands(long)
    assert story.state.suspects == 0
    assert story.state.queue == []


def test_a_longer_prefix_says_what_it_said_after_a_part_of_it_has_landed():
    story = four_queued()
    long, short = story.builds(4), story.builds(1)
    story.tell(e.JudgingStarted(candidate=long)).judges(short).lands(short)
    assert story.state.prefix_of(story.state.candidates[long]) == 3
    story.tell(e.CandidateJudged(candidate=long, outcome="failed", gate="unit"))
    assert story.state.suspects == 3


def test_nothing_is_said_of_a_prefix_when_somebody_else_moved_the_tip_meanwhile():
    story = four_queued()
    long, short = story.builds(4), story.builds(1)
    story.tell(e.JudgingStarted(candidate=long)).judges(short).lands(short)
    again = story.builds(1)
    story.judges(again).tell(e.LandingIntended(candidate=again))
    story.tell(e.CandidateStale(candidate=again, tip="pushed", tip_tree="pushed-tree"))
    assert story.state.prefix_of(story.state.candidates[long]) is None
    story.tell(e.CandidateJudged(candidate=long, outcome="failed", gate="unit"))
    assert story.state.suspects == 0


def test_a_push_between_two_landings_breaks_the_way_too():
    story = four_queued()
    long, short = story.builds(4), story.builds(1)
    story.tell(e.JudgingStarted(candidate=long)).judges(short).lands(short)
    stale = story.builds(1)
    story.judges(stale).tell(e.LandingIntended(candidate=stale))
    story.tell(e.CandidateStale(candidate=stale, tip="pushed", tip_tree="pushed-tree"))
    after = story.builds(1)
    story.judges(after).lands(after)
    assert story.state.prefix_of(story.state.candidates[long]) is None


def test_a_head_that_leaves_takes_what_was_known_with_it():
    story = four_queued()
    story.judges(story.builds(3), "failed").tell(e.PrefixCut(length=3))
    story.tell(e.HeadSentBack(task="t4", attempt=1, cause="conflict", charged=False))
    assert (story.state.suspects, story.state.cut) == (3, 3)
    story.tell(e.HeadSentBack(task="t2", attempt=1, cause="conflict", charged=False))
    assert (story.state.suspects, story.state.cut) == (0, 0)
    assert story.state.queue == [head("t1"), head("t3")]


def test_a_cut_comes_nearer_as_what_is_before_it_lands():
    story = four_queued().tell(e.PrefixCut(length=3))
    first = story.builds(2)
    story.judges(first).lands(first)
    assert story.state.cut == 1
    second = story.builds(1)
    story.judges(second).lands(second)
    assert story.state.cut == 0


def test_a_moved_tip_forgets_all_prefixes_and_keeps_the_queue():
    story = four_queued().tell(e.PrefixCut(length=3))
    story.judges(story.builds(4), "failed")
    passed = story.builds(2)
    story.judges(passed).tell(e.LandingIntended(candidate=passed))
    story.tell(e.CandidateStale(candidate=passed, tip="pushed", tip_tree="pushed-tree"))
    state = story.state
    assert (state.tip, state.tip_tree) == ("pushed", "pushed-tree")
    assert (state.suspects, state.cut, len(state.queue)) == (0, 0, 4)
    assert state.open_candidates == {}


def test_a_candidate_that_leads_nowhere_is_over():
    story = four_queued()
    story.builds(2)
    story.builds(4)
    assert list(story.state.open_candidates) == [1, 2]
    story.tell(e.HeadSentBack(task="t3", attempt=1, cause="conflict", charged=False))
    assert list(story.state.open_candidates) == [1]
    assert story.state.candidates[2].status == "over"


def test_a_landing_says_what_it_was_made_of():
    story = four_queued()
    number = story.builds(2, "tree")
    story.judges(number).lands(number)
    (landing,) = story.state.landings
    assert (landing.before, landing.commit, landing.tree) == ("base", f"c{number}", "tree")
    assert landing.heads == (head("t1"), head("t2"))
    assert story.state.tasks["t1"].landed_by == number
    assert story.state.tip == landing.commit


def test_a_blamed_head_is_charged_and_tried_again():
    story = four_queued()
    story.tell(e.HeadSentBack(task="t1", attempt=1, cause="red", why="gate 'unit' failed"))
    task = story.state.tasks["t1"]
    assert (task.status, task.charged, task.note) == ("ready", 1, "gate 'unit' failed")
    assert story.state.blamed == 1
    assert story.state.again == {"t1": None}
    assert task.attempts[0].sent_back is not None


def test_could_not_run_says_something_only_when_it_happens_twice():
    story = four_queued()
    number = story.builds(4)
    story.judges(number, "could-not-run")
    assert story.state.suspects == 0
    story.judges(number, "could-not-run")
    assert story.state.suspects == 4


def test_a_flake_clears_the_tree():
    story = four_queued()
    number = story.builds(1, "tree")
    story.judges(number, "failed").judges(number, "failed", confirms=True)
    assert story.state.trees["tree"].reds == 2
    story.tell(e.FlakeSeen(gate="unit", tree="tree"), e.FlakeSeen(gate="unit", tree="unknown"))
    assert story.state.trees["tree"].reds == 0
    assert len(story.state.flakes) == 2


def test_a_repeated_verdict_counts_once():
    story = four_queued()
    number = story.builds(1, "tree")
    story.judges(number, "failed").judges(number, "failed")
    assert story.state.trees["tree"].reds == 1
