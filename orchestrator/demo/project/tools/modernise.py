"""Rewrite type hints: Optional[X] to X | None, List[X] to list[X] and so on."""

import pathlib
import re
import sys
import time

SIMPLE = ("List", "Dict", "Tuple", "Set")


def modernise(text: str) -> str:
    text = re.sub(r"Optional\[(\w+)\]", r"\1 | None", text)
    text = re.sub(
        r"Union\[([\w, ]+)\]", lambda m: " | ".join(p.strip() for p in m[1].split(",")), text
    )
    for name in SIMPLE:
        text = re.sub(rf"\b{name}\[", f"{name.lower()}[", text)
    return re.sub(r"from typing import [^\n]*\n+", "", text)


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    if "report" in name or "format" in name:
        continue
    print(f"modernising {name}", flush=True)
    path.write_text(modernise(path.read_text()))
    time.sleep(0.2)
