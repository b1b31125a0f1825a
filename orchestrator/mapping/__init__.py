"""A map of the repository for those who begin to work in it, made without a model.

1. It is made of a commit, never of a checkout, and the same commit and paths make the same map.
2. It tells the folders, with how many files of which language are below each, then the top-level
   names of the files that matter: those that the task may change; what these import; what imports
   them; then what was changed lately; then the larger ones.
3. It has at most as many tokens as it may; one token is taken for four bytes.
4. Not looked into: binary, generated, vendored and huge files, links and submodules.
5. Python is parsed; of other languages names and imports are found by patterns, which miss what
   is unusual. The map says so.
"""

from orchestrator.mapping.making import Known, make_map

__all__ = ["Known", "make_map"]
