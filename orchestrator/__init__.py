"""Decides and drives: policy, planning, verification, the engine, the command line."""

__version__ = "0.1.0"
