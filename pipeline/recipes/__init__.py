"""WHAT to build: one dataset a file, a function read top to bottom. To add a recipe, write one module with

- POOLS: name → a frozen dataclass of who writes, answers and judges (the first is the default);
- SOURCES: name → a tuple of image sources, if it collects any (the first is the default);
- build(run): the line, from `run(collect.images, ...)` to `run(pair.quadruples, ...)`.

A recipe may live outside the package: `tetrad run ./mine.py`.
"""
