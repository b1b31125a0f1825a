"""Languages by the names of files: what a map finds in them, and what it does not look into. Pure.

A language has patterns for top-level names and for imports, line by line; they are small, and
miss what is unusual. `imports` says how a name in an import leads to files:

- `dotted`: the parts of a name are folders and a file, `a.b` or `a::b`
- `relative`: a path from the file's own folder, without its ending
- `suffix`: the end of a path
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Leads = Literal["dotted", "relative", "suffix"]


@dataclass(frozen=True)
class Language:
    """How its top-level names and its imports look."""

    name: str
    names: re.Pattern[str] | None = None
    imports: re.Pattern[str] | None = None
    leads: Leads = "dotted"
    endings: tuple[str, ...] = ()
    """What files of it end with, for imports without an ending."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.MULTILINE)


PYTHON = Language(
    "Python",
    _any(r"^(class|def) +(\w+)", r"^async +(def) +(\w+)", r"^()([A-Z][A-Z0-9_]{2,})\b *[:=]"),
    _any(
        r"^[ \t]{0,12}from +([.\w]+) +import\b *\(?([\w ,\n]{0,2000})",
        r"^[ \t]{0,12}import +([\w.]+)",
    ),
    "dotted",
    (".py", ".pyi", "/__init__.py"),
)
_SCRIPT = (
    r"^export +(?:default +)?(?:abstract +)?(class|interface|type|enum) +(\w+)",
    r"^(class|interface|enum) +(\w+)",
    r"^(?:export +)?(?:default +)?(?:async +)?(function)\*? +(\w+)",
    r"^export +(const|let) +(\w+)",
    r"^()const +([A-Z][A-Z0-9_]{2,})\b",
)
_SCRIPT_IMPORTS = _any(
    r"""\bfrom +['"](\.[^'"\n]*)['"]""",
    r"""^import +['"](\.[^'"\n]*)['"]""",
    r"""\b(?:require|import)\(['"](\.[^'"\n]*)['"]\)""",
)
_SCRIPT_ENDINGS = tuple(
    f"{at}{ending}"
    for at in ("", "/index")
    for ending in (".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")
)
JAVASCRIPT = Language(
    "JavaScript", _any(*_SCRIPT), _SCRIPT_IMPORTS, "relative", ("", *_SCRIPT_ENDINGS)
)
TYPESCRIPT = Language(
    "TypeScript", _any(*_SCRIPT), _SCRIPT_IMPORTS, "relative", ("", *_SCRIPT_ENDINGS)
)
GO = Language(
    "Go",
    _any(
        r"^(func) +(?:\([^)\n]{0,200}\) *)?(\w+)",
        r"^(type) +(\w+)",
        r"^(const|var) +(\w+)",
    ),
    _any(r"""^(?:import +)?[ \t]{0,8}(?:[\w.]{1,80} )?"([\w./-]{1,200}/[\w.-]{1,80})"$"""),
    "suffix",
    ("/*.go",),
)
_VISIBLE = r"(?:pub(?:\([^)\n]{0,50}\))? +)?"
RUST = Language(
    "Rust",
    _any(
        rf"^{_VISIBLE}(?:async +|unsafe +|const +)*(fn) +(\w+)",
        rf"^{_VISIBLE}(struct|enum|trait|type|union|mod|const|static) +(?:mut +)?(\w+)",
        r"^(macro_rules)! +(\w+)",
    ),
    _any(r"^[ \t]{0,12}(?:pub +)?use +(?:crate|super|self)::([\w:]+)", rf"^{_VISIBLE}mod +(\w+);"),
    "dotted",
    (".rs", "/mod.rs"),
)
_MODIFIERS = r"(?:(?:public|protected|private|static|final|abstract|sealed|open|data|internal) +)*"
JAVA = Language(
    "Java",
    _any(rf"^{_MODIFIERS}(class|interface|enum|record|@interface) +(\w+)"),
    _any(r"^import +(?:static +)?([\w.]+);"),
    "dotted",
    (".java", ".kt"),
)
KOTLIN = Language(
    "Kotlin",
    _any(rf"^{_MODIFIERS}(class|interface|object|fun|val) +(?:<[^>\n]{{0,80}}> +)?(\w+)"),
    _any(r"^import +([\w.]+)"),
    "dotted",
    (".kt", ".java"),
)
CSHARP = Language(
    "C#",
    _any(rf"^[ \t]{{0,4}}{_MODIFIERS}(?:partial +)?(class|interface|enum|struct|record) +(\w+)"),
)
_C = (
    r"^(?:typedef +)?(struct|enum|union) +(\w+)",
    r"^#\s*(define) +([A-Z][A-Z0-9_]{2,})\b",
    r"^()(?!return|else|typedef|if|while)[A-Za-z_][\w *]{0,80}?\b(\w+)\([^;\n]{0,200}\)\s*\{?$",
)
C = Language(
    "C",
    _any(*_C),
    _any(r"""^#\s*include +"([^"\n]+)\""""),
    "suffix",
    ("",),
)
CPP = Language(
    "C++",
    _any(r"^(class|namespace) +(\w+)", *_C),
    C.imports,
    "suffix",
    ("",),
)
RUBY = Language(
    "Ruby",
    _any(r"^(class|module|def) +([\w:.?!]+)", r"^()([A-Z][A-Z0-9_]{2,}) *="),
    _any(r"""^[ \t]{0,12}require_relative +['"]([^'"\n]+)['"]"""),
    "relative",
    (".rb",),
)
PHP = Language("PHP", _any(r"^(?:abstract +|final +)*(class|interface|trait|enum|function) +(\w+)"))
SHELL = Language("Shell", _any(r"^(function) +(\w+)", r"^()(\w+) *\(\)"))
SWIFT = Language("Swift", _any(rf"^{_MODIFIERS}(class|struct|enum|protocol|func|actor) +(\w+)"))

BY_ENDING: dict[str, Language] = {
    **dict.fromkeys(("py", "pyi", "pyw"), PYTHON),
    **dict.fromkeys(("js", "jsx", "mjs", "cjs"), JAVASCRIPT),
    **dict.fromkeys(("ts", "tsx", "mts", "cts", "vue", "svelte"), TYPESCRIPT),
    **dict.fromkeys(("c", "h"), C),
    **dict.fromkeys(("cc", "cpp", "cxx", "hpp", "hh", "hxx"), CPP),
    **dict.fromkeys(("kt", "kts"), KOTLIN),
    **dict.fromkeys(("sh", "bash"), SHELL),
    "go": GO,
    "rs": RUST,
    "java": JAVA,
    "cs": CSHARP,
    "rb": RUBY,
    "php": PHP,
    "swift": SWIFT,
    # counted, not looked into
    **dict.fromkeys(("md", "rst", "txt", "adoc"), Language("text")),
    **dict.fromkeys(("toml", "yaml", "yml", "json", "ini", "cfg"), Language("settings")),
    **dict.fromkeys(("html", "htm", "css", "scss"), Language("web")),
    "sql": Language("SQL"),
}
OTHER = Language("other")

_VENDORED = frozenset(
    """
    vendor vendored third_party third-party node_modules bower_components site-packages dist build
    out target .yarn .venv venv __pycache__ Pods Carthage external_deps
    """.split()  # noqa: SIM905
)
_GENERATED = re.compile(
    r".*(?:\.min\.(?:js|css)|[._-]pb2?(?:_grpc)?\.(?:py|pyi|go|rb|ts|js)|\.pb\.(?:cc|h)"
    r"|\.g\.(?:cs|dart)|\.generated\.\w+|_generated\.\w+|\.designer\.cs|\.d\.ts\.map|\.map)"
)
_SAYS_GENERATED = re.compile(
    r"@generated\b|\bDO NOT EDIT\b|\bcode generated by\b|\bauto(?:matically|-)? ?generated\b",
    re.IGNORECASE,
)


def language_of(path: str) -> Language:
    """The language of a file, by its ending."""
    return BY_ENDING.get(path.rpartition("/")[2].rpartition(".")[2].lower(), OTHER)


def vendored_part(folder: str) -> str | None:
    """The uppermost folder of what others made, or of what is built, on the way to a folder."""
    if _VENDORED.isdisjoint(parts := folder.split("/")):
        return None
    end = next(at for at, part in enumerate(parts, 1) if part in _VENDORED)
    return "/".join(parts[:end])


def is_generated(path: str) -> bool:
    """Whether a file's name says that a program wrote it."""
    return _GENERATED.fullmatch(path.rpartition("/")[2]) is not None


def says_generated(text: str) -> bool:
    """Whether the first lines of a file say that a program wrote it."""
    return any(_SAYS_GENERATED.search(line) for line in text[:1000].splitlines()[:5])
