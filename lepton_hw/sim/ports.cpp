// Opens a design whose ports Python reads and writes in memory, one evaluation at a time.
//
// Compiled with the generated table.h (PORTS and port_of). For small designs and register-level
// interfaces; whole batches go through harness.cpp.

#include "Vdut.h"
#include "Vdut___024root.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#include "complaints.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

using Model = Vdut___024root;
struct PortInfo {
    const char* name;
    int is_input;
    unsigned width;
    size_t bytes;
    void* address;
};
#include "table.h"

namespace {

struct Handle {
    VerilatedContext context;
    std::unique_ptr<Vdut> dut;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace;
#endif
    std::string problem;
};

}  // namespace

extern "C" {

Handle* lepton_open(const char* trace) {
    auto* x = new Handle();
    problem_of_run = &x->problem;
#if VM_TRACE_FST
    x->context.traceEverOn(true);
#endif
    x->dut.reset(new Vdut(&x->context, "top"));
#if VM_TRACE_FST
    if (trace && *trace) {
        x->trace.reset(new VerilatedFstC());
        x->dut->trace(x->trace.get(), 99);
        x->trace->open(trace);
    }
#else
    (void)trace;
#endif
    return x;
}

unsigned lepton_ports() { return PORTS; }

void lepton_port(Handle* x, unsigned index, PortInfo* info) {
    *info = port_of(*x->dut->rootp, index);
}

// Evaluates at `time` (ns); false once the design has complained.
int lepton_eval(Handle* x, uint64_t time) {
    problem_of_run = &x->problem;
    try {
        x->context.time(time);
        x->dut->eval();
#if VM_TRACE_FST
        if (x->trace) x->trace->dump(time);
#endif
    } catch (const std::exception&) {
    }
    return x->problem.empty();
}

const char* lepton_problem(Handle* x) { return x->problem.c_str(); }

void lepton_close(Handle* x) {
    problem_of_run = &x->problem;
    x->dut->final();
#if VM_TRACE_FST
    if (x->trace) x->trace->close();
#endif
    problem_of_run = nullptr;
    delete x;
}

}  // extern "C"
