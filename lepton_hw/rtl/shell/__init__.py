"""The shell around an accelerator: AXI-Lite registers and DMA engines; see docs/shell.md."""
