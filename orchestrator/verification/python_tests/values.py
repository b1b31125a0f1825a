"""What an expression is worth, as far as that can be told without running it. Pure.

1. What is not certain is None (or UNKNOWN): a wrong guess would hold an honest change, or let a
   dishonest one pass.
2. A name is worth what it stands for. What may grow later (a list, a dictionary, a set) has no
   truth by its name, and a length only where nothing in its scope changes it.
3. Nothing here takes longer than the expression is long: no powers, no large products.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

from orchestrator.verification.python_tests.scopes import Names, last_name, walk_all

UNKNOWN: Final = object()
DEPTH = 12
_LARGE = 10**15

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_PURE = frozenset(("len", "type", "id", "str", "repr", "bool", "int", "float", "abs", "isinstance"))
_SAME_LENGTH = frozenset(
    ("list", "tuple", "set", "frozenset", "sorted", "reversed", "enumerate", "iter", "dict", "tqdm")
)
# --- values -----------------------------------------------------------------------------------


def value_of(node: ast.expr, names: Names, depth: int = DEPTH) -> Any:
    """The constant that an expression is; UNKNOWN where it is none."""
    if depth <= 0:
        return UNKNOWN
    inner = [UNKNOWN]
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            stands = names.known.get(node.id)
            if stands is None or isinstance(stands, (ast.List, ast.Dict, ast.Set)):
                return UNKNOWN
            return value_of(stands, names, depth - 1)
        case ast.Tuple() | ast.List():
            inner = [value_of(one, names, depth - 1) for one in node.elts]
            return UNKNOWN if UNKNOWN in map(_known, inner) else type_of(node)(inner)
        case ast.Dict(keys=[]):
            return {}
        case ast.UnaryOp(op=ast.Not()):
            worth = truth(node.operand, names, depth - 1)
            return UNKNOWN if worth is None else not worth
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            one = value_of(node.operand, names, depth - 1)
            if not _is_number(one):
                return UNKNOWN
            return -one if isinstance(node.op, ast.USub) else +one
        case ast.BinOp():
            return _calculated(node, names, depth)
        case ast.Compare(ops=[op], comparators=[right]):
            one, two = (value_of(side, names, depth - 1) for side in (node.left, right))
            if _known(one) is UNKNOWN or _known(two) is UNKNOWN:
                return UNKNOWN
            if isinstance(op, (ast.Is, ast.IsNot)) and not _is_single(one, two):
                return UNKNOWN
            try:
                return _COMPARE[type(op)](one, two)
            except TypeError:
                return UNKNOWN
        case ast.IfExp():
            worth = truth(node.test, names, depth - 1)
            if worth is None:
                return UNKNOWN
            return value_of(node.body if worth else node.orelse, names, depth - 1)
        case ast.NamedExpr():
            return value_of(node.value, names, depth - 1)
        case ast.Call(func=ast.Name(id="len"), args=[only]):
            many = value_of(only, names, depth - 1)
            return len(many) if isinstance(many, (str, tuple, list)) else UNKNOWN
        case ast.Call(func=ast.Name(id="bool"), args=[only]):
            worth = truth(only, names, depth - 1)
            return UNKNOWN if worth is None else worth
        case ast.Attribute(value=ast.Name(id="math" | "np" | "numpy"), attr="inf"):
            return float("inf")
        case ast.Call(func=ast.Name(id="int" | "float" | "str" | "abs"), args=[only]):
            one = value_of(only, names, depth - 1)
            if one in ("inf", "infinity", "Infinity"):
                return float("inf")
            if not _is_number(one) or one != one or abs(one) == float("inf"):
                return UNKNOWN
            make: dict[str, Callable[[Any], Any]]
            make = {"int": int, "float": float, "str": str, "abs": abs}
            return make[last_name(node)](one)
    return UNKNOWN


def type_of(node: ast.Tuple | ast.List) -> type:
    """The type that a display makes."""
    return tuple if isinstance(node, ast.Tuple) else list


def _known(value: Any) -> Any:
    """UNKNOWN as itself, everything else as None: comparing values must not call theirs."""
    return UNKNOWN if value is UNKNOWN else None


def _is_single(*values: Any) -> bool:
    """Whether there is only one of its kind: of equal numbers nobody knows."""
    return all(value is None or isinstance(value, (bool, type(Ellipsis))) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < _LARGE)


def _calculated(node: ast.BinOp, names: Names, depth: int) -> Any:
    one, two = (value_of(side, names, depth - 1) for side in (node.left, node.right))
    calculate = _ARITHMETIC.get(type(node.op))
    if calculate is None or not _is_number(one) or not _is_number(two):
        return UNKNOWN
    try:
        return calculate(one, two)
    except (ArithmeticError, ValueError):
        return UNKNOWN


def whole_of(node: ast.expr, names: Names) -> int | None:
    """The integer that an expression is."""
    value = value_of(node, names)
    return value if isinstance(value, int) and abs(value) < _LARGE else None


def number_of(node: ast.expr, names: Names) -> float | None:
    """The number that an expression is."""
    value = value_of(node, names)
    return value if _is_number(value) and not isinstance(value, bool) else None


# --- truth ------------------------------------------------------------------------------------


def truth(node: ast.expr, names: Names, depth: int = DEPTH) -> bool | None:
    """Whether an expression is true (or false) whatever the code under test does."""
    if depth <= 0:
        return None
    value = value_of(node, names, depth - 1)
    if value is not UNKNOWN:
        return bool(value)
    match node:
        case ast.Tuple() | ast.List() | ast.Set():
            return True if any(not isinstance(one, ast.Starred) for one in node.elts) else None
        case ast.Dict():
            return True if any(key is not None for key in node.keys) else None
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.JoinedStr():
            has_text = any(isinstance(part, ast.Constant) and part.value for part in node.values)
            return True if has_text else None
        case ast.UnaryOp(op=ast.Not()):
            worth = truth(node.operand, names, depth - 1)
            return None if worth is None else not worth
        case ast.BoolOp():
            decides = isinstance(node.op, ast.Or)
            worths = [truth(one, names, depth - 1) for one in node.values]
            if decides in worths:
                return decides
            return None if None in worths else not decides
        case ast.IfExp():
            worths = [truth(one, names, depth - 1) for one in (node.body, node.orelse)]
            return worths[0] if worths[0] == worths[1] else None
        case ast.NamedExpr():
            return truth(node.value, names, depth - 1)
        case ast.Name():
            stands = names.known.get(node.id)
            plain = isinstance(stands, (ast.Tuple, ast.Lambda, ast.BoolOp, ast.Compare, ast.Name))
            return truth(stands, names, depth - 1) if plain and stands is not None else None
        case ast.Compare(ops=[op], comparators=[right]):
            return _compared(node.left, op, right, names)
        case ast.Call():
            return _called(node, names, depth)
    return None


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr, names: Names) -> bool | None:
    left, right = stands_for(left, names), stands_for(right, names)
    if _is_either(left):
        if isinstance(op, (ast.Is, ast.IsNot)) and value_of(right, names) is None:
            return isinstance(op, ast.IsNot)
        if isinstance(op, ast.In) and isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            worths = {value_of(one, names) for one in right.elts if isinstance(one, ast.Constant)}
            return True if {True, False} <= worths else None
    if isinstance(op, (ast.Eq, ast.NotEq)) and "ANY" in (last_name(left), last_name(right)):
        return isinstance(op, ast.Eq)
    if isinstance(left, ast.Call) and last_name(left) == "len":
        limit = number_of(right, names)
        if limit is not None and (
            (isinstance(op, ast.GtE) and limit <= 0) or (isinstance(op, ast.Gt) and limit < 0)
        ):
            return True
    if ast.dump(left) != ast.dump(right) or not _is_plain(left):
        return None
    if isinstance(op, (ast.Eq, ast.Is, ast.LtE, ast.GtE)):
        return True
    return False if isinstance(op, (ast.NotEq, ast.IsNot, ast.Lt, ast.Gt)) else None


def _is_either(node: ast.expr) -> bool:
    """Whether it is True or False and nothing else."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, ast.Compare) or (
        isinstance(node, ast.Call) and last_name(node) in ("bool", "isinstance", "callable")
    )


def stands_for(node: ast.expr, names: Names) -> ast.expr:
    """What a name that is only another name for something stands for."""
    for _ in range(DEPTH):
        stands = names.known.get(node.id) if isinstance(node, ast.Name) else None
        if not isinstance(stands, ast.Name) or stands.id in names.changing:
            break
        node = stands
    return node


def _is_plain(node: ast.expr) -> bool:
    """Whether evaluating it twice gives the same: no calls but of the plainest functions."""
    calls = (one for one in walk_all([node]) if isinstance(one, (ast.Call, ast.Await, ast.Yield)))
    return all(
        isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in _PURE
        for one in calls
    )


def _called(node: ast.Call, names: Names, depth: int) -> bool | None:
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kind]):
            kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
            return True if any(last_name(one) == "object" for one in kinds) else None
        case ast.Call(func=ast.Name(id="all" | "any"), args=[many]):
            if length(many, names, depth - 1) == 0:
                return last_name(node) == "all"
            if not isinstance(many, (ast.List, ast.Tuple, ast.Set)):
                return None
            op = ast.And() if last_name(node) == "all" else ast.Or()
            return truth(ast.BoolOp(op, many.elts), names, depth - 1)
        case ast.Call(func=ast.Lambda(body=body)):
            return truth(body, names, depth - 1)
    return None


# --- length -----------------------------------------------------------------------------------


def length(node: ast.expr, names: Names, depth: int = DEPTH) -> int | None:
    """How many things an iteration gives."""
    if depth <= 0:
        return None
    below = depth - 1
    match node:
        case ast.List() | ast.Tuple() | ast.Set():
            return _sum(
                length(one.value, names, below) if isinstance(one, ast.Starred) else 1
                for one in node.elts
            )
        case ast.Dict():
            return len(node.keys) if all(key is not None for key in node.keys) else None
        case ast.Constant(value=str() | bytes() as text):
            return len(text)
        case ast.Name():
            stands = None if node.id in names.growing else names.known.get(node.id)
            return length(stands, names, below) if stands is not None else None
        case ast.NamedExpr() | ast.Starred():
            return length(node.value, names, below)
        case ast.BinOp(op=ast.Add()):
            return _sum(length(side, names, below) for side in (node.left, node.right))
        case ast.BinOp(op=ast.Mult()):
            times = whole_of(node.right, names)
            many = length(node.left, names, below)
            return None if times is None or many is None else max(0, times * many)
        case ast.Subscript(slice=ast.Slice() as part):
            return _sliced(node.value, part, names, below)
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            return _comprehended(node.generators, names, below)
        case ast.IfExp():
            worth = truth(node.test, names, below)
            if worth is not None:
                return length(node.body if worth else node.orelse, names, below)
        case ast.Call():
            return _iterated(node, names, below)
    return None


def _sum(lengths: Iterable[int | None]) -> int | None:
    total = 0
    for one in lengths:
        if one is None:
            return None
        total += one
    return total


def _sliced(node: ast.expr, part: ast.Slice, names: Names, depth: int) -> int | None:
    many = length(node, names, depth)
    ends = []
    for end in (part.lower, part.upper, part.step):
        number = None if end is None else whole_of(end, names)
        if end is not None and number is None:
            return None
        ends.append(number)
    return None if many is None or ends[2] == 0 else len(range(many)[slice(*ends)])


def _comprehended(parts: list[ast.comprehension], names: Names, depth: int) -> int | None:
    total: int | None = 1
    for part in parts:
        if any(truth(test, names, depth) is False for test in part.ifs):
            return 0
        many = length(part.iter, names, depth)
        if many == 0:
            return 0
        total = None if many is None or total is None or part.ifs else total * many
    return total


def _iterated(node: ast.Call, names: Names, depth: int) -> int | None:
    name = last_name(node.func)
    lengths = [length(one, names, depth) for one in node.args]
    if name == "range" and 1 <= len(node.args) <= 3 and not node.keywords:
        ends = [whole_of(one, names) for one in node.args]
        whole = [end for end in ends if end is not None]
        if len(whole) == len(ends) and (len(whole) < 3 or whole[2]):
            return len(range(*whole))
        return None
    if name in ("items", "keys", "values", "copy") and isinstance(node.func, ast.Attribute):
        return length(node.func.value, names, depth)
    if name in _SAME_LENGTH:
        return lengths[0] if lengths else (None if node.keywords else 0)
    if name in ("zip", "map") and lengths:
        sides = lengths if name == "zip" else lengths[1:]
        known = [one for one in sides if one is not None]
        return min(known) if 0 in known or (known and len(known) == len(sides)) else None
    if name == "chain":
        return _sum(lengths)
    if name == "product" and not node.keywords:
        if 0 in lengths:
            return 0
        total = 1
        for one in lengths:
            if one is None:
                return None
            total *= one
        return total
    return None
