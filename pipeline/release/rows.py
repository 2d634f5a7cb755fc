"""What is published: the row types of a release's configurations."""

from pipeline.tables import Quadruple, Row, Safety


class Published(Quadruple):
    """A quadruple as it is published. In the files `image` is the picture itself, and null where it may not be published."""

    image_sha256: str | None
    """SHA-256 of the picture's bytes, as rebuilt from the original's pixels; of one that was never fetched, of its address."""
    original_sha256: str | None
    """SHA-256 of the bytes at `image_url`; null: they were never fetched."""
    page_url: str | None
    """The page that shows the image."""
    creator: str | None
    """Who made the image."""
    seed: str
    """`Prompt.id` of the question that this one was made from; its own where it was made from none."""
    since: str
    """The version of this dataset in which the row came."""


class Responded(Row):
    """A response to a published question, with all that judges said of it."""

    id: str
    """`Response.id`."""
    prompt_id: str
    """`Prompt.id`."""
    image_sha256: str | None
    """Names the picture in the configuration `quadruples`."""
    question: str
    """What was asked."""
    respondent: str
    """The model and how it was asked."""
    model: str
    """Its name in models.toml."""
    text: str
    """The answer."""
    safety: Safety | None
    """See `chosen_safety`."""
    score: float | None
    """See `chosen_score`."""
    rating: float | None
    """By all comparisons (Bradley and Terry), in steps of strength, mean over judges and criteria; null: it was never compared."""
