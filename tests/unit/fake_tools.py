"""Programs for PATH that stand for Vivado, Vitis HLS, Docker and Podman: they record and obey.

`vivado` runs our Tcl in tclsh, with Vivado's commands replaced by ones that write down their
arguments and make the files that the real ones would. Nothing of AMD's is here.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRELUDE = r"""
proc record {words} {
    set out [open [file join $::env(FAKE_TOOLS) calls.txt] a]
    puts $out $words
    close $out
}
proc make {name text} {
    file mkdir [file dirname $name]
    set out [open $name w]; puts -nonewline $out $text; close $out
}
proc value {name} { return [set ::env(FAKE_$name)] }
proc unknown {args} {
    set command [lindex $args 0]
    set last [lindex $args end]
    if {![regexp {^(get|current)_} $command]} { record $args }
    switch -glob -- $command {
        get_ipdefs { regexp {ip:(\w+):} $args all name; return "ipdef_$name" }
        get_board_parts { return [value BOARDS] }
        get_timing_paths { return [lindex $args end] }
        get_property {
            switch -- [lindex $args 1] {
                VLNV { return "xilinx.com:ip:[string range $last 6 end]:9.9" }
                SLACK { return [value [string range [string toupper $last] 1 end]] }
                STARTPOINT_PIN { return from/C }
                ENDPOINT_PIN { return to/D }
                CONFIG.FREQ_HZ { return 100000000 }
            }
        }
        current_project - current_fileset { return $command }
        get_* { return $last }
        create_bd_cell { return $last }
        make_wrapper { make project/system_wrapper.v x; return project/system_wrapper.v }
        generate_target { make project/lepton.gen/sources_1/bd/system/hw_handoff/system.hwh x }
        write_checkpoint - write_bitstream { make $last "made by a fake" }
        open_checkpoint { if {![file exists $last]} { error "there is no $last" } }
        report_* {
            set from [file join $::env(FAKE_TOOLS) reports [file tail $last]]
            file copy -force $from $last
        }
        default {
            set known {create_project set_param set_property add_files update_compile_order
                create_bd_design apply_bd_automation connect_bd_net connect_bd_intf_net
                assign_bd_address validate_bd_design save_bd_design synth_design opt_design
                place_design phys_opt_design route_design}
            if {$command ni $known} { error "invalid command name \"$command\"" }
        }
    }
    return ""
}
if {[catch {source [lindex $argv 0]} message]} { puts "ERROR: $message"; exit 1 }
"""

VIVADO = r"""
import json, os, pathlib, subprocess, sys, time
here = pathlib.Path(HERE)
state = json.loads((here / "state.json").read_text())
if "-version" in sys.argv:
    print(state["version"]); sys.exit(0)
wanted = ("XILINX", "FINN", "LM_", "HOME", "PATH", "SECRET")
named = {k: v for k, v in os.environ.items() if k.startswith(wanted)}
with (here / "vivado.jsonl").open("a") as file:
    file.write(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "env": named}) + "\n")
script = pathlib.Path(sys.argv[sys.argv.index("-source") + 1])
said = state["say"].get(script.name)
if said is not None:
    print(said["text"], flush=True)
    time.sleep(said.get("sleep", 0))
    sys.exit(said["code"])
if script.name == "make_project.tcl":  # FINN's stitching
    text = script.read_text()
    import re
    name = re.search(r"create_project (\S+) ", text)[1]
    top = re.search(r"create_bd_design \"?(\w+)", text)[1]
    place = script.parent.absolute() / f"{name}.srcs/sources_1/bd/{top}/hdl"
    (here / "stitched.txt").open("a").write(text)
    place.mkdir(parents=True)
    (place / f"{top}_wrapper.v").write_text("module x; endmodule\n")
elif script.name == "ip_config.tcl":  # FINN's shell
    runs = pathlib.Path("finn_zynq_link.runs/impl_1"); runs.mkdir(parents=True)
    (runs / "top_wrapper.bit").write_text("bits of a fake")
    (runs / "top_wrapper_routed.dcp").write_text("a fake's")
    (runs / "top_wrapper_timing_summary_routed.rpt").write_text("x")
    hwh = pathlib.Path("finn_zynq_link.gen/sources_1/bd/top/hw_handoff"); hwh.mkdir(parents=True)
    (hwh / "top.hwh").write_text("<hwh/>")
    row = "<r><tablerow><tablecell contents='x'/></tablerow></r>"
    pathlib.Path("synth_report.xml").write_text(row)
else:
    env = {**os.environ, "FAKE_TOOLS": str(here), "FAKE_SETUP": state["setup"],
           "FAKE_HOLD": state["hold"], "FAKE_BOARDS": state["boards"]}
    done = subprocess.run(["tclsh", str(here / "prelude.tcl"), str(script)], env=env)
    sys.exit(done.returncode)
"""

HLS = r"""
import pathlib, sys
script = pathlib.Path(sys.argv[-1])
node = script.stem.removeprefix("hls_syn_")
(script.parent / f"project_{node}" / "sol1" / "impl" / "ip").mkdir(parents=True)
"""

ENGINE = r"""
import json, os, pathlib, subprocess, sys
here, name = pathlib.Path(HERE), NAME
state = json.loads((here / "state.json").read_text())[name]
with (here / f"{name}.jsonl").open("a") as file:
    file.write(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}) + "\n")
if sys.argv[1] in ("version", "info"):
    sys.stderr.write(state["stderr"]); print(state["version"]); sys.exit(state["code"])
if sys.argv[1:3] == ["image", "inspect"]:
    sys.exit(state["image"])
if sys.argv[1] != "run":
    sys.exit(0)
# As a container would: only the variables that are named, in the folder that is named.
args, env, index = sys.argv[2:], {}, 0
takes = {"--name", "--network", "--user", "--userns", "--security-opt", "--workdir", "--mount",
         "--env"}
cwd = None
while args[index].startswith("--"):
    option = args[index]
    if option not in takes:
        index += 1; continue
    value = args[index + 1]; index += 2
    if option == "--workdir": cwd = value
    if option == "--env":
        key, equals, given = value.partition("=")
        env[key] = given if equals else os.environ[key]
env["PATH"] = env["PATH"] + ":" + os.environ["PATH"]
sys.exit(subprocess.run(args[index + 1:], cwd=cwd, env=env).returncode)
"""


class Tools:
    """The fakes of one test, in `folder`; `bin` goes on PATH. `reports` is what Vivado reports."""

    def __init__(self, folder: Path, reports: Mapping[str, str]) -> None:
        self.folder, self.bin = folder, folder / "Vivado/2022.2/bin"
        self.bin.mkdir(parents=True)
        self.engines = folder / "engines"
        self.engines.mkdir()
        engine = {"stderr": "", "version": "4.3.1", "code": 0, "image": 0}
        self.state: dict[str, Any] = {
            "version": "Vivado v2022.2 (64-bit)", "say": {}, "setup": "0.412", "hold": "0.031",
            "boards": "tul.com.tw:pynq-z2:part0:1.0", "docker": dict(engine),
            "podman": dict(engine),
        }  # fmt: skip
        (folder / "prelude.tcl").write_text(PRELUDE)
        (folder / "reports").mkdir()
        self.reports(**reports)
        self.program(self.bin / "vivado", VIVADO)
        self.save()

    def program(self, path: Path, text: str) -> None:
        """Writes an executable Python script."""
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"#!{sys.executable}\nHERE = {str(self.folder)!r}\nNAME = {path.name!r}\n"
        path.write_text(head + text)
        path.chmod(0o755)

    def with_hls(self) -> None:
        """Vitis HLS beside Vivado."""
        self.program(self.folder / "Vitis_HLS/2022.2/bin/vitis_hls", HLS)

    def with_engines(self, *names: str) -> None:
        """Docker or Podman in `engines`."""
        for name in names:
            self.program(self.engines / name, ENGINE)

    def reports(self, **texts: str) -> None:
        """What Vivado will report."""
        for name, text in texts.items():
            (self.folder / "reports" / f"{name}.rpt").write_text(text)

    def save(self) -> None:
        """Makes a change of `state` known."""
        (self.folder / "state.json").write_text(json.dumps(self.state))

    def say(self, script: str, text: str, code: int = 1, sleep: float = 0) -> None:
        """Instead of running `script`, Vivado says this and ends so."""
        self.state["say"][script] = {"text": text, "code": code, "sleep": sleep}
        self.save()

    def ran(self, name: str = "vivado") -> list[dict[str, Any]]:
        """Every run of a program: argv, cwd, env."""
        path = self.folder / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def calls(self) -> list[str]:
        """What our Tcl asked of Vivado, queries left out."""
        path = self.folder / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []
