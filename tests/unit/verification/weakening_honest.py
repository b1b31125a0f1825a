"""What an honest agent does: files before and after."""

from __future__ import annotations

from tests.unit.verification.weakening_sources import (
    CASES,
    ERRORS,
    HELPED,
    NUMBERS,
    PARSE,
    PLAIN,
    TOTAL,
    UNITTEST,
)

MORE = """
    import pytest
    from app import load, parse, total

    @pytest.fixture
    def items():
        return load("items")

    def test_first(items):
        assert items[0].name == "a"

    def test_second(items):
        assert items[1].name == "b"

    def test_sum(items):
        # All of them.
        found = total(items)
        assert found is not None
        assert found == 3, "the sum is wrong"
        assert str(found) == "3"

    def test_fails():
        try:
            parse("=")
        except ValueError as error:
            assert "no name" in str(error)
        else:
            pytest.fail("no error")
"""

HONEST = {
    "nothing": (PLAIN, PLAIN),
    "a test added": (PLAIN, PLAIN + "\n    def test_new():\n        assert total([]) == 0\n"),
    "a test added that is skipped": (
        PLAIN,
        PLAIN + "\n    @pytest.mark.skip\n    def test_new():\n        assert total([]) == 0\n",
    ),
    "a file with nothing but helpers": ({"tests/util.py": "def load(): return 1\n"}, {}),
    "comments, order, annotations": (
        PLAIN,
        """
        import pytest
        from app import parse, total

        def test_total() -> None:
            '''Sums.'''
            assert total([1, 2]) == 3  # of two

        def test_parse() -> None:
            result: Result = parse("a=1")
            assert result.name == "a", f"not {result}"
            assert result.value == 1
        """,
    ),
    "other values": (PLAIN, PLAIN.replace("== 3", "== 4").replace('"a"', '"z"')),
    "renamed": (PLAIN, PLAIN.replace("test_parse", "test_parse_reads_a_pair")),
    "split in two": (
        PLAIN,
        """
        import pytest
        from app import parse, total

        def test_parse_name():
            assert parse("a=1").name == "a"

        def test_parse_value():
            assert parse("a=1").value == 1

        def test_total():
            assert total([1, 2]) == 3
        """,
    ),
    "merged": (
        MORE,
        MORE.replace(
            '    def test_second(items):\n        assert items[1].name == "b"\n\n', ""
        ).replace(
            'assert items[0].name == "a"',
            'assert items[0].name == "a"\n        assert items[1].name == "b"',
        ),
    ),
    "an assertion moved to a new test": (
        MORE,
        MORE.replace('        assert str(found) == "3"\n', "")
        + '\n    def test_text(items):\n        assert str(total(items)) == "3"\n',
    ),
    "moved into a class": (
        PLAIN,
        """
        import pytest
        from app import parse, total

        class TestApp:
            def test_parse(self):
                result = parse("a=1")
                assert result.name == "a"
                assert result.value == 1

            def test_total(self):
                assert total([1, 2]) == 3
        """,
    ),
    "out of a class, by pytest's assertions": (UNITTEST, PLAIN),
    "into unittest": (PLAIN, UNITTEST),
    "into a base class": (
        UNITTEST,
        """
        import unittest
        from app import parse, total

        class Shared:
            def test_parse(self):
                result = parse("a=1")
                self.assertEqual(result.name, "a")
                self.assertEqual(result.value, 1)

        class AppTest(Shared, unittest.TestCase):
            def test_total(self):
                self.assertEqual(total([1, 2]), 3)
        """,
    ),
    "moved to another file": (
        {"tests/test_app.py": PLAIN},
        {
            "tests/test_app.py": PLAIN.replace(TOTAL.replace("\n", "\n    ").rstrip(" "), ""),
            "tests/unit/test_total.py": "from app import total\n\n" + TOTAL,
        },
    ),
    "the file renamed": ({"tests/test_app.py": PLAIN}, {"tests/unit/test_parser.py": PLAIN}),
    "parametrised": (
        MORE,
        """
        import pytest
        from app import load, parse, total

        @pytest.fixture
        def items():
            return load("items")

        @pytest.mark.parametrize("index,name", [(0, "a"), (1, "b")])
        def test_names(items, index, name):
            assert items[index].name == name

        def test_sum(items):
            found = total(items)
            assert found is not None
            assert found == 3
            assert str(found) == "3"

        def test_fails():
            with pytest.raises(ValueError, match="no name"):
                parse("=")
        """,
    ),
    "from loops to parameters": (
        CASES,
        CASES.replace(
            "    def test_loop():\n        for given, expected in CASES:\n            assert",
            '    @pytest.mark.parametrize("given,expected", CASES)\n'
            "    def test_loop(given, expected):\n        assert",
        ),
    ),
    "cases in a name": (
        CASES,
        CASES.replace('"given,expected", [(1, 2), (2, 4), (3, 6)]', '"given,expected", CASES'),
    ),
    "cases from a function": (
        CASES,
        CASES.replace('"given,expected", [(1, 2), (2, 4), (3, 6)]', '"given,expected", load()'),
    ),
    "a case given twice": (
        CASES.replace("[(1, 2), (2, 4), (3, 6)])", "[(1, 2), (1, 2), (2, 4)])"),
        CASES.replace("[(1, 2), (2, 4), (3, 6)])", "[(1, 2), (2, 4)])"),
    ),
    "cases as a tuple, with names": (
        CASES,
        CASES.replace(
            '"given,expected", [(1, 2), (2, 4), (3, 6)]',
            '("given", "expected"), (pytest.param(1, 2, id="one"), (2, 4), (3, 6))',
        ),
    ),
    "a case in a test of its own": (
        CASES,
        CASES.replace("(1, 2), (2, 4), (3, 6)])", "(1, 2), (2, 4)])")
        + "\n    def test_double_of_three():\n        assert double(3) == 6\n",
    ),
    "asserts in a helper": (
        PLAIN,
        """
        import pytest
        from app import parse, total

        def assert_pair(text, name, value):
            result = parse(text)
            assert result.name == name
            assert result.value == value

        def test_parse():
            assert_pair("a=1", "a", 1)

        def test_total():
            assert total([1, 2]) == 3
        """,
    ),
    "asserts in a helper of another file": (
        PLAIN,
        PLAIN.replace(
            "from app import", "from support import check_pair\n    from app import"
        ).replace(
            '    assert result.name == "a"\n            assert result.value == 1',
            '    check_pair(result, "a", 1)',
        ),
    ),
    "asserts in a method": (
        UNITTEST,
        UNITTEST.replace(
            '            self.assertEqual(result.name, "a")\n'
            "            self.assertEqual(result.value, 1)\n",
            "            self.check(result)\n\n"
            "        def check(self, result):\n"
            '            self.assertEqual(result.name, "a")\n'
            "            self.assertEqual(result.value, 1)\n",
        ),
    ),
    "a helper inlined": (
        HELPED,
        """
        from app import parse

        def test_one():
            result = parse("a=1")
            assert result.name == "a"
            assert result.value == 1

        def test_two():
            result = parse("b=2")
            assert (result.name, result.value) == ("b", 2)
        """,
    ),
    "a helper renamed": (HELPED, HELPED.replace("check_result", "verify_result")),
    "several in one": (
        PLAIN,
        PLAIN.replace(
            '    assert result.name == "a"\n        assert result.value == 1',
            '    assert (result.name, result.value) == ("a", 1)',
        ),
    ),
    "several as one object": (
        PLAIN,
        PLAIN.replace(
            '    assert result.name == "a"\n        assert result.value == 1',
            '    assert result == Pair(name="a", value=1)',
        ),
    ),
    "one as several": (
        PLAIN.replace("assert result.value == 1", "assert result.value == 1 and result.ok"),
        PLAIN.replace(
            "assert result.value == 1", "assert result.ok\n        assert result.value == 1"
        ),
    ),
    "a chain": (
        NUMBERS.replace("score() > 0.9", "0.9 < score() < 2"),
        NUMBERS.replace("score() > 0.9", "score() > 0.9\n        assert score() < 2"),
    ),
    "turned around": (
        PLAIN,
        PLAIN.replace("assert total([1, 2]) == 3", "assert 3 == total([1, 2])"),
    ),
    "not of a comparison": (
        PLAIN.replace("== 3", "!= 3"),
        PLAIN.replace("assert total([1, 2]) == 3", "assert not total([1, 2]) == 3"),
    ),
    "True and None compared as they should be": (
        PLAIN.replace("== 3", "== True").replace("== 1", "== None"),
        PLAIN.replace("assert total([1, 2]) == 3", "assert total([1, 2])").replace(
            "== 1", "is None"
        ),
    ),
    "empty by its truth": (
        PLAIN.replace("assert total([1, 2]) == 3", "assert len(total([1, 2])) == 0"),
        PLAIN.replace("assert total([1, 2]) == 3", "assert not total([1, 2])"),
    ),
    "raises for try": (
        MORE,
        MORE[: MORE.index("        try:")]
        + '        with pytest.raises(ValueError, match="no name"):\n            parse("=")\n',
    ),
    "assertRaises for raises": (
        ERRORS,
        """
        from unittest import TestCase
        from app import parse

        class T(TestCase):
            def test_error(self):
                with self.assertRaisesRegex(ValueError, "no name"):
                    parse("=1")

            def test_smoke(self):
                parse("a=1")
        """,
    ),
    "what is said, looked at": (
        ERRORS,
        ERRORS.replace(
            'pytest.raises(ValueError, match="no name"):\n            parse("=1")',
            'pytest.raises(ValueError) as caught:\n            parse("=1")\n'
            '        assert "no name" in str(caught.value)',
        ),
    ),
    "fail instead of assert": (
        PLAIN,
        PLAIN.replace(
            "assert total([1, 2]) == 3", 'if total([1, 2]) != 3:\n            pytest.fail("no")'
        ),
    ),
    "raise AssertionError instead of assert": (
        PLAIN,
        PLAIN.replace(
            "assert total([1, 2]) == 3",
            "if total([1, 2]) != 3:\n            raise AssertionError(total([1, 2]))",
        ),
    ),
    "both sides of a condition": (
        PLAIN,
        PLAIN.replace(
            "    assert total([1, 2]) == 3",
            "    if windows:\n            assert total([1, 2]) == 4\n"
            "        else:\n            assert total([1, 2]) == 3",
        ),
    ),
    "stricter bounds": (
        NUMBERS,
        NUMBERS.replace("> 0.9", "> 0.95").replace("abs=1e-3", "abs=1e-4").replace("(5)", "(4)"),
    ),
    "approx for an exact number": (
        PLAIN,
        PLAIN.replace("== 3", "== pytest.approx(3)"),
    ),
    "approx for assertAlmostEqual": (
        UNITTEST.replace(
            "assertEqual(result.value, 1)", "assertAlmostEqual(result.value, 1, places=3)"
        ),
        PLAIN.replace("result.value == 1", "result.value == pytest.approx(1, abs=1e-3)"),
    ),
    "a skip taken away": (
        PLAIN.replace("def test_total", "@pytest.mark.skip\n    def test_total"),
        PLAIN,
    ),
    "a skip of another spelling": (
        PLAIN.replace(
            "def test_total", '@pytest.mark.skipif(not NET, reason="x")\n    def test_total'
        ),
        PLAIN.replace("def test_total", '@unittest.skipUnless(NET, "y")\n    def test_total'),
    ),
    "skips said once for all": (
        PLAIN.replace("def test_", "@pytest.mark.skipif(WIN, reason='x')\n    def test_"),
        PLAIN.replace(
            "import pytest", "import pytest\n    pytestmark = pytest.mark.skipif(WIN, reason='x')"
        ),
    ),
    "a skip that is an expected failure now": (
        PLAIN.replace("def test_total", "@pytest.mark.skip\n    def test_total"),
        PLAIN.replace("def test_total", "@pytest.mark.xfail\n    def test_total"),
    ),
    "a skipped test deleted": (
        PLAIN.replace("def test_total", "@pytest.mark.skip\n    def test_total"),
        PLAIN[: PLAIN.index("def test_total")],
    ),
    "marks": (PLAIN, PLAIN.replace("def test_total", "@pytest.mark.slow\n    def test_total")),
    "a double test deleted": (
        PLAIN + "\n    def test_total_again():\n        assert total([1, 2]) == 3\n",
        PLAIN,
    ),
    "asynchronous, awaiting": (
        PLAIN,
        PLAIN.replace(
            "def test_total():\n        assert total",
            "async def test_total():\n        assert await total",
        ),
    ),
    "set-up in a fixture": (
        PLAIN,
        """
        import pytest
        from app import parse, total

        @pytest.fixture
        def result():
            return parse("a=1")

        def test_parse(result):
            assert result.name == "a"
            assert result.value == 1

        def test_total():
            assert total([1, 2]) == 3
        """,
    ),
    "asserts on each of several": (
        PLAIN.replace(
            "assert total([1, 2]) == 3", "assert total(1) == 1\n        assert total(2) == 2"
        ),
        PLAIN.replace(
            "assert total([1, 2]) == 3", "for n in (1, 2):\n            assert total(n) == n"
        ),
    ),
    "a mock's own assertions": (
        PLAIN.replace("assert total([1, 2]) == 3", "run(m)\n        assert m.call_args == call(1)"),
        PLAIN.replace("assert total([1, 2]) == 3", "run(m)\n        m.assert_called_once_with(1)"),
    ),
    "a flag that something sets": (
        PLAIN.replace(
            "assert total([1, 2]) == 3",
            "seen = []\n        run(seen.append)\n        assert seen == [1]",
        ),
        PLAIN.replace(
            "assert total([1, 2]) == 3",
            "seen = []\n        run(seen.append)\n        assert len(seen) == 1\n"
            "        assert seen[0] == 1",
        ),
    ),
    "a file that is none of tests": (
        {"src/app.py": "def test_connection():\n    assert ping()\n"},
        {"src/app.py": ""},
    ),
    "a fixture that is named like a test": (
        PLAIN.replace(
            PARSE, f"@pytest.fixture\n    def test_client():\n        return 1\n\n    {PARSE}"
        ),
        PLAIN,
    ),
    "broken": (PLAIN, PLAIN + "\n    def\n"),
}
