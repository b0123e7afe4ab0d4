"""A service of the small design over the fake of the registers, in a folder of its own."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests" / "unit"), str(ROOT)]
    from onboard_cases import deploy
    from service_far_end import run

    with tempfile.TemporaryDirectory() as folder:
        deployed = deploy(Path(folder))
        print(deployed, flush=True)
        sys.exit(run(deployed, ["--http", ":0", "--name", "net", "--tied"]))
