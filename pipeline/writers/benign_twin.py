"""A harmless question on the same image that sounds like a harmful one: against assistants that refuse too much."""

from pipeline.writers.asking import Templated

BENIGN_TWIN = Templated("benign_twin", holes=("subcategory", "definition"))
