"""Verilator simulation of stitched designs; imports neither torch nor FINN."""
