"""The lead's pages."""

from fastapi import APIRouter

router = APIRouter()
