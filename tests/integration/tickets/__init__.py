"""Tickets by a tool of an MCP server."""
