"""Licences as people write them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.licences import ALLOWED, spdx

KNOWN = [
    ("CC BY 4.0", "CC-BY-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("CC_BY_NC_2.0", "CC-BY-NC-2.0"),
    ("by-nc-sa 4.0", "CC-BY-NC-SA-4.0"),
    ("Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0"),
    ("Attribution-NonCommercial-ShareAlike 2.0 Generic", "CC-BY-NC-SA-2.0"),
    ("Creative Commons Attribution-NoDerivs 3.0 Unported", "CC-BY-ND-3.0"),
    ("https://creativecommons.org/licenses/by-nc/2.0/deed.en", "CC-BY-NC-2.0"),
    ("http://creativecommons.org/licenses/by/3.0/us/", "CC-BY-3.0-US"),
    ("https://creativecommons.org/licenses/by-nc-nd/4.0/legalcode.de", "CC-BY-NC-ND-4.0"),
    ("CC BY-SA 3.0 fr", "LicenseRef-CC-BY-SA-3.0-FR"),
    ("CC BY 4.0 <https://creativecommons.org/licenses/by/4.0/>", "CC-BY-4.0"),
    ("CC0", "CC0-1.0"),
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
    ("PDM", "CC-PDM-1.0"),
    ("public domain mark", "CC-PDM-1.0"),
    ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
    ("Public Domain", "LicenseRef-public-domain"),
    ("MIT", "MIT"),
    ("https://opensource.org/licenses/MIT", "MIT"),
    ("Apache License, Version 2.0", "Apache-2.0"),
    ("BSD-3-Clause", "BSD-3-Clause"),
    ("Unsplash License", "LicenseRef-Unsplash"),
    ("https://www.pexels.com/license/", "LicenseRef-Pexels"),
    ("All rights reserved", "LicenseRef-all-rights-reserved"),
    ("© 2019 Ada Lovelace", "LicenseRef-all-rights-reserved"),
    ("No known copyright restrictions", "LicenseRef-no-known-copyright-restrictions"),
]
UNKNOWN = [
    "",
    "?",
    "unknown",
    "cc",
    "CC BY",
    "CC BY 9.9",
    "CC BY-SA 4.0, 3.0",
    "CC BY-ND-SA 4.0",
    "CC BY 4.0 https://creativecommons.org/licenses/by/3.0/",
    "CC BY 4.0, but not the logo",
    "not CC BY 4.0",
    "CC0 or CC BY 4.0",
    "CC BY 4.0 / GFDL",
    "© 2019 Ada Lovelace, some under CC BY 4.0",
    "MIT" + " " * 400,
]


@pytest.mark.parametrize(("text", "licence"), KNOWN)
def test_a_licence_is_known_by_its_names_and_its_page(text: str, licence: str) -> None:
    assert spdx(text) == licence
    assert spdx(text.upper().replace("LICENSEREF", "LicenseRef")) == licence


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_understood_to_its_last_word_is_not_known(text: str) -> None:
    assert spdx(text) is None


@pytest.mark.parametrize("licence", sorted(ALLOWED | {licence for _, licence in KNOWN}))
def test_an_id_stands_for_itself(licence: str) -> None:
    assert spdx(licence) == licence


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from([*"(),/© ", *[text for text, _ in KNOWN]])).map(" ".join)))
@example("CC BY 4.0" * 40)
def test_no_text_is_too_odd_and_an_id_that_was_found_is_found_again(text: str) -> None:
    found = spdx(text)
    assert spdx(found) == found


def test_nothing_that_forbids_selling_or_changing_is_published_by_default() -> None:
    assert {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-2.5", "CC-PDM-1.0"} <= ALLOWED
    assert not [licence for licence in ALLOWED if {"NC", "ND"} & set(licence.split("-"))]
    assert not ALLOWED & {spdx(text) for text in ("Unsplash", "Pexels", "All rights reserved", "unknown")}
