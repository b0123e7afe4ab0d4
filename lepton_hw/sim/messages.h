// Where the text of $display, $error and the like goes: to us, not to the program's output, which
// may be JSON. Included ahead of everything by the build of Verilator's run time.
#pragma once
extern "C" int lepton_print(const char* format, ...);
