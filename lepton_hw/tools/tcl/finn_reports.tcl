# Reports of the design that FINN's own flow has routed; FINN looks at none of them.
source common.tcl

set found [glob -nocomplain scratch/vivado_zynq_proj_*/finn_zynq_link.runs/impl_1/*_routed.dcp]
if {[llength $found] != 1} { error "expected one routed design of FINN, found [llength $found]" }
open_checkpoint [lindex $found 0]
lepton_reports
lepton_require_timing
