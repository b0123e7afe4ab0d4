"""How a certified design becomes a bitstream, one module for each way: tools in order, checked.

Each takes a `Request` and returns `Figures`; nothing that was not proven or did not meet its timing
is returned.
"""
