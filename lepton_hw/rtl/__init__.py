"""SystemVerilog that we provide, and the adjustments of SystemVerilog that FINN provides."""
