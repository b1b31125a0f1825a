"""Top-level names and imports of files in several languages, and what they lead to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.mapping.choosing import Ways, choose
from orchestrator.mapping.languages import (
    BY_ENDING,
    is_generated,
    language_of,
    says_generated,
    vendored_part,
)
from orchestrator.mapping.names import imports_in, names_in

SOURCES = {
    "a.py": (
        "import os\nfrom a.b import (c,\n    d as e)\nfrom . import f\nLIMIT = 3\nx: int = 1\n"
        "class A:\n    def inner(self): ...\nasync def g(): ...\ndef h():\n    import late\n",
        ["LIMIT", "x", "class A", "def g", "def h"],
        ["os", "a.b.c", "a.b.d", ".f", "late"],
    ),
    "broken.py": (
        "class A(:\n    pass\ndef f(:\nLIMIT = 3\n",
        ["class A", "def f", "LIMIT"],
        [],
    ),
    "a.ts": (
        'import { x } from "./x";\nimport y from "react";\nconst z = require("../z");\n'
        "export class A {\n  f() {}\n}\nexport default async function g() {}\n"
        "export const h = 1;\nconst LIMIT = 2;\ninterface I {}\nlet inner = 1;\n",
        ["class A", "function g", "const h", "LIMIT", "interface I"],
        ["./x", "../z"],
    ),
    "a.go": (
        'package a\n\nimport (\n\t"fmt"\n\tb "example.com/m/pkg/b"\n)\n\ntype T struct{}\n\n'
        "func (t *T) Do() {}\nfunc New() {}\nconst Limit = 1\n",
        ["type T", "func Do", "func New", "const Limit"],
        ["example.com/m/pkg/b"],
    ),
    "a.rs": (
        "use crate::core::thing;\nmod sub;\npub struct S;\npub(crate) async fn f() {}\n"
        "impl S {\n    fn inner() {}\n}\npub const LIMIT: u8 = 1;\n",
        ["mod sub", "struct S", "fn f", "const LIMIT"],
        ["core::thing", "sub"],
    ),
    "A.java": (
        "import com.x.B;\nimport static com.x.C.d;\npublic final class A {\n  void f() {}\n}\n",
        ["class A"],
        ["com.x.B", "com.x.C.d"],
    ),
    "a.c": (
        '#include <stdio.h>\n#include "lib/b.h"\n#define LIMIT 3\nstruct s {\n};\n'
        "static int f(int a)\n{\n    return g(a);\n}\n",
        ["define LIMIT", "struct s", "f"],
        ["lib/b.h"],
    ),
    "a.rb": (
        "require_relative '../b'\nmodule M\n  class Inner\n  end\nend\nclass A < B\nend\n",
        ["module M", "class A"],
        ["../b"],
    ),
    "a.sh": ("f() {\n  :\n}\nfunction g {\n  :\n}\n", ["f", "function g"], []),
}


@pytest.mark.parametrize("path", SOURCES)
def test_names_and_imports_are_found(path):
    text, names, imports = SOURCES[path]
    language = language_of(path)
    assert list(names_in(text, language)) == names
    assert list(imports_in(text, language)) == imports


FILES = (
    *("src/app/__init__.py", "src/app/core.py", "src/app/deep/a.py", "src/app/deep/b.py"),
    *("web/x.ts", "web/lib/index.ts", "web/main.ts", "pkg/b/one.go", "pkg/b/two.go", "cmd/m.go"),
    *("rs/src/core/thing.rs", "rs/src/lib.rs", "rs/src/sub/mod.rs", "inc/lib/b.h", "src/a.c"),
    *("src/main/java/com/x/B.java",),
)


@pytest.mark.parametrize(
    ("importer", "name", "found"),
    [
        ("src/app/deep/a.py", "app.core.f", ["src/app/core.py"]),
        ("src/app/deep/a.py", ".b", ["src/app/deep/b.py"]),
        ("src/app/deep/a.py", ".b.f", ["src/app/deep/b.py"]),
        ("src/app/deep/a.py", "..core", ["src/app/core.py"]),
        ("src/app/deep/a.py", "..", ["src/app/__init__.py"]),
        ("src/app/core.py", "os.path", []),
        ("web/main.ts", "./x", ["web/x.ts"]),
        ("web/main.ts", "./lib", ["web/lib/index.ts"]),
        ("web/main.ts", "../../../x", []),
        ("cmd/m.go", "example.com/m/pkg/b", ["pkg/b/one.go", "pkg/b/two.go"]),
        ("rs/src/lib.rs", "core::thing::T", ["rs/src/core/thing.rs"]),
        ("rs/src/lib.rs", "sub", ["rs/src/sub/mod.rs"]),
        ("src/a.c", "lib/b.h", ["inc/lib/b.h"]),
        ("src/a.c", "b.h", ["inc/lib/b.h"]),
        ("src/main/java/A.java", "com.x.B", ["src/main/java/com/x/B.java"]),
    ],
)
def test_imports_lead_to_files(importer, name, found):
    assert Ways(FILES).files(importer, name, language_of(importer)) == found


def test_the_order_is_task_imported_importing_recent_large():
    files = dict.fromkeys("abcdefg", 1) | {"large": 9}
    imports = {"a": ["b"], "c": ["a"], "d": ["c"]}
    order = [(one.path, one.why) for one in choose(files, ["a"], imports, ["e", "gone", "c"])]
    assert order == [
        *(("a", "task"), ("b", "imported"), ("c", "imports"), ("e", ""), ("large", "")),
        *(("d", ""), ("f", ""), ("g", "")),
    ]


def test_what_others_or_programs_made_is_told_by_its_name_or_first_lines():
    assert vendored_part("web/node_modules/x/lib") == "web/node_modules"
    assert vendored_part("src/app") is None and vendored_part("") is None
    for name in ("a.min.js", "x_pb2.py", "b.pb.go", "c.generated.ts", "m.js.map"):
        assert is_generated(f"src/{name}"), name
    assert not is_generated("src/generated.py") and not is_generated("src/map.py")
    assert says_generated("# Code generated by x. DO NOT EDIT.\n")
    assert not says_generated("x = 1\n" * 10 + "# DO NOT EDIT\n")


@given(st.text(max_size=400), st.sampled_from(sorted(BY_ENDING)))
def test_any_text_of_any_language_is_read(text, ending):
    language = language_of(f"a.{ending}")
    names_in(text, language)
    for name in imports_in(text, language):
        Ways(FILES).files("src/app/core.py", name, language)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("ending", sorted({"py", "ts", "go", "rs", "c", "java", "kt", "cs", "sh"}))
def test_no_line_makes_a_pattern_slow(ending):
    language = language_of(f"a.{ending}")
    for part in ("a ", "func (", "public ", "(", " \n", '"a/', "from . import ", "import a,\n"):
        text = part * (100_000 // len(part))
        names_in(text, language)
        imports_in(text, language)
