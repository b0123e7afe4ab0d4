"""A board that is not there: an unmodified pynq meets the RTL of the whole design in Verilator.

It runs where pynq does, in an environment of its own, so everything here but `make` needs nothing
beyond the standard library, NumPy, pynq and pynq's own gRPC.
"""
