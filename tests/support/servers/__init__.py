"""MCP servers that tests start: one by the library, one by hand that does what no server should."""
