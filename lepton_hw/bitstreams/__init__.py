"""How a certified design becomes a bitstream, one module for each way: tools in order, checked.

Each has `tools()`, the programs that it needs with their versions, which raises `MissingTool`
before anything else is done, and `build`, which takes a `Request` and returns `Figures`; nothing is
returned that was not proven or missed its timing.
"""
