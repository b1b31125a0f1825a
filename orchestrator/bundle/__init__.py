"""A run in one file, to go on with on another machine."""
