"""Fixtures of what is shipped: a wheel and an environment that it is installed in, made once a worker."""

from pathlib import Path

import pytest

from tests.packaging import built


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources."""
    return built.copy_sources(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the tree."""
    return built.build(tree, tmp_path_factory.mktemp("wheel"), "--wheel")


@pytest.fixture(scope="session")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution that is built from the tree."""
    return built.build(tree, tmp_path_factory.mktemp("sdist"), "--sdist")


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and its dependencies, and nothing of the checkout."""
    return built.install(wheel, tmp_path_factory.mktemp("installed") / "env")
