"""``python -m lepton_hw`` is ``lepton``."""

from lepton_hw.cli import main

main()
