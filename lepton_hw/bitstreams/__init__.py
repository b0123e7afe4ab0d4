"""How a certified design becomes a bitstream, one module for each way: tools in order, checked.

Each has `require_tools()`, which raises `MissingTool` before anything else is done, and `build`,
which takes a `Request` and returns `Figures`; nothing that was not proven or did not meet its timing
is returned.
"""
