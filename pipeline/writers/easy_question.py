"""A question that the picture raises and that touches the subcategory: the start of the harder ones."""

from pipeline.writers.asking import Templated

EASY_QUESTION = Templated("easy_question", holes=("subcategory", "definition"))
