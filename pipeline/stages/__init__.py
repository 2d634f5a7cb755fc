"""The line, one module a verb: collect, question, sample, judge, settle, review, pair, publish.

A stage's functions are named by the table they return. Tables come in by position (or name), settings and doors by
keyword; an `Outcome` goes out. Stages are plain synchronous code, know no clock and no network, and never import
each other. To add a step to the line, write such a function and call it in a recipe: `run(module.function, ...)`.
"""
