"""From a quantised CNN in Brevitas to an FPGA design proven bit-exact, without vendor tools.

This file holds the version and nothing else; importing the package is always cheap.
"""

__version__ = "0.1.0"
