"""The application: its pages, behind what holds for all of them."""

from fastapi import FastAPI

from pipeline.review import coming, lead, sitting
from pipeline.review.guard import Guard
from pipeline.review.web import FAULTS, Review


def build(review: Review) -> FastAPI:
    """The application of one run's review."""

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.review = review
    app.add_middleware(Guard)
    for fault in FAULTS:
        app.add_exception_handler(fault, review.refused)
    for pages in (coming, sitting, lead):
        app.include_router(pages.router)
    return app
