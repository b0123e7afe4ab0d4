# The bitstream of post_route.dcp, unless a path misses its time.
source settings.tcl
source common.tcl
set_param general.maxThreads $threads

open_checkpoint post_route.dcp
lepton_require_timing
write_bitstream -force design.bit
