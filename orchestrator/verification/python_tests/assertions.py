"""What one assertion claims, in a form that does not depend on how it is written. Pure.

1. `assertEqual(a, b)` and `assert a == b` claim the same; messages count for nothing. `and`, a
   chain of comparisons and an equality of two tuples are several claims.
2. A claim's strength: 3 says what a value is, which error is raised, which call was made; 2
   bounds it, looks for something in it, or asks a function about it and something else; 1 only
   looks whether it is there, true, of a type, or not something.
3. A tolerance is kept as the largest difference that it lets pass, relative or absolute.
4. An equality with a collection, or with something that is not spelled out, can stand for as
   many claims as there are parts to compare.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.verification.python_tests.values import (
    UNKNOWN,
    Names,
    last_name,
    number_of,
    value_of,
    walk_all,
)

TEXT_LIMIT = 4000
MANY = 1_000_000
"""So many claims as nobody counts."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that must hold."""

    text: str
    shape: str
    """The same with its numbers left out."""
    subjects: tuple[str, ...]
    """What it looks at, then what that is a part of."""
    strength: int
    node: ast.expr
    bound: tuple[str, float, bool] | None = None
    """`<` or `>`, the number, and whether the number itself is let pass."""
    tolerance: tuple[str, float, float] | None = None
    """Who says it, then how much lets pass: relative, absolute."""
    holds: int = 1


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
_CLOSE = frozenset(
    """
    assertAlmostEqual assertAlmostEquals assert_almost_equal assert_allclose
    assert_array_almost_equal assert_approx_equal assert_close assertAllClose
    """.split()  # noqa: SIM905
)
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
_PRESENCE = frozenset(("isinstance", "issubclass", "hasattr", "callable", "bool", "len", "id"))
RAISING = frozenset(
    """
    raises warns deprecated_call assertRaises assertRaisesRegex assertWarns assertWarnsRegex
    assertLogs assertNoLogs assertRaisesRegexp assertNumQueries assertRaisesMessage
    assert_raises assert_raises_regex assert_warns RaisesGroup RaisesExc assertTemplateUsed
    """.split()  # noqa: SIM905
)
_NUMBER = re.compile(r"(?<![\w.])\d[\w.]*")
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
    expected = _is_expected(left, names) and not _is_expected(right, names)
    if mirrored is None or not expected:
        return test
    return ast.Compare(right, [mirrored()], [left])


def _is_expected(node: ast.expr, names: Names) -> bool:
    if last_name(node) == "approx" and isinstance(node, ast.Call):
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


def make_claim(node: ast.expr, names: Names) -> Claim:
    """What one expression, of `claims_of` or `call_claims`, claims."""
    text = ast.unparse(node)[:TEXT_LIMIT]
    for name in {one.id for one in walk_all([node]) if isinstance(one, ast.Name)}:
        # A number that only has a name is a part of the claim.
        number = number_of(names.known[name], names) if name in names.known else None
        if number is not None:
            text = re.sub(rf"(?<![\w.]){re.escape(name)}\b", repr(number), text)
    left, right, bound = _sides(node, names)
    return Claim(
        text=text,
        shape=_NUMBER.sub("0", text),
        subjects=tuple(ast.unparse(one)[:TEXT_LIMIT] for one in _chain(left)),
        strength=_strength(node, names),
        node=node,
        bound=bound,
        tolerance=_tolerance(node, names),
        holds=_holds(node, right, names),
    )


def _sides(
    node: ast.expr, names: Names
) -> tuple[ast.expr, ast.expr | None, tuple[str, float, bool] | None]:
    """What is looked at, what it is compared with, and the bound where there is one."""
    while isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Compare):
        op, right = node.ops[0], node.comparators[0]
        if isinstance(op, (ast.In, ast.NotIn)) and not _is_expected(right, names):
            return right, node.left, None
        return node.left, right, _bound(op, right, names)
    if isinstance(node, ast.Call) and node.args:
        if last_name(node) in _PRESENCE:
            return node.args[0], None, None
        if _claims_by_call(node):
            return node.args[0], node.args[1] if len(node.args) > 1 else None, None
    return node, None, None


def _claims_by_call(call: ast.Call) -> bool:
    name = last_name(call.func)
    return name in _CLOSE or (name.startswith("assert") and isinstance(call.func, ast.Attribute))


def _chain(node: ast.expr) -> Iterator[ast.expr]:
    """A thing, then what it is a part of: `f(x).a[0]`, `f(x).a`, `f(x)`."""
    while True:
        yield node
        match node:
            case ast.Attribute() | ast.Subscript() | ast.Await():
                node = node.value
            case ast.Call(func=ast.Attribute()):
                node = node.func.value  # type: ignore[attr-defined]
            case ast.Call(func=ast.Name(id="len" | "list" | "sorted" | "set" | "str"), args=[only]):
                node = only
            case _:
                return


def _bound(op: ast.cmpop, right: ast.expr, names: Names) -> tuple[str, float, bool] | None:
    number = number_of(right, names)
    if number is None or not isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        return None
    sign = "<" if isinstance(op, (ast.Lt, ast.LtE)) else ">"
    return sign, number, isinstance(op, (ast.LtE, ast.GtE))


def _strength(node: ast.expr, names: Names) -> int:
    if isinstance(node, ast.Compare):
        op, left, right = node.ops[0], node.left, node.comparators[0]
        if isinstance(op, (ast.Eq, ast.Is)):
            value = value_of(right, names)
            plain = value is None or value is True or (value is not UNKNOWN and not value)
            empty = isinstance(right, (ast.List, ast.Dict)) and not ast.unparse(right).strip("[]{}")
            empty = empty or (isinstance(right, ast.Call) and not right.args and not right.keywords)
            itself = ast.unparse(left) == ast.unparse(right)
            return 1 if plain or empty or itself else 3
        if isinstance(op, (ast.NotEq, ast.IsNot)):
            return 1
        is_length = last_name(left) == "len" and isinstance(left, ast.Call)
        if is_length and _bound(op, right, names) in ((">", 0, False), (">", 1, True)):
            return 1
        return 2
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        if name in _PRESENCE:
            return 1
        if name in _CLOSE or name.startswith(("assert_called", "assert_any", "assert_has_calls")):
            return 3
        return 2 if node.args or node.keywords or name.startswith("assert") else 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Call):
        return _strength(node.operand, names)
    return 1


def _holds(node: ast.expr, right: ast.expr | None, names: Names) -> int:
    """For how many claims it can stand."""
    if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Eq):
        return 1
    if right is None:
        return 1
    if isinstance(right, ast.Name):
        right = names.known.get(right.id, right)
    if isinstance(right, ast.Call) and last_name(right) == "approx" and right.args:
        right = right.args[0]
    match right:
        case ast.List() | ast.Tuple() | ast.Set():
            parts = [*right.elts]
        case ast.Dict():
            parts = [*right.values]
        case ast.Call():
            parts = [*right.args, *(one.value for one in right.keywords)]
        case _:
            return 1 if value_of(right, names) is not UNKNOWN else MANY
    return max(1, sum(_leaves(one) for one in parts))


def _leaves(node: ast.expr) -> int:
    match node:
        case ast.List() | ast.Tuple() | ast.Set():
            return max(1, sum(_leaves(one) for one in node.elts))
        case ast.Dict():
            return max(1, sum(_leaves(one) for one in node.values))
        case ast.Starred():
            return MANY
    return 1


# --- tolerances -------------------------------------------------------------------------------

_DEFAULTS = {
    "approx": (1e-6, 1e-12),
    "isclose": (1e-9, 0.0),
    "allclose": (1e-5, 1e-8),
    "assert_allclose": (1e-7, 0.0),
    "assert_close": (1.3e-6, 1e-5),
    "assertAlmostEqual": (0.0, 5e-8),
    "assertAlmostEquals": (0.0, 5e-8),
    "assert_almost_equal": (0.0, 1.5e-7),
    "assert_array_almost_equal": (0.0, 1.5e-6),
    "assert_approx_equal": (1e-6, 0.0),
    "assertAllClose": (1e-6, 1e-6),
}


def _tolerance(node: ast.expr, names: Names) -> tuple[str, float, float] | None:
    """The widest tolerance within a claim."""
    found = None
    for call in walk_all([node]):
        if isinstance(call, ast.Call) and (name := last_name(call.func)) in _DEFAULTS:
            relative, absolute = _spelled(call, name, names)
            if found is None or relative + absolute > found[1] + found[2]:
                found = (name, relative, absolute)
    return found


def _spelled(call: ast.Call, name: str, names: Names) -> tuple[float, float]:
    relative, absolute = _DEFAULTS[name]
    given = {one.arg: number_of(one.value, names) for one in call.keywords if one.arg}
    if name == "approx":
        positions = dict(zip(("rel", "abs"), call.args[1:3], strict=False))
    elif name.startswith("assertAlmost") or name.endswith("almost_equal"):
        positions = dict(zip(("places",), call.args[2:3], strict=False))
    else:
        positions = dict(zip(("rtol", "atol"), call.args[2:4], strict=False))
    given |= {key: number_of(value, names) for key, value in positions.items()}
    if name == "approx" and given.get("abs") is not None and given.get("rel") is None:
        relative = 0.0  # as pytest has it
    for key, number in given.items():
        if number is None:
            continue
        match key:
            case "rel" | "rtol" | "rel_tol":
                relative = number
            case "abs" | "atol" | "abs_tol" | "delta":
                absolute = number
            case "places" | "decimal":
                absolute = 10.0 ** -min(max(number, -300), 300) * 0.5
            case "significant":
                relative = 10.0 ** -min(max(number - 1, -300), 300)
    return relative, absolute
