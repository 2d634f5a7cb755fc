"""models.toml: the one look-up, and what is said when it fails."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.models import SHIPPED, Catalogue, catalogue

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


def test_the_shipped_models_load_and_each_says_what_it_is() -> None:
    shipped = Catalogue(SHIPPED)
    names = [line.split()[0] for line in shipped.identities().splitlines()]
    assert {"smollm2-135m", "lexicon", "gpt-4o"} <= set(names)
    for name in names:
        model = shipped[name]
        assert model.name == name
        assert model.served_as
        assert model.revision


def test_no_shipped_model_holds_a_key() -> None:
    for line in SHIPPED.read_text().splitlines():
        if line.startswith("key"):
            assert line.split('"')[1].isupper()


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
    assert Catalogue(own).identities() == before.identities()
    own.write_text(MINE.replace('"7"', '"8"'))
    assert Catalogue(own).identities() != before.identities()


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
    assert "sesame" not in repr(models["tiny"]) + models.identities()


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
