"""What sites write to say what may be taken, read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.doors.web.rules import (
    Robots,
    canonical,
    opt_outs,
    pattern,
    reservation,
    reservations,
    reserved,
    robots,
)

PATHS = st.text("/ab*$%2Fé?=", max_size=12).map("/".__add__)


def allows(text: str, path: str) -> bool:
    return robots(text).allows(canonical(path))


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        # RFC 9309, 2.2.2 and 2.2.3
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", False),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/ツ", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/foo-%24", "/path/foo-$", True),
        # what search engines give as examples
        ("/", "/any", True),
        ("/*", "/any", True),
        ("/$", "/", True),
        ("/$", "/any", False),
        ("/fish", "/fishheads/yummy.html", True),
        ("/fish", "/Fish.asp", False),
        ("/fish", "/catfish", False),
        ("/fish*", "/fish.php?id=anything", True),
        ("/fish/", "/fish", False),
        ("fish/", "/fish/salmon.htm", True),
        ("*.php", "/folder/any.php.file.html", True),
        ("/*.php$", "/filename.php", True),
        ("/*.php$", "/filename.php?parameters", False),
        ("/*.php$", "/filename.php/", False),
        ("/fish*.php", "/fishheads/catfish.php?x=1", True),
        ("/fish*.php", "/Fish.PHP", False),
        ("/a*a$", "/a", False),
        ("/a*a$", "/aa", True),
        ("/a**b*$", "/axbx", True),
        ("/a$b", "/a$b", True),
        ("/a$b", "/a", False),
        ("/x%3Dy", "/x=y", True),
        ("/100%", "/100%25", True),
        ("/%aF", "/%Af", True),
    ],
)
def test_a_pattern_matches_as_the_standard_says(rule: str, path: str, matches: bool) -> None:
    assert pattern(rule).matches(canonical(path)) is matches


@settings(max_examples=50, deadline=None)
@given(PATHS)
def test_a_path_has_one_form(path: str) -> None:
    once = canonical(path)
    assert canonical(once) == once
    assert once.isascii()
    assert "*" not in once
    assert "$" not in once


@settings(max_examples=50, deadline=None)
@given(PATHS, PATHS)
def test_a_path_matches_itself_and_all_that_begins_with_it(path: str, more: str) -> None:
    escaped = canonical(path)
    assert pattern(escaped).matches(canonical(path + more))
    assert pattern(f"{escaped}$").matches(escaped)
    assert pattern(f"*{canonical(more)}$").matches(canonical(path + more))
    assert pattern(f"{escaped}*{canonical(more)}").matches(canonical(path + path + more))


def test_our_rules_are_those_for_our_name_and_else_those_for_everyone() -> None:
    text = "User-agent: *\nDisallow: /\n\nUser-agent: Tetrad/2.0\nDisallow: /private/\nCrawl-delay: 7\n"
    assert allows(text, "/a.png")
    assert not allows(text, "/private/a.png")
    assert robots(text).delay == 7
    for other in ("tetradbot", "tet", "mytetrad", "otherbot"):
        assert not allows(text.replace("Tetrad/2.0", other), "/a.png")
    assert allows(text.replace("User-agent: *", "User-agent: otherbot"), "/a.png")
    assert allows("User-agent: tetrad\nDisallow:\n\nUser-agent: *\nDisallow: /", "/a.png"), "a group may forbid nothing"


def test_groups_may_have_many_names_and_names_many_groups() -> None:
    text = "user-agent: otherbot\nUSER-AGENT: tetrad\ndisallow: /a\n\nuser-agent: x\ndisallow: /b\n\nuser-agent: tetrad\ndisallow: /c"
    assert [allows(text, path) for path in ("/a", "/b", "/c")] == [False, True, False]
    assert [allows(text.replace("tetrad", "*"), path) for path in ("/a", "/b", "/c")] == [False, True, False]
    assert not allows("User-agent: *\nUser-agent: tetrad\nDisallow: /a", "/a")


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /a\nAllow: /a/b", "/a/b/c.png", True),
        ("Allow: /a/b\nDisallow: /a", "/a/b/c.png", True),
        ("Allow: /a\nDisallow: /a/b", "/a/b/c.png", False),
        ("Disallow: /p\nAllow: /p", "/p", True),
        ("Disallow: /*.png\nAllow: /a", "/a.png", False),
        ("Disallow: /\nAllow: /$", "/", True),
        ("Disallow: /\nAllow: /$", "/a.png", False),
    ],
)
def test_the_longest_rule_decides_and_of_two_the_kinder(rules: str, path: str, allowed: bool) -> None:
    assert allows(f"User-agent: *\n{rules}", path) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: *\rDisallow: /a",
        "User-agent: *\r\nDisallow: /a",
        "  User-agent :  *  # all\n\n\n Disallow : /a # and more",
        "User-agent: *\nSitemap: http://x.example/\nDisallow: /a",
        "useragent: *\ndissallow: /a",
        "User-agent *\nDisallow /a",
        "User-agent: *\nNonsense\n:\nDisallow: a",
        "Disallow: /b\nUser-agent: *\nDisallow: /a",
    ],
)
def test_sloppy_files_are_understood(text: str) -> None:
    assert not allows(text, "/a.png")
    assert allows(text, "/b.png")


@pytest.mark.parametrize(("said", "seconds"), [("2.5", 2.5), ("-1", 0), ("nan", 0), ("inf", 0), ("soon", 0), ("", 0)])
def test_a_crawl_delay_is_a_number_of_seconds_or_nothing(said: str, seconds: float) -> None:
    assert robots(f"User-agent: *\nCrawl-delay: {said}").delay == seconds


@settings(max_examples=50, deadline=None)
@given(st.text() | st.lists(st.sampled_from(["User-agent: *", "User-agent: tetrad", "Disallow: /a*", "Allow: $", "x", ":", "#"])).map("\n".join))  # fmt: skip
def test_any_text_can_be_read(text: str) -> None:
    assert robots(text).allows("/") in (True, False)
    assert reserved(reservations(text), "/") in (True, False, None)
    assert opt_outs([text]) is not None
    assert reservation([text]) in (True, False, None)


def test_a_file_made_to_be_slow_is_not() -> None:
    text = "".join(f"User-agent: a{n}\n" for n in range(15_000)) + "Disallow: /*a*b*c\n" * 15_000
    assert robots(text) == Robots()
    assert allows(f"User-agent: *\nDisallow: /{'a*' * 100_000}", "/" + "a" * 8000)


def test_a_reservation_is_that_of_the_first_place_that_matches() -> None:
    rules = reservations(
        json.dumps(
            [
                {"location": "/free/*.png$", "tdm-reservation": 0},
                {"location": "/free/", "tdm-reservation": 1, "tdm-policy": "https://x.example/policy.json"},
                {"location": "/odd/", "tdm-reservation": 2},
                {"location": "/odd/a", "tdm-reservation": 1},
                {"location": "/text/", "tdm-reservation": "1"},
                {"location": "/none/"},
                {"tdm-reservation": 1},
                {"location": 7, "tdm-reservation": 1},
                "/",
            ]
        )
    )
    paths = {
        "/free/a.png": False, "/free/a.png?x": True, "/free/b.jpg": True, "/odd/a": None, "/text/a": True, "/none/a": None,
        "/a.png": None,
    }  # fmt: skip
    assert {path: reserved(rules, canonical(path)) for path in paths} == paths


@pytest.mark.parametrize(
    "text", ['[{"location": "/", "tdm-reservation": 1}]', '{"location": "/", "tdm-reservation": 1}']
)
def test_a_whole_site_may_be_reserved(text: str) -> None:
    assert reserved(reservations(text), "/a.png") is True


@pytest.mark.parametrize(
    "text", ["", "<!DOCTYPE html>", "[" * 100_000, "null", "7", "[[]]", '[{"location": "/"', "9" * 5000]
)
def test_what_is_no_file_of_reservations_reserves_nothing(text: str) -> None:
    assert reserved(reservations(text), "/") is None


@pytest.mark.parametrize(
    ("values", "reserves"),
    [([], None), (["1"], True), (["0"], False), ([" 1 "], True), (["0", "1"], True), (["0, 1"], True), (["2"], None), (["yes"], None)],
)  # fmt: skip
def test_a_header_reserves_by_1_and_frees_by_0(values: list[str], reserves: bool | None) -> None:
    assert reservation(values) is reserves


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        (["noai"], ["noai"]),
        (["NoAI, NoImageAI"], ["noai", "noimageai"]),
        (["all", "noindex"], ["noindex"]),
        (["noimageindex"], ["noimageindex"]),
        (["none"], ["none"]),
        (["nofollow, noarchive, nosnippet"], []),
        (["tetrad: noai"], ["noai"]),
        (["Tetrad/1.0: nofollow, noai"], ["noai"]),
        (["otherbot: noai"], []),
        (["otherbot: noai, noindex"], []),
        (["otherbot: noai", "noindex"], ["noindex"]),
        (["noindex, otherbot: noai"], ["noindex"]),
        (["otherbot: noai, tetrad: noindex"], ["noindex"]),
        (["otherbot: noai, tetrad: all"], []),
        (["*: noai"], ["noai"]),
        (["tetradbot: noai"], []),
        (["max-image-preview: none"], []),
        (["max-image-preview: none, noai"], ["noai"]),
        (["unavailable_after: Fri, 25 Jun 2010 15:00:00 PST, noindex"], ["noindex"]),
        (["otherbot: unavailable_after: 25 Jun 2010 15:00:00 PST, noindex"], []),
    ],
)
def test_an_opt_out_is_for_everyone_or_for_a_robot_by_name(values: list[str], found: list[str]) -> None:
    assert opt_outs(values) == found
