"""Servers of tools that others wrote, spoken to by the Model Context Protocol."""
