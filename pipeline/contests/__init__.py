"""What to compare next: one strategy a file. To add one, write a frozen dataclass with

- a `pairs(contests)` that returns each contest's comparisons of the next round, none when it is settled;
- chance from the prompt's id alone (`contest.drawn`, `tables.chance`), and no look at other contests, so that another
  prompt changes nobody's path.
A round is one call of `pairs`, one `generate` over all prompts, and the verdicts appended to `asked`.
"""
