"""A build as a plain value: which files, which commands in which order, what must come out.

Nothing here runs a program or writes a file; equal builds have equal digests on every machine.
"""

import hashlib
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, model_validator

from lepton_hw.artifacts import digest, file_digest


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Frozen):
    """A file that the build reads: its text, or a copy of `source`; `sha256` is of the content."""

    name: str
    sha256: str
    text: str | None = None
    source: Path | None = None


class Step(_Frozen):
    """One command.

    `argv[0]` is the bare name of a program, which whoever runs the plan finds. All paths in `argv`
    are relative to `cwd`, and that is relative to the build's folder, so that neither depends on
    where the build happens. `timeout` is in seconds. `products` are the files that must be there
    and not empty when the command has ended well; patterns such as ``*`` are not allowed.
    """

    name: str
    argv: tuple[str, ...]
    products: tuple[str, ...]
    timeout: float
    cwd: str = "."
    environment: dict[str, str] = {}


class Plan(_Frozen):
    """A whole build: `files` first, then `steps` in order.

    `results` are the names of those files and products that leave the build's folder; nothing
    else that the programs write is read by anyone.
    """

    title: str
    files: tuple[File, ...]
    steps: tuple[Step, ...]
    results: tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> "Plan":
        names = [file.name for file in self.files]
        made = [name for step in self.steps for name in step.products]
        for name in (*names, *made, *(step.cwd for step in self.steps)):
            _require_inside(name)
        for kind in (names, made, [step.name for step in self.steps]):
            twice = sorted({name for name in kind if kind.count(name) > 1})
            if twice:
                raise ValueError(f"{twice[0]} is there twice")
        unknown = set(self.results) - {*made, *names}
        if unknown:
            raise ValueError(f"no step makes {min(unknown)}")
        both = set(made) & set(names)
        if both:
            raise ValueError(f"{min(both)} is both a file and a product")
        return self

    @property
    def digest(self) -> str:
        """SHA-256, in hex, over contents and commands; where sources lie is not part of it."""
        return digest(
            {
                "files": {file.name: file.sha256 for file in self.files},
                "steps": [step.model_dump(mode="json") for step in self.steps],
                "results": self.results,
            }
        )


def text_file(name: str, text: str) -> File:
    """A file with this text, in UTF-8."""
    return File(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), text=text)


def source_file(name: str, source: Path) -> File:
    """A copy of `source`, as it is now."""
    return File(name=name, sha256=file_digest(source), source=source.absolute())


def describe(plan: Plan) -> str:
    """The plan as text for a person to read and for tests to compare, without the digests."""
    lines = [plan.title, "", "files:"]
    for file in plan.files:
        lines.append(f"  {file.name}" + ("" if file.text is None else " (generated)"))
    for step in plan.steps:
        lines += ["", f"step {step.name}, at most {step.timeout:g} s, in {step.cwd}:"]
        lines += [f"  {name}={value}" for name, value in sorted(step.environment.items())]
        lines.append("  $ " + " ".join(step.argv))
        lines += [f"  makes {name}" for name in step.products]
    lines += ["", "results:", *(f"  {name}" for name in plan.results)]
    for file in plan.files:
        if file.text is not None:
            lines += ["", f"== {file.name}", file.text.rstrip("\n")]
    return "\n".join(lines) + "\n"


def _require_inside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or name == "" or set("*?[") & set(name):
        raise ValueError(f"{name!r} is no path inside the build's folder")
