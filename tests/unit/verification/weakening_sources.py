"""Files of tests that the tables of edits change."""

from __future__ import annotations

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

TOTAL = "def test_total():\n    assert total([1, 2]) == 3\n"
VALUE = "assert result.value == 1"
PARSE = "def test_parse():"
