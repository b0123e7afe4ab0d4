# Block design of processor, interconnect and lepton_top, then synthesis, in one process, so that
# every message is in one log. Leaves post_synth.dcp and Vivado's own hand-off.
source settings.tcl
source common.tcl
set_param general.maxThreads $threads

create_project -force lepton project -part $part
set_property target_language Verilog [current_project]
set preset 0
if {$board_part ne ""} {
    set known [lsort -dictionary [get_board_parts -quiet "$board_part:*"]]
    if {[llength $known] > 0} {
        set_property board_part [lindex $known end] [current_project]
        set preset 1
    } else {
        # The processor is set up by the board's boot loader, not by this bitstream; what the
        # fabric sees of it (ports, clock, oscillator) is set below.
        lepton_say "no board files for $board_part, so without its preset"
    }
}

# Vivado does not say which folder a relative file name in $readmemh is relative to: absolute ones.
set here [file normalize .]
set adjusted {}
foreach name $sources {
    set from [open $name r]
    fconfigure $from -encoding utf-8
    set text [read $from]
    close $from
    set place [file join absolute $name]
    file mkdir [file dirname $place]
    set to [open $place w]
    fconfigure $to -encoding utf-8
    puts -nonewline $to [string map [list "\"rtl/" "\"$here/rtl/"] $text]
    close $to
    lappend adjusted $place
}
add_files -norecurse $adjusted
update_compile_order -fileset sources_1

create_bd_design system
set shell [create_bd_cell -type module -reference $top lepton]
set ps [create_bd_cell -type ip -vlnv [lepton_ip $processor] ps]
if {$processor eq "processing_system7"} {
    apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
        -config [list make_external {FIXED_IO, DDR} apply_board_preset $preset \
            Master Disable Slave Disable] $ps
    if {!$preset} { set_property CONFIG.PCW_CRYSTAL_PERIPHERAL_FREQMHZ $reference_mhz $ps }
    set_property -dict [list \
        CONFIG.PCW_USE_M_AXI_GP0 1 \
        CONFIG.PCW_USE_S_AXI_HP0 1 \
        CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
        CONFIG.PCW_EN_CLK0_PORT 1 \
        CONFIG.PCW_EN_RST0_PORT 1 \
        CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz] $ps
    array set pin {
        control M_AXI_GP0 control_clock M_AXI_GP0_ACLK
        memory S_AXI_HP0 memory_clock S_AXI_HP0_ACLK
        clock FCLK_CLK0 reset FCLK_RESET0_N
    }
} else {
    apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e \
        -config [list apply_board_preset $preset] $ps
    if {!$preset} { set_property CONFIG.PSU__PSS_REF_CLK__FREQMHZ $reference_mhz $ps }
    set_property -dict [list \
        CONFIG.PSU__USE__M_AXI_GP0 1 \
        CONFIG.PSU__USE__M_AXI_GP1 0 \
        CONFIG.PSU__USE__M_AXI_GP2 0 \
        CONFIG.PSU__MAXIGP0__DATA_WIDTH 32 \
        CONFIG.PSU__USE__S_AXI_GP2 1 \
        CONFIG.PSU__SAXIGP2__DATA_WIDTH 64 \
        CONFIG.PSU__FPGA_PL0_ENABLE 1 \
        CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz] $ps
    array set pin {
        control M_AXI_HPM0_FPD control_clock maxihpm0_fpd_aclk
        memory S_AXI_HP0_FPD memory_clock saxihp0_fpd_aclk
        clock pl_clk0 reset pl_resetn0
    }
}

set reset [create_bd_cell -type ip -vlnv [lepton_ip proc_sys_reset] reset]
foreach name {to_shell to_memory} {
    create_bd_cell -type ip -vlnv [lepton_ip smartconnect] $name
    set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI 1] [get_bd_cells $name]
}
connect_bd_intf_net [get_bd_intf_pins ps/$pin(control)] [get_bd_intf_pins to_shell/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins to_shell/M00_AXI] [get_bd_intf_pins lepton/s_axi]
connect_bd_intf_net [get_bd_intf_pins lepton/m_axi] [get_bd_intf_pins to_memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins to_memory/M00_AXI] [get_bd_intf_pins ps/$pin(memory)]
foreach name [list lepton/aclk to_shell/aclk to_memory/aclk reset/slowest_sync_clk \
        ps/$pin(control_clock) ps/$pin(memory_clock)] {
    connect_bd_net [get_bd_pins ps/$pin(clock)] [get_bd_pins $name]
}
connect_bd_net [get_bd_pins ps/$pin(reset)] [get_bd_pins reset/ext_reset_in]
foreach name {to_shell/aresetn to_memory/aresetn} {
    connect_bd_net [get_bd_pins reset/interconnect_aresetn] [get_bd_pins $name]
}
connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins lepton/aresetn]

assign_bd_address -offset $base -range $range -target_address_space [get_bd_addr_spaces ps/Data] \
    [get_bd_addr_segs lepton/s_axi/*] -force
assign_bd_address -target_address_space [get_bd_addr_spaces lepton/m_axi] \
    [get_bd_addr_segs ps/*/HP0_DDR_LOW*]
validate_bd_design
save_bd_design
lepton_say "clock of the fabric [get_property CONFIG.FREQ_HZ [get_bd_pins ps/$pin(clock)]] Hz"

set design [get_files system.bd]
# Its IPs are synthesised with the rest, not in runs with logs of their own.
set_property synth_checkpoint_mode None $design
generate_target all $design
file copy -force project/lepton.gen/sources_1/bd/system/hw_handoff/system.hwh vivado.hwh
add_files -norecurse [make_wrapper -files $design -top]
set_property top system_wrapper [current_fileset]
update_compile_order -fileset sources_1

synth_design -top system_wrapper -part $part
write_checkpoint -force post_synth.dcp
