"""`make bench`: every figure, both sides measured in turn, one table."""

from __future__ import annotations

import sys

from benchmarks import (
    bench_cli,
    bench_context,
    bench_engine,
    bench_engine_core,
    bench_gateway,
    bench_git,
    bench_ledger,
    bench_queue,
    bench_sandbox,
)
from benchmarks.rows import Row, print_table


def main() -> int:
    """Print the table; 1 where a target was missed."""
    rows: list[Row] = []
    parts = (bench_cli, bench_engine, bench_queue, bench_engine_core, bench_ledger, bench_git)
    for part in (*parts, bench_sandbox, bench_gateway, bench_context):
        print(f"measuring {part.__name__} ...", file=sys.stderr)
        rows += part.rows()
    print_table(rows)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
