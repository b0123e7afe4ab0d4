"""Debian's apt in a folder of its own: packages of another release, fetched and unpacked.

The system's package lists, caches and configuration are read at most, never changed, and no
package is installed. Signatures are checked with the host's keys of Debian's archive; proxies,
certificates and credentials are those of the host's own apt.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lepton_hw.errors import MissingTool, StageError
from lepton_hw.progress import Progress

KEYRINGS = tuple(
    Path(f"/usr/share/keyrings/debian-archive-keyring.{kind}") for kind in ("pgp", "gpg")
)
#: What of the host's configuration is used: how packages are fetched, and for which processor.
_KEPT = re.compile(r"(Acquire::(?!IndexTargets|Changelogs)|APT::Architectures?\b|Dir::Bin::)")
_RELEASE_FILE = re.compile(r"'(?P<mirror>\S+/debian(?:\.list)?)/+dists/[^/]+/InRelease'")
#: Asks the host's apt for the files that hold its credentials; their content is apt's to read.
CREDENTIALS = [
    "apt-config", "shell", "NETRC", "Dir::Etc::netrc/f", "PARTS", "Dir::Etc::netrcparts/d",
]  # fmt: skip
_REMEDY = "check the network and run it again, or work in the open-build container"


@dataclass(frozen=True)
class Apt:
    """A private apt whose state is all below `folder`, for one `suite` of the archive `mirror`."""

    folder: Path
    mirror: str
    suite: str

    @property
    def environment(self) -> dict[str, str]:
        """What makes apt use this folder; everything else comes from the caller's environment."""
        return {"APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def prepare(self, keyring: Path) -> None:
        """Writes the configuration and makes the folders."""
        for name in ("etc/none", "state/lists/partial", "cache/archives/partial", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state" / "status").touch()
        (self.folder / "etc" / "sources.list").write_text(
            f"deb [signed-by={keyring}] {self.mirror} {self.suite} main\n"
        )
        text = configuration(self.folder, _ask(["apt-config", "dump"]), _ask(CREDENTIALS))
        (self.folder / "apt.conf").write_text(text)

    def update(self, log: Path) -> None:
        """Fetches the list of packages."""
        self._run(["apt-get", "update"], log)

    def download(self, packages: tuple[str, ...], log: Path) -> list[Path]:
        """Fetches packages and all that they need; the ``.deb`` files."""
        self._run(
            [
                "apt-get",
                "install",
                "--download-only",
                "--yes",
                "--no-install-recommends",
                *packages,
            ],
            log,
        )
        return sorted((self.folder / "cache" / "archives").glob("*.deb"))

    def _run(self, command: list[str], log: Path) -> None:
        with log.open("a") as file:
            done = subprocess.run(
                command, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                check=False,
            )  # fmt: skip
            file.write(f"$ {' '.join(command)}\n{done.stdout}")
        # `update` ends with 0 where a list could not be fetched, and says so.
        failures = re.findall(r"^(?:W: Failed to fetch|E:) (.+)$", done.stdout, re.MULTILINE)
        if done.returncode or (failures and command[1] == "update"):
            reason = failures[0] if failures else f"exit code {done.returncode}"
            raise StageError(
                f"{' '.join(command[:2])} for Debian's {self.suite} failed: {reason.rstrip('.')}",
                f"packages from {self.mirror}",
                _REMEDY,
            )


def configuration(folder: Path, host: str, credentials: str) -> str:
    """Text of a private ``apt.conf``.

    `host` is what ``apt-config dump`` says of the host; `credentials` are its paths of netrc files
    as ``apt-config shell`` prints them. Hooks of the host are left out: they would touch the
    system's caches.
    """
    lines = [
        f'Dir::State "{folder}/state";', f'Dir::State::status "{folder}/state/status";',
        f'Dir::Cache "{folder}/cache";', f'Dir::Log "{folder}/log";', f'Dir::Etc "{folder}/etc";',
        'Dir::Etc::sourcelist "sources.list";', 'Dir::Etc::sourceparts "none";',
        'Dir::Etc::parts "none";', 'Dir::Etc::main "none/apt.conf";',
        'Dir::Etc::preferences "none/preferences";', 'Dir::Etc::preferencesparts "none";',
        'Dir::Etc::trusted "none/trusted.gpg";', 'Dir::Etc::trustedparts "none";',
        'Acquire::Languages "none";',
    ]  # fmt: skip
    for key, name in (("netrc", "NETRC"), ("netrcparts", "PARTS")):
        match = re.search(rf"^{name}='(.*)'$", credentials, re.MULTILINE)
        if match:
            lines.append(f'Dir::Etc::{key} "{match[1]}";')
    lines += [line for line in host.splitlines() if _KEPT.match(line) and "Languages" not in line]
    return "\n".join(lines) + "\n"


def host_mirror() -> str:
    """The address of Debian's archive that the host's own sources name; raises `MissingTool`."""
    match = _RELEASE_FILE.search(
        _ask(["apt-get", "--print-uris", "-o", "Debug::NoLocking=1", "update"])
    )
    if match is None:
        raise MissingTool(
            "the package sources of this machine name no Debian archive",
            "a source whose address ends in /debian",
            "give one with --mirror, or work in the open-build container",
        )
    return match["mirror"]


def keyring() -> Path:
    """The keys of Debian's archive on this machine; raises `MissingTool`."""
    for path in KEYRINGS:
        if path.is_file():
            return path
    raise MissingTool(
        "the keys of Debian's archive are not installed",
        f"{KEYRINGS[0]}",
        "run 'apt install debian-archive-keyring'",
    )


def fetch(
    packages: tuple[str, ...], folder: Path, mirror: str, suite: str, progress: Progress
) -> dict[str, str]:
    """Unpacks packages and all that they need into ``folder/root``; name → version of each.

    The private apt is removed again; ``folder/apt.log`` tells what it did. Raises `MissingTool`
    without apt or keys and `StageError` where packages cannot be had.
    """
    for program in ("apt-get", "apt-config", "dpkg-deb"):
        if shutil.which(program) is None:
            raise MissingTool(
                f"{program} is not on PATH", "Debian, or a distribution made from it",
                "work in the open-build container",
            )  # fmt: skip
    private, log, root = folder / "apt", folder / "apt.log", folder / "root"
    apt = Apt(private, mirror, suite)
    apt.prepare(keyring())
    root.mkdir()
    with progress.task("fetching the open tools", 3) as task:
        apt.update(log)
        task.advance(1, "packages")
        files = apt.download(packages, log)
        task.advance(1, "unpacking")
        versions = dict(_unpack(file, root) for file in files)
        task.advance(1)
    shutil.rmtree(private)
    (folder / "versions.json").write_text(json.dumps(versions, indent=1, sort_keys=True) + "\n")
    return versions


def _unpack(file: Path, root: Path) -> tuple[str, str]:
    """Unpacks one package and runs none of its scripts; its name and version."""
    for command in (["dpkg-deb", "-x", str(file), str(root)],
                    ["dpkg-deb", "--field", str(file), "Package", "Version"]):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StageError(
                f"{file.name} cannot be unpacked: {done.stderr.strip().rstrip('.')}",
                "a whole package and free disk space",
                _REMEDY,
            )
    fields = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    return fields["Package"], fields["Version"]


def _ask(command: list[str]) -> str:
    """What a command of the host's apt says; empty where it fails."""
    try:
        done = subprocess.run(
            command, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
