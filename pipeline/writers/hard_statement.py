"""The easy question, made into a request that would do harm if it were fulfilled."""

from pipeline.writers.asking import Templated

HARD_STATEMENT = Templated("hard_statement", holes=("subcategory", "question"), after="easy_question")
