"""The version of our own code: one digest over a module and everything that it imports of ours.

Part of every stage's cache key, so that a stage runs again when its code changed and only then.
Reads source files; never imports or runs them.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "lepton_hw"
ROOT = Path(__file__).resolve().parent
#: Files that are code without being Python: RTL, simulation drivers, templates and styles.
DATA_SUFFIXES = frozenset({".sv", ".svh", ".v", ".vh", ".cpp", ".h", ".j2", ".css", ".js", ".tcl"})


@functools.cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """SHA-256, in hex, over the sources of `module` and of all that it imports of ours.

    Imports count wherever they stand, inside functions and under ``TYPE_CHECKING`` too, and so
    do the ``__init__.py`` of every package on the way and the data files beside the modules.
    Raises ValueError where there is no such module.
    """
    whole = hashlib.sha256()
    for path in code_files(module, root):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def code_files(module: str, root: Path = ROOT) -> tuple[Path, ...]:
    """The files behind `code_digest`, sorted; `root` is the folder of the package."""
    if module_file(module, root) is None:
        raise ValueError(f"there is no module {module}")
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name.endswith(".*"):
            waiting.extend(_below(name.removesuffix(".*"), root))
            continue
        path = module_file(name, root)
        if path is None or name in found:
            continue
        found[name] = path
        waiting.extend(_parents(name))
        waiting.extend(imported for imported, _ in imports(path, name))
    folders = {path.parent for path in found.values()}
    data = {file for folder in folders for file in _data_files(folder)}
    return tuple(sorted({*found.values(), *data}))


def module_file(module: str, root: Path = ROOT) -> Path | None:
    """The source file of one of our modules, or None for anything else."""
    first, *rest = module.split(".")
    if first != PACKAGE:
        return None
    base = root.joinpath(*rest)
    files = [base / "__init__.py"] + ([base.with_suffix(".py")] if rest else [])
    return next((file for file in files if file.is_file()), None)


def imports(path: Path, module: str) -> Iterator[tuple[str, int]]:
    """Every module that the file may import: its absolute name and the line.

    For ``from a import b`` both ``a`` and ``a.b`` are given, since only the file system knows
    whether b is a module. ``import_module(f"a.b.{name}")`` gives ``a.b.*``, all that it may
    import; with an argument that cannot be read here it gives all of ours.
    """
    tree = ast.parse(path.read_text(), filename=str(path))
    here = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source, node.lineno
            for name in node.names:
                yield f"{source}.{name.name}", node.lineno
        elif isinstance(node, ast.Call) and node.args and _is_import_module(node.func):
            yield _named(node.args[0]), node.lineno


def _is_import_module(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr == "import_module"
    return isinstance(function, ast.Name) and function.id in ("import_module", "__import__")


def _named(argument: ast.expr) -> str:
    """The module, or the package and ``.*``, that an argument of ``import_module`` stands for."""
    start = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
    if not isinstance(start, ast.Constant) or not isinstance(start.value, str):
        return f"{PACKAGE}.*"
    return start.value if start is argument else f"{start.value.rpartition('.')[0]}.*"


def _below(package: str, root: Path) -> list[str]:
    """Every module of one of our packages and of the packages inside it."""
    first, *inner = package.split(".")
    files = root.joinpath(*inner).rglob("*.py") if first == PACKAGE else ()
    names = [file.relative_to(root).with_suffix("").parts for file in files]
    return [".".join([PACKAGE, *name]).removesuffix(".__init__") for name in names]


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _data_files(folder: Path) -> Iterator[Path]:
    """Data files of one package: beside its modules and in subfolders that hold no Python."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix in DATA_SUFFIXES:
            yield path
        elif path.is_dir() and not any(path.glob("*.py")):
            yield from _data_files(path)
