"""Reports in JUnit's XML: what they say, and what they may not do."""

import os

import pytest

from ledger.model import TestCount
from orchestrator.verification import junit
from orchestrator.verification.junit import NoReport, make_room, parse_report, take_report

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="2" skipped="1" tests="6">
<testcase classname="t_names" name="test_p[a - b]"><failure>E  &lt;x/&gt;</failure></testcase>
<testcase classname="t_names.TestC" name="test_m"><failure message="x"/></testcase>
<testcase classname="t_names" name="test_late"><error message="setup"/></testcase>
<testcase classname="t_names" name="test_x"><skipped type="pytest.xfail"/></testcase>
<testcase classname="t_names" name="test_good"><system-out>hi</system-out></testcase>
<testcase classname="t_names" name="test_good2"><properties><failure/></properties></testcase>
</testsuite></testsuites>"""
NODE = b"""<testsuites><testcase name="alone" classname="test"><failure/></testcase>
<testsuite name="sums"><testcase name="adds" classname="test"><failure/></testcase></testsuite>
<testsuite name="more"><testcase name="adds" classname="test"/></testsuite></testsuites>"""


def test_tests_are_counted_and_named_by_their_elements():
    report = parse_report(PYTEST)
    assert report.tests == TestCount(passed=2, failed=2, skipped=1, errors=1)
    assert report.failed.names == (
        "t_names::test_p[a - b]",
        "t_names.TestC::test_m",
        "t_names::test_late",
    )
    assert (report.failed.told, report.failed.exact) == (3, True)


def test_a_test_without_a_class_of_its_own_is_named_by_its_suites():
    assert parse_report(NODE).failed.names == ("alone", "sums::adds")
    assert parse_report(NODE).failed.exact


def test_a_name_that_a_passed_test_has_too_is_not_exact():
    twice = b"<testsuite><testcase name='a'/><testcase name='a'><error/></testcase></testsuite>"
    report = parse_report(twice)
    assert report.failed.names == ("a",)
    assert not report.failed.exact


def test_other_dialects():
    gtest = b"<testsuite><testcase name='a' status='notrun' result='suppressed'/></testsuite>"
    assert parse_report(gtest).tests == TestCount(skipped=1)
    broken = (
        b"<testsuites><testsuite name='s'><error>no such class</error></testsuite></testsuites>"
    )
    assert parse_report(broken).tests == TestCount(errors=1)
    assert parse_report(broken).failed.names == ("s",)
    again = b"<testsuite><testcase name='a'><rerunFailure/><flakyFailure/></testcase></testsuite>"
    assert parse_report(again).tests == TestCount(passed=1)
    assert parse_report(b"<testsuites/>").tests == TestCount()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not whole XML"),
        (PYTEST[:-20], "not whole XML"),
        (b"<html></html>", "begins with <html>"),
        (b"<?xml version='1.0' encoding='no-such'?><testsuite/>", "not whole XML"),
        (b"<testsuite><testcase name='\xff'/></testsuite>", "not whole XML"),
        (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><testsuite/>", "document type"),
        (
            b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
            b"<testsuite><testcase name='&b;'/></testsuite>",
            "document type",
        ),
        (
            b"<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><testsuite>&f;</testsuite>",
            "document type",
        ),
    ],
)
def test_what_is_no_report_or_more_than_one_is_refused(content, why):
    with pytest.raises(NoReport, match=why):
        parse_report(content)


def test_a_report_is_bounded_in_depth_and_number(monkeypatch):
    with pytest.raises(NoReport, match="60 deep"):
        parse_report(b"<testsuite>" * 1_000_000)
    monkeypatch.setattr(junit, "CASES_LIMIT", 5)
    with pytest.raises(NoReport, match="more than 5 tests"):
        parse_report(b"<testsuite>" + b"<testcase name='a'/>" * 6 + b"</testsuite>")


def test_names_obey_no_terminal():
    report = parse_report(
        b"<testsuite><testcase name='a&#x202e;b&#9;c&#10;d'><failure/></testcase></testsuite>"
    )
    assert report.failed.names == ("ab c d",)


# --- where it lies ------------------------------------------------------------------------------


def test_a_stale_report_is_gone_before_and_the_new_one_after(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "r.xml").write_bytes(PYTEST)
    assert make_room(tmp_path, "out/r.xml") is None
    assert not (tmp_path / "out" / "r.xml").exists()
    with pytest.raises(NoReport, match="not written"):
        take_report(tmp_path, "out/r.xml")
    (tmp_path / "out" / "r.xml").write_bytes(PYTEST)
    assert take_report(tmp_path, "out/r.xml").tests.total == 6
    assert os.listdir(tmp_path / "out") == []


def test_the_folders_that_the_gate_made_for_it_go_with_it(tmp_path):
    (tmp_path / "out").mkdir()
    made = make_room(tmp_path, "out/a/b/r.xml")
    assert made == "out/a"
    (tmp_path / "out/a/b").mkdir(parents=True)
    (tmp_path / "out/a/b/r.xml").write_bytes(PYTEST)
    take_report(tmp_path, "out/a/b/r.xml", made)
    assert os.listdir(tmp_path / "out") == []
    made = make_room(tmp_path, "out/a/b/r.xml")
    (tmp_path / "out/a/b").mkdir(parents=True)
    (tmp_path / "out/a/b/r.xml").write_bytes(PYTEST)
    (tmp_path / "out/a/kept").write_text("x")
    take_report(tmp_path, "out/a/b/r.xml", made)
    assert sorted(os.listdir(tmp_path / "out/a")) == ["kept"]


def test_no_link_leads_to_a_report(tmp_path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    outside.mkdir()
    (outside / "r.xml").write_bytes(PYTEST)
    (tree / "out").symlink_to(outside)
    for call in (make_room, take_report):
        with pytest.raises(NoReport, match="out/ on its way"):
            call(tree, "out/r.xml")
    (tree / "r.xml").symlink_to(outside / "r.xml")
    with pytest.raises(NoReport, match="a link"):
        take_report(tree, "r.xml")
    make_room(tree, "r.xml")
    assert not (tree / "r.xml").is_symlink()
    assert (outside / "r.xml").read_bytes() == PYTEST


def test_what_is_no_file_is_no_report(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    with pytest.raises(NoReport, match="a folder"):
        make_room(tmp_path, "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NoReport, match="not a regular file"):
        take_report(tmp_path, "pipe")
    (tmp_path / "big").write_bytes(PYTEST)
    monkeypatch.setattr(junit, "SIZE_LIMIT_BYTES", 100)
    with pytest.raises(NoReport, match="larger than"):
        take_report(tmp_path, "big")
