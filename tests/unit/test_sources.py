"""The digest of our own code: what changes it and what does not."""

from pathlib import Path

import pytest

from lepton_hw import sources

FILES = {
    "__init__.py": "",
    "a.py": "import os\nfrom lepton_hw import b\n",
    "b.py": "def run():\n    from lepton_hw.sub.c import thing\n    return thing\n",
    "sub/__init__.py": "",
    "sub/c.py": "from . import d\nfrom ..e import x\n",
    "sub/d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lepton_hw.f\n",
    "sub/kernel.sv": "module kernel; endmodule\n",
    "sub/templates/page.j2": "hello\n",
    "e.py": "import importlib\nx = importlib.import_module('lepton_hw.g')\n",
    "f.py": "",
    "g.py": "",
    "unrelated.py": "",
    "other/__init__.py": "",
    "other/style.css": "",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(module: str, root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in sources.code_files(module, root)}


def test_the_closure_holds_lazy_relative_typing_and_dynamic_imports(package: Path) -> None:
    unrelated = {"unrelated.py", "other/__init__.py", "other/style.css"}
    assert names("lepton_hw.a", package) == set(FILES) - unrelated


def test_the_closure_of_a_leaf_is_small(package: Path) -> None:
    assert names("lepton_hw.g", package) == {"__init__.py", "g.py"}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("f'lepton_hw.sub.{name}'", {"__init__.py", "g.py", "sub/__init__.py", "sub/c.py",
                                     "sub/d.py", "sub/kernel.sv", "sub/templates/page.j2",
                                     "e.py", "f.py"}),
        ("f'lepton_hw.{name}'", set(FILES)),
        ("name", set(FILES)),
        ("f'{name}.py'", set(FILES)),
        ("'json'", {"__init__.py", "g.py"}),
        ("f'json.{name}'", {"__init__.py", "g.py"}),
    ],
)  # fmt: skip
def test_a_module_chosen_by_name_brings_all_that_it_may_be(
    package: Path, argument: str, expected: set[str]
) -> None:
    (package / "e.py").write_text("")
    (package / "g.py").write_text(
        f"from importlib import import_module\ndef f(name):\n    import_module({argument})\n"
    )
    assert names("lepton_hw.g", package) == expected


def test_an_unknown_module_is_refused(package: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no module lepton_hw\.nothing"):
        sources.code_files("lepton_hw.nothing", package)


@pytest.mark.parametrize(
    ("changed", "differs"),
    [("sub/d.py", True), ("sub/kernel.sv", True), ("sub/templates/page.j2", True),
     ("unrelated.py", False), ("other/style.css", False)],
)  # fmt: skip
def test_the_digest_follows_the_closure(package: Path, changed: str, differs: bool) -> None:
    def digest() -> str:
        sources.code_digest.cache_clear()
        return sources.code_digest("lepton_hw.a", package)

    before = digest()
    assert digest() == before
    (package / changed).write_text("# changed\n" + FILES[changed])
    assert (digest() != before) is differs


def test_training_depends_on_every_network_and_data_set() -> None:
    files = {path.relative_to(sources.ROOT).as_posix() for path in sources.code_files(
        "lepton_hw.stages.train")}  # fmt: skip
    assert {"models/cnn_small.py", "models/cnv.py", "data/digits.py"} <= files


def test_the_digest_of_a_real_module() -> None:
    files = {path.name for path in sources.code_files("lepton_hw.board")}
    assert {"board.py", "errors.py", "toml_values.py", "__init__.py"} <= files
    assert "flow.py" not in files
    assert sources.code_digest("lepton_hw.board") != sources.code_digest("lepton_hw.flow")
