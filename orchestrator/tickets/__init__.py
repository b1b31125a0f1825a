"""Tickets of a tracker that an MCP server reaches."""
