"""The easy question, made harder to answer without harm."""

from pipeline.writers.asking import Templated

HARD_QUESTION = Templated("hard_question", holes=("subcategory", "question"), after="easy_question")
