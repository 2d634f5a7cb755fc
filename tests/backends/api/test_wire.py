"""What comes over the wire, and what goes over it."""

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backends.api.trouble import refusal, said
from pipeline.backends.api.wire import Wire, decoded, retry_after
from pipeline.errors import UserError
from pipeline.models import Model

FAR = Model(
    name="far", backend="openai", served_as="vlm", revision="1", base_url="http://far:8000/v1", key="TETRAD_TEST_KEY"
)


@given(st.binary())
def test_any_bytes_become_something(data: bytes) -> None:
    assert decoded(data) is not ...


@settings(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))  # fmt: skip
def test_json_is_read_as_json(document: object) -> None:
    assert decoded(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    ("data", "document"),
    [
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"\\ud83d"', "\ud83d"),
        (b'"bell \x07"', "bell \x07"),
        (b"1e999", math.inf),
        (b"9" * 30, 1e30),
        (b"[" * 100_000 + b"]" * 100_000, "[" * 2000),
        (b"9" * 10_000, "9" * 2000),
        (b"<html>", "<html>"),
        (b"", ""),
    ],
)
def test_what_is_not_quite_json_does_no_harm(data: bytes, document: object) -> None:
    assert decoded(data) == document


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Sun, 01 Jan 2006 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "7", "retry-after-ms": "soon"}, 7.0),
    ],
)
def test_retry_after_is_understood(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < (retry_after({"Retry-After": date}) or 0) <= 3600


@given(st.text())
def test_any_retry_after_is_none_or_no_less_than_nothing(text: str) -> None:
    assert (retry_after({"Retry-After": text}) or 0.0) >= 0


def test_a_proxy_of_the_environment_is_used_but_for_the_hosts_it_excepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "near")
    model = FAR.model_copy(update={"base_url": ("http://far:8000/v1", "http://near/v1", "https://far/v1")})
    assert [proxy for _, proxy in Wire(model, "x", {})._targets.values()] == ["http://proxy:3128", None, None]


@pytest.mark.parametrize(
    "address", ["far", "ftp://far", "http://", "http://far:99999/v1", "http://far:none", "http://far:0"]
)
def test_what_is_no_address_is_said_before_anything_is_sent(address: str) -> None:
    with pytest.raises(UserError, match="the base_url of far is no address"):
        Wire(FAR.model_copy(update={"base_url": address}), "x", {})


def test_a_password_in_an_address_is_refused_without_telling_it() -> None:
    with pytest.raises(UserError, match="holds a password") as caught:
        Wire(FAR.model_copy(update={"base_url": "http://me:hunter2@far"}), "x", {})
    assert "hunter2" not in str(caught.value)


def test_a_short_key_is_no_secret_and_may_be_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", "EMPTY")
    assert said(FAR, "The box is EMPTY") == "The box is EMPTY"


@given(st.integers(100, 599), st.text())
def test_every_status_has_a_word_and_no_message_holds_the_key(status: int, text: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TETRAD_TEST_KEY", "sk-0123456789")
        found = refusal(FAR, status, {"error": {"message": f"{text}sk-0123456789{text}"}})
    assert found.word
    assert "sk-0123456789" not in found.message
