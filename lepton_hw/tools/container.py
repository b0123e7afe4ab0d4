"""Docker or Podman: which of them runs, and the command lines that build and run our images.

A container runs as the calling user on folders that have the same paths inside as outside, and
gets of the environment what is named here; values never stand on the command line.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lepton_hw.errors import InputError, LeptonError, MissingTool
from lepton_hw.plan.plan import Step
from lepton_hw.tools.vivado import Vivado

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = "docker/Containerfile"
TARGETS = ("test", "build", "open-build")
PATIENCE = 60.0
#: Where the images have their programs; AMD's come before them.
PATH = "/opt/lepton/bin:/opt/open/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Variables of ours that a build in a container sees: licences, and where FINN's dependencies are.
PASSED = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE", "FINN_DEPS", "TZ")
LICENCES = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE")
#: Names another engine, or ``none`` for no container.
VARIABLE = "LEPTON_CONTAINER"


@dataclass(frozen=True)
class Engine:
    """A container engine that answers: ``docker`` or ``podman``."""

    name: str
    program: str
    version: str


@functools.cache
def find(wanted: str = "") -> Engine:
    """The engine that is there and runs, Docker first; `wanted` allows only one of them.

    Raises `MissingTool` with what each of them said.
    """
    wanted = wanted or os.environ.get(VARIABLE, "")
    names = (wanted,) if wanted else ("docker", "podman")
    if not set(names) <= {"docker", "podman"}:
        raise InputError(f"the container engine is '{wanted}'", "docker or podman", "correct it")
    reasons = []
    for name in names:
        program = shutil.which(name)
        if program is None:
            reasons.append(f"{name} is not installed")
            continue
        version, reason = _ask(name, program)
        if version:
            return Engine(name, program, version)
        reasons.append(f"{name}: {reason}")
    raise MissingTool(
        f"no container engine runs ({'; '.join(reasons)})",
        "Docker with its service running, or Podman",
        "start it ('systemctl start docker'), install Podman, or put Vivado on PATH",
    )


def _ask(name: str, program: str) -> tuple[str, str]:
    """Version of the engine behind the program, or the reason why there is none."""
    what = "{{.Server.Version}}" if name == "docker" else "{{.Version.Version}}"
    argv = [program, "version" if name == "docker" else "info", "--format", what]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"does not answer ({type(error).__name__})"
    version = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode == 0 and version[0] and version[0] != "<no value>":
        return version[0], ""
    said = done.stderr.strip() or done.stdout.strip()
    if "permission denied" in said.lower():
        return "", "this user may not talk to its service (add it to the group docker)"
    if "daemon" in said.lower() or "docker.sock" in said:
        return "", "its service does not run"
    return "", (said.splitlines() or [f"exit code {done.returncode}"])[-1]


def build_argv(
    engine: Engine, target: str, tag: str, context: Path, arguments: Mapping[str, str]
) -> list[str]:
    """Builds one of the images of ``docker/Containerfile``; `arguments` as ``--build-arg``."""
    if target not in TARGETS:
        raise InputError(f"there is no image '{target}'", ", ".join(TARGETS), "pass one of these")
    return [
        engine.program, "build", "-f", str(context / CONTAINERFILE), "--target", target, "-t", tag,
        *(part for item in sorted(arguments.items()) for part in ("--build-arg", "=".join(item))),
        str(context),
    ]  # fmt: skip


def image_tag(target: str) -> str:
    """The name under which an image of ours is kept."""
    return f"localhost/lepton_hw:{target}"


@dataclass(frozen=True)
class Mount:
    """A folder or file that the container sees, at the same path."""

    path: Path
    read_only: bool = True

    def argument(self) -> str:
        """The value of ``--mount``."""
        text = str(self.path)
        if "," in text or '"' in text:
            raise InputError(
                f"the path {text} holds a comma or a quotation mark",
                "none, which --mount gives a meaning", "move the folder",
            )  # fmt: skip
        return f"type=bind,source={text},target={text}" + (",readonly" if self.read_only else "")


@dataclass
class Container:
    """Runs a plan's steps in an image, each in a container that is gone afterwards.

    The build's folder is mounted writable; `mounts` are added, `environment` is set. `network` is
    "none", "host" or the engine's own "bridge".
    """

    engine: Engine
    image: str
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = "none"
    _name: str = ""

    def command(self, step: Step, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The command line of the engine, and the environment for it.

        Variables are passed by name, so that their values are in no list of processes.
        """
        (folder / "home").mkdir(parents=True, exist_ok=True)
        values = {**self.environment, **step.environment}
        path = values.pop("PATH", PATH)
        self._name = f"lepton-{uuid.uuid4().hex[:12]}"
        argv = [
            self.engine.program, "run", "--rm", "--name", self._name,
            "--network", self.network, *_user(self.engine),
            "--workdir", str((folder / step.cwd).resolve()),
            *(part for mount in (Mount(folder, False), *self.mounts)
              for part in ("--mount", mount.argument())),
            # The engine itself needs PATH and HOME of ours: those two, no secrets, by value.
            "--env", f"HOME={folder / 'home'}", "--env", f"PATH={path}",
            *(part for name in sorted(values) for part in ("--env", name)),
            self.image, *step.argv,
        ]  # fmt: skip
        return argv, {**os.environ, **values}

    def stop(self) -> None:
        """Removes the container: ending the client alone leaves it running."""
        if self._name:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    [self.engine.program, "rm", "--force", self._name],
                    capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
                )  # fmt: skip


def _user(engine: Engine) -> list[str]:
    """As the calling user, so that no file belongs to root.

    Podman without root maps that user to itself; SELinux would forbid it the mounted folders.
    """
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    if engine.name == "docker":
        return user
    keep = ["--userns", "keep-id"] if os.getuid() else []
    return [*keep, *user, "--security-opt", "label=disable"]


def for_vivado(
    engine: Engine, vivado: Vivado, image: str = "", project: Path | None = None
) -> Container:
    """A container with Vivado mounted read-only, our code if `project` is given, and licences.

    With a licence the container shares the host's network: a licence is bound to the host's
    network address, or on a server. Without one it has none.
    """
    values = {name: os.environ[name] for name in PASSED if os.environ.get(name)}
    values |= {**vivado.environment(), "PATH": ":".join([*vivado.path(), PATH])}
    paths = [vivado.root, *licence_paths(values)]
    if project is not None:
        paths.append(project)
        values["PYTHONPATH"] = str(project)
    if values.get("FINN_DEPS"):
        paths.append(Path(values["FINN_DEPS"]))
    licensed = any(values.get(name) for name in LICENCES)
    return Container(
        engine, image or image_tag("build"),
        tuple(Mount(path.absolute()) for path in dict.fromkeys(paths)), values,
        "host" if licensed else "none",
    )  # fmt: skip


def licence_paths(values: Mapping[str, str]) -> list[Path]:
    """The files and folders among licence settings; ``port@host`` is none."""
    each = [part for name in LICENCES for part in values.get(name, "").split(os.pathsep) if part]
    paths = [Path(part) for part in each if "@" not in part]
    for path in paths:
        if not path.exists():
            raise InputError(
                f"the licence {path} does not exist", "a file, a folder or port@host",
                "correct XILINXD_LICENSE_FILE",
            )  # fmt: skip
    return paths


def require_image(engine: Engine, image: str) -> None:
    """Raises `MissingTool` where an image was not built."""
    done = subprocess.run(
        [engine.program, "image", "inspect", image],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode:
        raise MissingTool(
            f"there is no image {image}", "an image of docker/Containerfile",
            "run 'make docker-build'",
        )  # fmt: skip


def build_image(target: str, arguments: Sequence[str] = (), context: Path = ROOT) -> int:
    """Builds an image with the engine found, its output on the screen; its exit code."""
    given = dict(part.split("=", 1) for part in arguments if "=" in part)
    argv = build_argv(find(), target, image_tag(target), context, given)
    return subprocess.run(argv, check=False).returncode


def main() -> int:
    """``python -m lepton_hw.tools.container TARGET [NAME=VALUE …]`` builds an image."""
    target, *arguments = sys.argv[1:] or ["build"]
    try:
        return build_image(target, arguments)
    except LeptonError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
