"""What an assertion claims, in a form that does not depend on how it is written. Pure.

1. `assertEqual(a, b)` and `assert a == b` claim the same; messages count for nothing.
2. `and`, a chain of comparisons and an equality of two tuples are several claims.
3. What is expected stands on the right: a constant, a collection, an approximation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from orchestrator.verification.python_tests.scopes import Names, last_name
from orchestrator.verification.python_tests.values import UNKNOWN, value_of

_EQUAL = """
    assertEqual assertEquals assertListEqual assertDictEqual assertSetEqual assertTupleEqual
    assertSequenceEqual assertMultiLineEqual assertCountEqual assertItemsEqual failUnlessEqual
    assert_equal assert_array_equal assert_frame_equal assert_series_equal eq_ assertEqualLists
    assertHTMLEqual assertXMLEqual assertJSONEqual assertQuerysetEqual assertQuerySetEqual
    assertStatementsEqual
""".split()  # noqa: SIM905
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    **dict.fromkeys(_EQUAL, ast.Eq),
    "assertNotEqual": ast.NotEq,
    "assertNotEquals": ast.NotEq,
    "assertIs": ast.Is,
    "assertIsNot": ast.IsNot,
    "assertIn": ast.In,
    "assertNotIn": ast.NotIn,
    "assertGreater": ast.Gt,
    "assertGreaterEqual": ast.GtE,
    "assertLess": ast.Lt,
    "assertLessEqual": ast.LtE,
}
_TRUE = frozenset(("assertTrue", "assert_", "failUnless", "assert_true", "ok_"))
_FALSE = frozenset(("assertFalse", "failIf", "assert_false"))
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Is: ast.Is,
    ast.IsNot: ast.IsNot,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
RAISING = frozenset(
    """
    raises warns deprecated_call assertRaises assertRaisesRegex assertWarns assertWarnsRegex
    assertLogs assertNoLogs assertRaisesRegexp assertNumQueries assertRaisesMessage
    assert_raises assert_raises_regex assert_warns RaisesGroup RaisesExc assertTemplateUsed
    """.split()  # noqa: SIM905
)
ANY_ERROR = frozenset(("Exception", "BaseException", "AssertionError"))


def claims_of(test: ast.expr, names: Names) -> Iterator[ast.expr]:
    """The separate claims of an asserted expression, each in its normal form."""
    test = _positive(test)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for one in test.values:
            yield from claims_of(one, names)
    elif isinstance(test, ast.Compare) and len(test.ops) > 1:
        sides = [test.left, *test.comparators]
        for left, op, right in zip(sides, test.ops, sides[1:], strict=False):
            yield from claims_of(ast.Compare(left, [op], [right]), names)
    elif isinstance(test, ast.Compare):
        yield from _parts(test, names)
    else:
        yield test


def _parts(test: ast.Compare, names: Names) -> Iterator[ast.expr]:
    left, right = test.left, test.comparators[0]
    if (
        isinstance(test.ops[0], ast.Eq)
        and isinstance(left, (ast.Tuple, ast.List))
        and isinstance(right, type(left))
        and len(left.elts) == len(right.elts) > 0
        and not any(isinstance(one, ast.Starred) for one in (*left.elts, *right.elts))
    ):
        for one, two in zip(left.elts, right.elts, strict=True):
            yield _turned(ast.Compare(one, [ast.Eq()], [two]), names)
    else:
        yield _turned(test, names)


def _positive(test: ast.expr) -> ast.expr:
    """`not a == b` as `a != b`, `not not a` as `a`."""
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = test.operand
        if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.Not):
            test = inner.operand
            continue
        if isinstance(inner, ast.Compare) and len(inner.ops) == 1:
            opposite = _OPPOSITE.get(type(inner.ops[0]))
            if opposite is not None:
                return ast.Compare(inner.left, [opposite()], inner.comparators)
        break
    return test


def _turned(test: ast.Compare, names: Names) -> ast.Compare:
    """With what is expected on the right."""
    mirrored = _MIRRORED.get(type(test.ops[0]))
    left, right = test.left, test.comparators[0]
    expected = is_expected(left, names) and not is_expected(right, names)
    if mirrored is None or not expected:
        return test
    return ast.Compare(right, [mirrored()], [left])


def is_expected(node: ast.expr, names: Names) -> bool:
    """Whether it is what something else is compared with."""
    if last_name(node) in ("approx", "range") and isinstance(node, ast.Call):
        return True
    return (
        isinstance(node, (ast.List, ast.Dict, ast.Set, ast.Tuple, ast.JoinedStr))
        or value_of(node, names) is not UNKNOWN
    )


def call_claims(call: ast.Call, names: Names) -> list[ast.expr] | None:
    """The claims of an assertion that is written as a call; None where it is no such call."""
    name = last_name(call.func)
    args = call.args
    if any(isinstance(one, ast.Starred) for one in args[:2]):
        return [call] if name.startswith("assert") else None
    op = _COMPARISONS.get(name)
    if op is not None and len(args) >= 2:
        return list(claims_of(ast.Compare(args[0], [op()], [args[1]]), names))
    if name in _TRUE and args:
        return list(claims_of(args[0], names))
    if name in _FALSE and args:
        return list(claims_of(ast.UnaryOp(ast.Not(), args[0]), names))
    if name in ("assertIsNone", "assertIsNotNone") and args:
        op = ast.IsNot if "Not" in name else ast.Is
        return [ast.Compare(args[0], [op()], [ast.Constant(None)])]
    if name in ("assertIsInstance", "assertNotIsInstance") and len(args) >= 2:
        test: ast.expr = ast.Call(ast.Name("isinstance"), args[:2], [])
        return [ast.UnaryOp(ast.Not(), test) if "Not" in name else test]
    if name.startswith(("assert", "expect", "should")) and name not in RAISING:
        return [call]
    return None
