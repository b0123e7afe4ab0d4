# Placement and routing of post_synth.dcp; leaves post_route.dcp and the reports.
source settings.tcl
source common.tcl
set_param general.maxThreads $threads

open_checkpoint post_synth.dcp
opt_design
place_design
phys_opt_design
route_design
# Worth its time only where something is still late.
set worst [lindex [get_timing_paths -max_paths 1 -nworst 1 -setup] 0]
if {$worst ne "" && [get_property SLACK $worst] < 0} { phys_opt_design }
write_checkpoint -force post_route.dcp
lepton_reports
