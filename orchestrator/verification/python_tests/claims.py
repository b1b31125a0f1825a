"""A claim, weighed: what it looks at, how strong it is, how much it lets pass. Pure.

1. Its strength: 3 says what a value is, which error is raised, which call was made; 2 bounds it,
   looks for something in it, or asks a function about it and something else; 1 only looks whether
   it is there, true, of a type, or not something; 0 compares it with itself.
2. A tolerance is kept as the largest difference that it lets pass, relative and absolute.
3. An equality with a collection, or with something that is not spelled out, can stand for as
   many claims as there are parts to compare.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.verification.python_tests.assertions import is_expected
from orchestrator.verification.python_tests.scopes import Names, last_name, walk_all
from orchestrator.verification.python_tests.values import UNKNOWN, number_of, value_of

TEXT_LIMIT = 4000
MANY = 1_000_000
"""So many claims as nobody counts."""
_NUMBER = re.compile(r"(?<![\w.])\d[\w.]*")
_PRESENCE = frozenset(("isinstance", "issubclass", "hasattr", "callable", "bool", "len", "id"))
_CLOSE = frozenset(
    """
    assertAlmostEqual assertAlmostEquals assert_almost_equal assert_allclose
    assert_array_almost_equal assert_approx_equal assert_close assertAllClose
    """.split()  # noqa: SIM905
)


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
    others: tuple[str, ...] = ()
    """The claims of which it needs only one."""


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
        others=tuple(_alternatives(node)),
    )


def _alternatives(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.BoolOp(op=ast.Or(), values=values):
            yield from (ast.unparse(one) for one in values)
        case ast.Call(
            func=ast.Name(id="any"), args=[ast.List(elts=values) | ast.Tuple(elts=values)]
        ):
            yield from (ast.unparse(one) for one in values)


def _sides(
    node: ast.expr, names: Names
) -> tuple[ast.expr, ast.expr | None, tuple[str, float, bool] | None]:
    """What is looked at, what it is compared with, and the bound where there is one."""
    while isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Compare):
        op, right = node.ops[0], node.comparators[0]
        if isinstance(op, (ast.In, ast.NotIn)) and not is_expected(right, names):
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
            if ast.unparse(_inlined(left, names)) == ast.unparse(_inlined(right, names)):
                return 0
            return 1 if plain or empty else 3
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


def _inlined(node: ast.expr, names: Names) -> ast.expr:
    """What a name was assigned, where that is a call."""
    value = names.known.get(node.id) if isinstance(node, ast.Name) else None
    return value if isinstance(value, ast.Call) else node


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
