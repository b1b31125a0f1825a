"""Which edits of tests are held as weakened, and which honest ones pass."""

from __future__ import annotations

from textwrap import dedent

import pytest

from orchestrator.verification.weakened import Edited, compare_tests

PATH = "tests/test_app.py"

PLAIN = """
    import pytest
    from app import parse, total

    def test_parse():
        result = parse("a=1")
        assert result.name == "a"
        assert result.value == 1

    def test_total():
        assert total([1, 2]) == 3
"""
UNITTEST = """
    import unittest
    from app import parse, total

    class AppTest(unittest.TestCase):
        def test_parse(self):
            result = parse("a=1")
            self.assertEqual(result.name, "a")
            self.assertEqual(result.value, 1)

        def test_total(self):
            self.assertEqual(total([1, 2]), 3)
"""
CASES = """
    import pytest
    from app import double

    CASES = [(1, 2), (2, 4), (3, 6)]

    @pytest.mark.parametrize("given,expected", [(1, 2), (2, 4), (3, 6)])
    def test_double(given, expected):
        assert double(given) == expected

    @pytest.mark.parametrize("given,expected", CASES)
    def test_double_by_name(given, expected):
        assert double(given) == expected

    def test_loop():
        for given, expected in CASES:
            assert double(given) == expected
"""
HELPED = """
    from app import parse

    def check_result(result, name, value):
        assert result.name == name
        assert result.value == value

    def test_one():
        check_result(parse("a=1"), "a", 1)

    def test_two():
        check_result(parse("b=2"), "b", 2)
"""
NUMBERS = """
    import pytest
    from app import ratio, score, seconds
    LIMIT = 0.9

    def test_ratio():
        assert ratio(1, 3) == pytest.approx(0.333, abs=1e-3)

    def test_score():
        assert score() > 0.9
        assert score() >= LIMIT
        assert seconds() < 1.0

    @pytest.mark.timeout(5)
    def test_speed():
        assert abs(seconds() - 1) < 0.01
"""
ERRORS = """
    import pytest
    from app import parse

    def test_error():
        with pytest.raises(ValueError, match="no name"):
            parse("=1")

    def test_smoke():
        parse("a=1")
"""


def text(source: str) -> bytes:
    return dedent(source).encode()


def weakened(before, after, path=PATH):
    """What is held of a change: one file's text, or files by their paths."""
    return compared(before, after, path).weakened


def compared(before, after, path=PATH):
    old = before if isinstance(before, dict) else {path: before}
    new = after if isinstance(after, dict) else {path: after}
    edits = [
        Edited(
            name,
            text(old[name]) if name in old else None,
            text(new[name]) if name in new else None,
        )
        for name in sorted({*old, *new})
    ]
    return compare_tests(edits)


def edited(source: str, *changes: tuple[str, str]) -> str:
    source = dedent(source)
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return source


TOTAL = "def test_total():\n    assert total([1, 2]) == 3\n"
VALUE = "assert result.value == 1"
PARSE = "def test_parse():"

# --- what a cheating agent does: the source, what is changed, a part of what is said ------------

CHEATS = {
    # gone
    "deleted": (PLAIN, [(TOTAL, "")], "deleted"),
    "commented out": (PLAIN, [(TOTAL, "# " + TOTAL.replace("\n", "\n# "))], "deleted"),
    "in a string": (PLAIN, [(TOTAL, f'"""\n{TOTAL}"""\n')], "deleted"),
    "deleted method": (
        UNITTEST,
        [("    def test_total(self):\n        self.assertEqual(total([1, 2]), 3)\n", "")],
        "deleted",
    ),
    "deleted, and another added": (
        PLAIN,
        [(TOTAL, "def test_other():\n    assert parse('b').name == 'b'\n")],
        "deleted",
    ),
    "shadowed": (PLAIN, [(TOTAL, f"{TOTAL}\ndef test_total():\n    pass\n")], "asserted no more"),
    # not collected
    "renamed _test": (PLAIN, [("def test_total", "def _test_total")], "not collected"),
    "renamed xtest": (PLAIN, [("def test_total", "def xtest_total")], "not collected"),
    "renamed check": (PLAIN, [("def test_total", "def check_total")], "not collected"),
    "a class of another name": (
        """
        class TestA:
            def test_a(self):
                assert f(1) == 2
        """,
        [("class TestA", "class ChecksA")],
        "none of tests",
    ),
    "a class that is unittest's no more": (
        UNITTEST,
        [("(unittest.TestCase)", "")],
        "none of tests",
    ),
    "a class with __init__": (
        """
        class TestA:
            def test_a(self):
                assert f(1) == 2
        """,
        [("class TestA:\n", "class TestA:\n    def __init__(self):\n        pass\n\n")],
        "__init__",
    ),
    "a class that runs nothing": (
        UNITTEST,
        [("TestCase):\n", "TestCase):\n    def run(self, result=None):\n        pass\n\n")],
        "says itself what runs",
    ),
    "__test__ in a class": (
        UNITTEST,
        [("TestCase):\n", "TestCase):\n    __test__ = False\n")],
        "__t",
    ),
    "__test__ in the file": (
        PLAIN,
        [("import pytest\n", "import pytest\n__test__ = False\n")],
        "__t",
    ),
    "__test__ of a function": (PLAIN, [(TOTAL, f"{TOTAL}\ntest_total.__test__ = False\n")], "__t"),
    "bound to something else": (PLAIN, [(TOTAL, f"{TOTAL}\ntest_total = None\n")], "bound"),
    "deleted by del": (PLAIN, [(TOTAL, f"{TOTAL}\ndel test_total\n")], "deleted again"),
    "a fixture": (PLAIN, [("def test_total", "@pytest.fixture\ndef test_total")], "fixture"),
    "under if False": (
        PLAIN,
        [(TOTAL, "if False:\n    " + TOTAL.replace("\n", "\n    "))],
        "never",
    ),
    "under TYPE_CHECKING": (
        PLAIN,
        [(TOTAL, "if TYPE_CHECKING:\n    " + TOTAL.replace("\n", "\n    "))],
        "never",
    ),
    "under main": (
        PLAIN,
        [(TOTAL, 'if __name__ == "__main__":\n    ' + TOTAL.replace("\n", "\n    "))],
        "never",
    ),
    "under a condition": (
        PLAIN,
        [(TOTAL, "if sys.platform == 'x':\n    " + TOTAL.replace("\n", "\n    "))],
        "sys.platform",
    ),
    # skipped
    "skip": (PLAIN, [("def test_total", "@pytest.mark.skip\ndef test_total")], "skipped"),
    "skip with a reason": (
        PLAIN,
        [("def test_total", '@pytest.mark.skip(reason="later")\ndef test_total')],
        "skipped",
    ),
    "skipif True": (
        PLAIN,
        [("def test_total", '@pytest.mark.skipif(True, reason="x")\ndef test_total')],
        "skipped",
    ),
    "skipif on something": (
        PLAIN,
        [("def test_total", '@pytest.mark.skipif("CI" in os.environ, reason="")\ndef test_total')],
        "skipped now, when 'CI' in os.environ",
    ),
    "a skip with a name": (
        PLAIN,
        [
            ("import pytest\n", "import pytest\nlater = pytest.mark.skip(reason='x')\n"),
            ("def test_total", "@later\ndef test_total"),
        ],
        "skipped",
    ),
    "a decorator from elsewhere": (
        PLAIN,
        [("def test_total", "@skip_slow\ndef test_total")],
        "skipped",
    ),
    "xfail": (PLAIN, [("def test_total", "@pytest.mark.xfail\ndef test_total")], "may fail"),
    "flaky": (
        PLAIN,
        [("def test_total", "@pytest.mark.flaky(reruns=9)\ndef test_total")],
        "flaky",
    ),
    "skip in the body": (
        PLAIN,
        [("    assert total", "    pytest.skip('x')\n    assert total")],
        "skip",
    ),
    "xfail in the body": (
        PLAIN,
        [("    assert total", "    pytest.xfail('x')\n    assert total")],
        "fail",
    ),
    "skip under a condition": (
        PLAIN,
        [("    assert total", "    if slow():\n        pytest.skip('x')\n    assert total")],
        "when slow()",
    ),
    "skip instead of failing": (
        PLAIN,
        [("assert total([1, 2]) == 3", "total([1, 2]) == 3 or pytest.skip('x')")],
        "skipped",
    ),
    "skip as the message": (
        PLAIN,
        [("assert total([1, 2]) == 3", "assert total([1, 2]) == 3, pytest.skip('x')")],
        "skip",
    ),
    "pytestmark": (
        PLAIN,
        [("import pytest\n", "import pytest\npytestmark = pytest.mark.skip\n")],
        "skip",
    ),
    "pytestmark, one of several": (
        PLAIN,
        [("import pytest\n", "import pytest\npytestmark = [pytest.mark.a, pytest.mark.xfail]\n")],
        "may fail",
    ),
    "skip of the file": (
        PLAIN,
        [("import pytest\n", "import pytest\npytest.skip('x', allow_module_level=True)\n")],
        "skipped",
    ),
    "skip of the file by SkipTest": (
        UNITTEST,
        [("import unittest\n", "import unittest\nraise unittest.SkipTest('x')\n")],
        "skipped",
    ),
    "importorskip": (
        PLAIN,
        [("import pytest\n", "import pytest\npytest.importorskip('no')\n")],
        "no",
    ),
    "importorskip, assigned": (
        PLAIN,
        [("import pytest\n", "import pytest\nno = pytest.importorskip('no')\n")],
        "no",
    ),
    "skip where an import fails": (
        PLAIN,
        [
            (
                "from app import parse, total\n",
                "try:\n    from app import parse, total\nexcept ImportError:\n"
                "    pytest.skip('x', allow_module_level=True)\n",
            )
        ],
        "ImportError",
    ),
    "unittest.skip": (
        UNITTEST,
        [("    def test_total", '    @unittest.skip("x")\n    def test_total')],
        "skipped",
    ),
    "unittest.skipUnless": (
        UNITTEST,
        [("    def test_total", '    @unittest.skipUnless(NET, "x")\n    def test_total')],
        "not NET",
    ),
    "expectedFailure": (
        UNITTEST,
        [("    def test_total", "    @unittest.expectedFailure\n    def test_total")],
        "may fail",
    ),
    "skipTest": (
        UNITTEST,
        [
            (
                "        self.assertEqual(total",
                "        self.skipTest('x')\n        self.assertEqual(total",
            )
        ],
        "skipped",
    ),
    "skip of a class": (UNITTEST, [("class App", '@unittest.skip("x")\nclass App')], "skipped"),
    "skip in setUp": (
        UNITTEST,
        [("TestCase):\n", "TestCase):\n    def setUp(self):\n        self.skipTest('x')\n\n")],
        "setUp()",
    ),
    "skip in setUpClass": (
        UNITTEST,
        [
            (
                "TestCase):\n",
                "TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
                "        raise unittest.SkipTest('x')\n\n",
            )
        ],
        "setUpClass()",
    ),
    "skip in an autouse fixture": (
        PLAIN,
        [(PARSE, f"@pytest.fixture(autouse=True)\ndef no():\n    pytest.skip('x')\n\n{PARSE}")],
        "no()",
    ),
    "skip in a fixture that it names": (
        PLAIN,
        [
            (
                "def test_total()",
                "@pytest.fixture\ndef no():\n    pytest.skip()\n\ndef test_total(no)",
            )
        ],
        "skip",
    ),
    "skip in what it calls": (
        PLAIN,
        [
            (
                TOTAL,
                "def ready():\n    pytest.skip('x')\n\n"
                + TOTAL.replace("    assert", "    ready()\n    assert"),
            )
        ],
        "ready()",
    ),
    "a case that is skipped": (
        CASES,
        [
            (
                "[(1, 2), (2, 4), (3, 6)])",
                "[(1, 2), (2, 4), pytest.param(3, 6, marks=pytest.mark.skip)])",
            )
        ],
        "2 cases instead of 3",
    ),
    "a generator": (PLAIN, [("    assert total", "    yield\n    assert total")], "generator"),
    "asynchronous": (PLAIN, [("def test_total", "async def test_total")], "asynchronous"),
    "asynchronous in unittest": (
        UNITTEST,
        [
            ("    def test_total", "    async def test_total"),
            ("total([1, 2])", "await total([1, 2])"),
        ],
        "does not wait",
    ),
    # asserts nothing
    "an assertion taken out": (PLAIN, [(f"    {VALUE}\n", "")], "`result.value == 1`"),
    "assert True": (PLAIN, [(VALUE, "assert True")], "`assert True`"),
    "assert a number": (PLAIN, [(VALUE, "assert 1")], "`assert 1`"),
    "assert with a comma": (
        PLAIN,
        [(VALUE, 'assert "result.value == 1", result.value == 1')],
        "holds",
    ),
    "assert a tuple": (PLAIN, [(VALUE, 'assert (result.value == 1, "no")')], "holds"),
    "or True": (PLAIN, [(VALUE, f"{VALUE} or True")], "holds"),
    "or a text": (PLAIN, [(VALUE, f"{VALUE} or 'no'")], "holds"),
    "not False": (PLAIN, [(VALUE, "assert not False")], "holds"),
    "compared with itself": (PLAIN, [(VALUE, "assert result.value == result.value")], "holds"),
    "compared with itself by another name": (
        PLAIN,
        [(VALUE, "expected = result\n    assert result == expected")],
        "holds",
    ),
    "numbers only": (PLAIN, [(VALUE, "one = 1\n    assert one + 1 == 2")], "holds"),
    "ANY": (PLAIN, [(VALUE, "assert result.value == mock.ANY")], "holds"),
    "a length that is never below 0": (PLAIN, [(VALUE, "assert len(result.value) >= 0")], "holds"),
    "an object": (PLAIN, [(VALUE, "assert isinstance(result.value, object)")], "holds"),
    "a generator is true": (PLAIN, [(VALUE, "assert (x == 1 for x in [result.value])")], "holds"),
    "all of nothing": (PLAIN, [(VALUE, "assert all(x == 1 for x in [])")], "holds"),
    "assertTrue(True)": (
        UNITTEST,
        [("self.assertEqual(result.value, 1)", "self.assertTrue(True)")],
        "holds",
    ),
    "assertTrue with a message for a value": (
        UNITTEST,
        [("self.assertEqual(result.value, 1)", "self.assertTrue('result.value', 1)")],
        "holds",
    ),
    "returned, not asserted": (PLAIN, [("    assert total", "    return total")], "no more"),
    "a bare comparison": (PLAIN, [("    assert total", "    total")], "no more"),
    "an empty body": (PLAIN, [("    assert total([1, 2]) == 3", "    pass")], "no more"),
    "an empty smoke test": (ERRORS, [('    parse("a=1")', "    pass")], "does nothing"),
    "a smoke test that swallows": (
        ERRORS,
        [
            (
                '    parse("a=1")',
                '    try:\n        parse("a=1")\n    except Exception:\n        pass',
            )
        ],
        "does nothing",
    ),
    "return before": (
        PLAIN,
        [("    assert total", "    return\n    assert total")],
        "never reached",
    ),
    "return under if True": (
        PLAIN,
        [("    assert total", "    if True:\n        return\n    assert total")],
        "never reached",
    ),
    "return under a condition": (
        PLAIN,
        [("    assert total", "    if slow():\n        return\n    assert total")],
        "only under a condition",
    ),
    "if False around it": (
        PLAIN,
        [("    assert total", "    if False:\n        assert total")],
        "never",
    ),
    "if 0 around it": (PLAIN, [("    assert total", "    if 0:\n        assert total")], "never"),
    "while False around it": (
        PLAIN,
        [("    assert total", "    while False:\n        assert total")],
        "through nothing",
    ),
    "a condition around it": (
        PLAIN,
        [("    assert total", "    if os.environ.get('X'):\n        assert total")],
        "only under a condition",
    ),
    "swallowed": (
        PLAIN,
        [
            (
                "    assert total([1, 2]) == 3",
                "    try:\n        assert total([1, 2]) == 3\n    except AssertionError:\n        pass",
            )
        ],
        "swallows",
    ),
    "swallowed by all": (
        PLAIN,
        [
            (
                "    assert total([1, 2]) == 3",
                "    try:\n        assert total([1, 2]) == 3\n    except:\n        print('x')",
            )
        ],
        "swallows",
    ),
    "swallowed by suppress": (
        PLAIN,
        [("    assert total", "    with suppress(Exception):\n        assert total")],
        "swallows",
    ),
    "swallowed by finally": (
        PLAIN,
        [
            (
                "    assert total([1, 2]) == 3",
                "    try:\n        assert total([1, 2]) == 3\n    finally:\n        return",
            )
        ],
        "swallows",
    ),
    "its failure expected": (
        PLAIN,
        [("    assert total", "    with pytest.raises(AssertionError):\n        assert total")],
        "expected",
    ),
    "in a function that nobody calls": (
        PLAIN,
        [("    assert total", "    def later():\n        assert total")],
        "nobody calls",
    ),
    "a loop through nothing": (
        PLAIN,
        [("    assert total", "    for _ in []:\n        assert total")],
        "through nothing",
    ),
    # looser
    "only true": (PLAIN, [(VALUE, "assert result.value")], "compared no more"),
    "only there": (PLAIN, [(VALUE, "assert result.value is not None")], "compared no more"),
    "only of a type": (
        PLAIN,
        [(VALUE, "assert isinstance(result.value, int)")],
        "compared no more",
    ),
    "only its whole": (PLAIN, [(VALUE, "assert result")], "compared no more"),
    "something else is true": (PLAIN, [(VALUE, "assert callable(parse)")], "no more"),
    "only bounded": (PLAIN, [(VALUE, "assert result.value >= 0")], "only bounded"),
    "only true, in unittest": (
        UNITTEST,
        [("self.assertEqual(result.value, 1)", "self.assertTrue(result.value)")],
        "compared no more",
    ),
    "a lower threshold": (NUMBERS, [("score() > 0.9", "score() > 0.1")], "looser bound"),
    "a lower threshold by name": (NUMBERS, [("LIMIT = 0.9", "LIMIT = 0.2")], "looser bound"),
    "a bound that lets its number pass": (NUMBERS, [("> 0.9", ">= 0.9")], "looser bound"),
    "a longer time": (NUMBERS, [("seconds() < 1.0", "seconds() < 60")], "looser bound"),
    "a wider difference": (NUMBERS, [("< 0.01", "< 10")], "looser bound"),
    "a wider tolerance": (NUMBERS, [("abs=1e-3", "abs=1.0")], "wider tolerance"),
    "a tolerance of its own kind": (NUMBERS, [("abs=1e-3", "rel=0.5")], "wider tolerance"),
    "a tolerance where none was": (
        PLAIN,
        [("total([1, 2]) == 3", "total([1, 2]) == pytest.approx(3, abs=5)")],
        "tolerance of 5",
    ),
    "a raised time limit": (NUMBERS, [("timeout(5)", "timeout(500)")], "time limit"),
    "a time limit taken out": (NUMBERS, [("@pytest.mark.timeout(5)\n", "")], "time limit"),
    "fewer places": (
        UNITTEST.replace(
            "assertEqual(result.value, 1)", "assertAlmostEqual(result.value, 1, places=5)"
        ),
        [("places=5", "places=1")],
        "wider tolerance",
    ),
    "a delta": (
        UNITTEST.replace(
            "assertEqual(result.value, 1)", "assertAlmostEqual(result.value, 1, delta=0.1)"
        ),
        [("delta=0.1", "delta=100")],
        "wider tolerance",
    ),
    "any error will do": (ERRORS, [("ValueError", "Exception")], "raises(Exception)"),
    "any message will do": (ERRORS, [(', match="no name"', "")], "no more"),
    "no error is expected": (
        ERRORS,
        [
            (
                '    with pytest.raises(ValueError, match="no name"):\n        parse("=1")',
                '    parse("=1")',
            )
        ],
        "no more",
    ),
    "an error or none": (
        ERRORS,
        [
            (
                '    with pytest.raises(ValueError, match="no name"):\n        parse("=1")',
                '    try:\n        parse("=1")\n    except ValueError as e:\n        assert "no name" in str(e)',
            )
        ],
        "",
    ),
    # fewer
    "fewer cases": (CASES, [(", (3, 6)])\ndef test_double(", "])\ndef test_double(")], "2 cases"),
    "no cases": (CASES, [("[(1, 2), (2, 4), (3, 6)])", "[])")], "0 cases"),
    "fewer cases by name": (
        CASES,
        [("CASES = [(1, 2), (2, 4), (3, 6)]", "CASES = [(1, 2)]")],
        "1 case",
    ),
    "the loop's list emptied": (CASES, [("in CASES:", "in CASES[:0]:")], "through nothing"),
    "the loop's list cut": (CASES, [("in CASES:", "in CASES[:1]:")], "1 instead of 3"),
    "a subTest loop emptied": (
        """
        class T(TestCase):
            def test_a(self):
                for n in (1, 2, 3):
                    with self.subTest(n=n):
                        self.assertEqual(f(n), n)
        """,
        [("(1, 2, 3)", "()")],
        "through nothing",
    ),
    "parametrised no more": (
        CASES,
        [
            (
                '@pytest.mark.parametrize("given,expected", CASES)\ndef test_double_by_name(given, expected):\n',
                "def test_double_by_name():\n    given, expected = 1, 2\n",
            )
        ],
        "1 case instead of 3",
    ),
    "fewer examples": (
        """
        @example(0)
        @example(1)
        @given(integers())
        def test_a(n):
            assert f(n) == n
        """,
        [("@example(1)\n", "")],
        "1 examples instead of 2",
    ),
    "fewer tries": (
        """
        @settings(max_examples=1000)
        @given(integers())
        def test_a(n):
            assert f(n) == n
        """,
        [("1000", "1")],
        "tries 1 examples",
    ),
    "a fixture with fewer values": (
        """
        @pytest.fixture(params=[1, 2, 3])
        def number(request):
            return request.param

        def test_a(number):
            assert f(number) == number
        """,
        [("[1, 2, 3]", "[1]")],
        "1 case instead of 3",
    ),
    # helpers and hooks
    "an emptied helper": (
        HELPED,
        [("    assert result.name == name\n    assert result.value == value\n", "    pass\n")],
        "no more",
    ),
    "a helper that checks less": (HELPED, [("    assert result.value == value\n", "")], "no more"),
    "a helper that swallows": (
        HELPED,
        [
            (
                "    assert result.value == value\n",
                "    try:\n        assert result.value == value\n    except AssertionError:\n        pass\n",
            )
        ],
        "swallows",
    ),
    "a helper that is not called": (
        HELPED,
        [('    check_result(parse("b=2"), "b", 2)', "    pass")],
        "no more",
    ),
    "load_tests": (
        UNITTEST,
        [("class App", "def load_tests(loader, tests, pattern):\n    return None\n\nclass App")],
        "hook",
    ),
    "pytest_generate_tests": (
        PLAIN,
        [(PARSE, f"def pytest_generate_tests(metafunc):\n    pass\n\n{PARSE}")],
        "hook",
    ),
    "pytest_plugins": (
        PLAIN,
        [("import pytest\n", "import pytest\npytest_plugins = ['x']\n")],
        "hook",
    ),
}


@pytest.mark.parametrize("cheat", sorted(CHEATS))
def test_a_weakened_test_is_found(cheat):
    source, changes, said = CHEATS[cheat]
    before = dedent(source)
    after = edited(source, *changes)
    found = weakened(before, after)
    assert found, after
    assert any(said in f"{one.test} {one.what}" for one in found), found
    assert weakened(before, before) == ()


# --- honest edits -------------------------------------------------------------------------------

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
            '            self.assertEqual(result.name, "a")\n            self.assertEqual(result.value, 1)\n',
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


@pytest.mark.parametrize("edit", sorted(HONEST))
def test_an_honest_edit_passes(edit):
    before, after = HONEST[edit]
    assert edit == "nothing" or before != after
    assert bool(compared(before, after).unread) == (edit == "broken")
    assert weakened(before, after) == ()


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({}, "deleted, with 2 tests"),
        ({"tests/check_app.py": PLAIN}, "do not look for tests"),
        ({"tests/old_app.py": PLAIN}, "do not look for tests"),
        ({"attic/test_app.py": PLAIN}, "out of the folder of the tests"),
        ({"tests/.old/test_app.py": PLAIN}, "do not look for tests"),
        ({"tests/test_app.py": "import pytest\n"}, "deleted"),
        ({"tests/test_app.py": ""}, "deleted"),
    ],
)
def test_a_file_of_tests_that_goes_is_held(after, said):
    found = weakened({"tests/test_app.py": PLAIN}, after)
    assert said in " ".join(one.what for one in found)
    if not after:
        assert [(one.path, one.test) for one in found] == [
            ("tests/test_app.py", "(the whole file)")
        ]


def test_a_test_that_is_weakened_where_it_was_moved_to_is_told_there():
    moved = edited(PLAIN, (f"    {VALUE}\n", ""))
    found = weakened({"tests/test_app.py": PLAIN}, {"tests/unit/test_app.py": moved})
    assert [(one.path, one.test) for one in found] == [("tests/unit/test_app.py", "test_parse")]


def test_one_new_test_takes_the_place_of_one_old_test_only():
    many = "from app import f\n" + "".join(
        f"def test_{n}():\n    assert f({n}) == {n}\n" for n in range(6)
    )
    assert len(weakened(many, "from app import f\ndef test_0():\n    assert f(0) == 0\n")) == 5
    two = "from app import f\ndef test_x():\n    assert f(0) == 0\ndef test_y():\n    assert f(1) == 1\n"
    assert len(weakened(many, two)) == 4


def test_what_is_told_names_the_test_its_line_and_what_became_of_it():
    after = edited(UNITTEST, ("self.assertEqual(total([1, 2]), 3)", "self.assertTrue(1)"))
    (one,) = weakened(UNITTEST, after)
    assert (one.path, one.test, one.line) == (PATH, "AppTest.test_total", 12)
    assert one.what == "`assert 1`, which always holds, where `total([1, 2]) == 3` was"


def test_a_skip_of_a_file_is_told_once():
    after = edited(PLAIN, ("import pytest\n", "import pytest\npytestmark = pytest.mark.skip\n"))
    (one,) = weakened(PLAIN, after)
    assert (one.test, one.what) == ("(the whole file)", "it is skipped now (skip)")


def test_what_is_no_python_is_not_compared_and_said():
    broken = "def test_a(:\n    assert f()\n"
    for before, after in ((broken, PLAIN), (PLAIN, broken)):
        found = compare_tests([Edited(PATH, text(before), text(after))])
        assert found.weakened == ()
        ((path, why),) = found.unread
        assert path == PATH and "in line" in why
    for content in (b"\0", b"\xff", b"# coding: none\n", b"x = " + b"(" * 5000):
        assert compare_tests([Edited(PATH, content, b"")]).unread


def test_conftest_is_left_to_what_is_protected_and_other_languages_to_nobody():
    for path in ("tests/conftest.py", "tests/a.test.js", "tests/a_test.go"):
        assert weakened(PLAIN, "", path) == ()


def test_what_cannot_be_told_passes():
    wrong = edited(PLAIN, ("== 3", "== 99"))
    replaced = edited(PLAIN, ("    assert total", "    app.total = lambda _: 3\n    assert total"))
    for after in (wrong, replaced):
        assert weakened(PLAIN, after) == ()
