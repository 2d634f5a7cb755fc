"""A small run and its release, for tests that change neither."""

import pytest
from small import Small

from pipeline.release.folder import Folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Not to be changed."""
    return Small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def release(small: Small) -> Folder:
    """Nor this."""
    return small.release()
