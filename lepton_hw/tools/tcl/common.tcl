# What the scripts share. Each is sourced with settings.tcl beside it, which the plan wrote.

proc lepton_say {text} { puts "LEPTON: $text" }

# The newest version of one of AMD's IPs that a block design may use.
proc lepton_ip {name} {
    set pattern "VLNV =~ xilinx.com:ip:${name}:* && design_tool_contexts =~ *IPI* && UPGRADE_VERSIONS == \"\""
    set found [get_ipdefs -all -filter $pattern]
    if {[llength $found] == 0} { error "this Vivado has no IP $name" }
    return [get_property VLNV [lindex $found end]]
}

# Post-route reports of the open design; lepton_hw/tools/vivado_reports.py reads them.
proc lepton_reports {} {
    file mkdir reports
    report_timing_summary -delay_type min_max -max_paths 10 -report_unconstrained \
        -file reports/timing.rpt
    report_utilization -file reports/utilization.rpt
    report_power -file reports/power.rpt
}

# Ends Vivado with exit code 3 where the open design's worst path misses its time. A design
# without a constrained path misses it, too: its clock is not constrained.
proc lepton_require_timing {} {
    foreach kind {setup hold} {
        set path [lindex [get_timing_paths -max_paths 1 -nworst 1 -$kind] 0]
        if {$path eq ""} {
            lepton_say "there is no constrained $kind path"
            exit 3
        }
        set slack [get_property SLACK $path]
        if {![string is double -strict $slack] || $slack < 0} {
            set from [get_property STARTPOINT_PIN $path]
            set to [get_property ENDPOINT_PIN $path]
            lepton_say "$kind slack $slack ns from $from to $to"
            exit 3
        }
    }
}
