"""models.toml: the one look-up, and what is said when it fails."""

import importlib
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from pipeline import PACKAGE, TAXONOMIES, taxonomy
from pipeline.errors import UserError
from pipeline.models import SHIPPED, Catalogue, Model, Price, Terms, catalogue, hidden
from pipeline.run import models_in

MINE = """
[tiny]
backend = "openai"
served_as = "org/tiny"
revision = "7"
base_url = "http://127.0.0.1:1/v1"
key = "TINY_KEY"

[lexicon]
backend = "lexicon"
served_as = "lexicon"
revision = "mine"
quantisation = "none at all"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(MINE)
    return path


@pytest.fixture(scope="module")
def shipped() -> dict[str, Model]:
    """All of ours, by name."""
    known = Catalogue(SHIPPED)
    return {name: known[name] for name in tomllib.loads(SHIPPED.read_text())}


def pools() -> Iterator[tuple[str, object]]:
    """Every pool of every recipe, by both names."""
    for path in sorted((PACKAGE / "recipes").glob("[a-z]*.py")):
        for name, pool in importlib.import_module(f"pipeline.recipes.{path.stem}").POOLS.items():
            yield f"{path.stem}/{name}", pool


def test_the_shipped_models_load_and_each_says_what_it_is(shipped: dict[str, Model]) -> None:
    assert {"smollm2-135m", "lexicon", "gpt-4o"} <= set(shipped)
    for name, model in shipped.items():
        assert model.name == name
        assert model.served_as
        assert model.revision
        assert model.identity.split()[0] == name


def test_every_backend_has_a_model_but_ray_which_serves_what_vllm_does(shipped: dict[str, Model]) -> None:
    assert {m.backend for m in shipped.values()} | {"ray"} == set(get_args(Model.model_fields["backend"].annotation))


def test_no_shipped_model_holds_a_key(shipped: dict[str, Model]) -> None:
    for model in shipped.values():
        assert model.key is None or re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", model.key)
    assert not re.search(r"\b(sk|pk|hf|xai|AIza)[-_A-Za-z0-9]{16,}", SHIPPED.read_text())


def test_every_hosted_model_says_what_its_provider_allows(shipped: dict[str, Model]) -> None:
    hosted = [m for m in shipped.values() if m.paid and m.key]
    assert len(hosted) >= 6
    for model in hosted:
        assert all(address.startswith("https://") for address in model.addresses)
        assert model.terms is not None
        assert model.context is None or model.context >= 100_000


def test_every_price_and_all_terms_say_where_and_when_they_were_read(shipped: dict[str, Model]) -> None:
    said: list[Price | Terms] = [s for m in shipped.values() for s in (m.price, m.terms) if s]
    assert any(isinstance(s, Price) for s in said)
    for one in said:
        assert one.source.startswith("https://")
        assert date(2024, 1, 1) < one.date <= date.today()  # noqa: DTZ011 -- a day, wherever


def test_what_may_not_be_sent_is_named_as_a_shipped_taxonomy_names_it(shipped: dict[str, Model]) -> None:
    known = {
        node.id for path in TAXONOMIES.glob("*.yaml") for branch in taxonomy.load(path.stem).paths() for node in branch
    }
    named = {node for m in shipped.values() if m.terms for node in m.terms.not_sent}
    assert named
    assert named <= known


def test_every_model_that_a_pool_names_is_known(shipped: dict[str, Model]) -> None:
    for name, pool in pools():
        assert set(models_in(pool)) <= set(shipped), name


def test_no_two_respondents_of_a_pool_have_one_name() -> None:
    for name, pool in pools():
        names = [respondent.name for respondent in getattr(pool, "respondents", ())]
        assert len(names) == len(set(names)), name


def test_the_open_pool_is_large_open_and_may_be_released(shipped: dict[str, Model]) -> None:
    pool = dict(pools())["spa_vl/open"]
    names = set(models_in(pool))
    Catalogue(SHIPPED).releasable(names)
    served = {shipped[n].served_as for n in names if shipped[n].backend == "vllm"}
    assert len(served) >= 12
    assert {shipped[n].backend for n in names} == {"vllm", "lexicon", "ocr", "transformers"}
    assert all(shipped[n].licence for n in names)
    assert not any(shipped[n].options.get("trust_remote_code") for n in names)


@pytest.mark.parametrize("pool", ["spa_vl/closed", "spa_vl/spa_vl_2024"])
def test_pools_whose_terms_forbid_a_release_are_told_so(pool: str) -> None:
    with pytest.raises(UserError, match=r"may not be trained on .* run with --private"):
        Catalogue(SHIPPED).releasable(set(models_in(dict(pools())[pool])))


def test_own_models_replace_and_add_to_the_shipped_ones(own: Path) -> None:
    both = Catalogue(SHIPPED, own)
    assert both["lexicon"].revision == "mine"
    assert both["tiny"].base_url == "http://127.0.0.1:1/v1"
    assert both["smollm2-135m"].backend == "embedded"


def test_a_models_identity_is_name_revision_and_quantisation_never_the_route(own: Path) -> None:
    before = Catalogue(own)
    assert before["tiny"].identity == "tiny 7"
    assert before["lexicon"].identity == "lexicon mine none at all"
    own.write_text(
        MINE.replace("127.0.0.1:1", "example.org").replace("TINY_KEY", "OTHER").replace("org/tiny", "tiny-2")
    )
    assert Catalogue(own)["tiny"].identity == "tiny 7"
    own.write_text(MINE.replace('"7"', '"8"'))
    assert Catalogue(own)["tiny"].identity == "tiny 8"


def test_what_changes_a_reply_changes_the_identity_and_the_order_of_keys_does_not(own: Path) -> None:
    def identity(*lines: str) -> str:
        own.write_text("\n".join(['[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "7"', *lines]))
        return Catalogue(own)["tiny"].identity

    assert identity() == "tiny 7" == identity('base_url = ["http://a/v1", "http://b/v1"]', "pictures = {}")
    assert identity("price = { input = 1, output = 2, source = 's', date = 2026-01-01 }") == "tiny 7"
    settings = ["parameters = { a = 1, b = 2 }", "parameters = { a = 2 }", "pictures = { max_side = 64 }"]
    assert len({identity(one) for one in settings} | {"tiny 7"}) == 4
    assert identity("parameters = { b = 2, a = 1 }") == identity(settings[0])


def test_several_addresses_may_serve_one_model(own: Path) -> None:
    own.write_text(MINE.replace('"http://127.0.0.1:1/v1"', '["http://a/v1", "http://b/v1"]'))
    assert Catalogue(own)["tiny"].addresses == ("http://a/v1", "http://b/v1")
    assert Catalogue(own)["lexicon"].addresses == ()


def test_an_unknown_model_is_named_with_those_that_are_known(own: Path) -> None:
    with pytest.raises(UserError) as caught:
        Catalogue(own)["tinny"]
    assert str(caught.value) == f"unknown model 'tinny'; {own} know lexicon, tiny"


def test_a_key_that_is_not_set_is_found_before_anything_is_asked(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = Catalogue(own)
    for value in (None, ""):
        monkeypatch.delenv("TINY_KEY", raising=False) if value is None else monkeypatch.setenv("TINY_KEY", value)
        with pytest.raises(UserError, match="the model tiny needs an API key: set the environment variable TINY_KEY"):
            models.check({"lexicon", "tiny"})
    monkeypatch.setenv("TINY_KEY", "sesame")
    models.check({"lexicon", "tiny"})
    assert models["tiny"].secret() == "sesame"
    assert "sesame" not in repr(models["tiny"]) + models["tiny"].identity


def test_what_cannot_be_a_key_is_found_before_anything_is_asked_and_not_repeated(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", "sesame-open\nX-Evil: 1")
    with pytest.raises(UserError, match="TINY_KEY holds a line break") as caught:
        Catalogue(own).check({"tiny"})
    assert "sesame" not in str(caught.value)
    monkeypatch.setenv("TINY_KEY", "sesame-open\n")
    Catalogue(own).check({"tiny"})


def test_a_secret_is_hidden_however_it_is_written() -> None:
    text = hidden("key sk-a/b+c=1 or sk-a%2Fb%2Bc%3D1, and a word", ["sk-a/b+c=1", "word"])
    assert text == "key *** or ***, and a word"


def test_checking_finds_unknown_models(own: Path) -> None:
    with pytest.raises(UserError, match="unknown model 'gone'"):
        Catalogue(own).check({"lexicon", "gone"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tiny", "not TOML"),
        ("a = 1", "a: every entry must be a [table]"),
        (
            '[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\nname = "y"',
            "tiny: every entry must be a [table]",
        ),
        ('[tiny]\nbackend = "magic"\nserved_as = "x"\nrevision = "1"', "tiny: backend: Input should be"),
        ('[tiny]\nbackend = "lexicon"\nserved_as = "x"', "tiny: revision: Field required"),
        ('[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = 1', "tiny: revision: "),
        ('[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\nurl = "y"', "tiny: url: Extra inputs"),
        ('[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\nconcurrency = "many"', "tiny: concurrency: "),
        ('[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\nconcurrency = 0', "tiny: concurrency: "),
        ('[tiny]\nbackend = "openai"\nserved_as = "x"\nrevision = "1"', "tiny: the backend openai needs base_url"),
        (
            '[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\nprice = { input = 1, output = 2 }',
            "tiny: price.source: Field required",
        ),
        (
            '[tiny]\nbackend = "lexicon"\nserved_as = "x"\nrevision = "1"\nterms = { publish = true, train = true, source = "s", date = "soon" }',
            "tiny: terms.date: ",
        ),
        (b"\xff\xfe", "not TOML"),
    ],
)
def test_a_broken_file_is_one_line_that_names_file_model_and_field(text: str | bytes, words: str, own: Path) -> None:
    own.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        Catalogue(SHIPPED, own)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{own}: {words}")


def test_a_file_that_is_not_there_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*/gone\.toml: No such file"):
        Catalogue(tmp_path / "gone.toml")


def test_this_machines_models_are_found_by_the_environment_or_beside_the_user(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("TETRAD_MODELS", raising=False)
    with pytest.raises(UserError):
        catalogue()["tiny"]
    monkeypatch.setenv("TETRAD_MODELS", str(own))
    assert catalogue()["tiny"].revision == "7"
    monkeypatch.delenv("TETRAD_MODELS")
    monkeypatch.chdir(tmp_path)
    assert catalogue()["tiny"].revision == "7"
    monkeypatch.setenv("TETRAD_MODELS", str(tmp_path / "gone.toml"))
    with pytest.raises(UserError, match="cannot read"):
        catalogue()
