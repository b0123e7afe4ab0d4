// Drives the shell and its accelerator: registers as AXI-Lite transfers, memory on the DMA port.
//
// Called from Python through ctypes, always in lock-step: every call advances the clock until its
// answer is there. Memory belongs to the caller and must outlive the handle.

#include "Vdut.h"
#include "Vdut___024root.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#include "complaints.h"
#include "contents.h"
#include "shell_memory.h"
#include "variant.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

using Model = Vdut___024root;

namespace {

constexpr uint64_t PATIENCE = 10000;  // cycles that a register access may take

struct Handle {
    VerilatedContext context;
    std::unique_ptr<Vdut> dut;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace;
#endif
    uint64_t cycle = 0, random = 1;
    uint32_t stall = 0;  // probability that the AXI-Lite master waits, in units of 2^-32
    std::string problem;
    Memory memory;
    // What the AXI-Lite slave showed, to see that it stays until taken.
    bool waiting_r = false, waiting_b = false;
    uint64_t shown_r = 0, shown_b = 0;
};

bool waits(Handle& x) {  // xorshift64*, Vigna 2016
    if (!x.stall) return false;
    x.random ^= x.random >> 12, x.random ^= x.random << 25, x.random ^= x.random >> 27;
    return uint32_t((x.random * 0x2545F4914F6CDD1DULL) >> 32) < x.stall;
}

Master master(const Model& m) {
    return {bool(m.m_axi_arvalid), bool(m.m_axi_awvalid), bool(m.m_axi_wvalid),
            bool(m.m_axi_rready), bool(m.m_axi_bready),
            {m.m_axi_araddr, m.m_axi_arlen, m.m_axi_arsize, m.m_axi_arburst},
            {m.m_axi_awaddr, m.m_axi_awlen, m.m_axi_awsize, m.m_axi_awburst},
#ifdef LEPTON_AXI3
            {m.m_axi_wdata, m.m_axi_wstrb, m.m_axi_wlast, m.m_axi_wid}};
#else
            {m.m_axi_wdata, m.m_axi_wstrb, m.m_axi_wlast, 0}};
#endif
}

void show(Model& m, const Slave& s) {
    m.m_axi_arready = s.arready, m.m_axi_awready = s.awready, m.m_axi_wready = s.wready;
    m.m_axi_rvalid = s.rvalid, m.m_axi_rdata = s.rdata, m.m_axi_rresp = s.rresp;
    m.m_axi_rlast = s.rlast, m.m_axi_rid = 0;
    m.m_axi_bvalid = s.bvalid, m.m_axi_bresp = s.bresp, m.m_axi_bid = 0;
}

void check_registers(Handle& x, const Model& m) {
    const uint64_t r = uint64_t(m.s_axi_rdata) << 2 | m.s_axi_rresp, b = m.s_axi_bresp;
    const bool lost = (x.waiting_r && !(m.s_axi_rvalid && r == x.shown_r)) ||
                      (x.waiting_b && !(m.s_axi_bvalid && b == x.shown_b));
    if (lost && x.problem.empty()) x.problem = "an AXI-Lite answer changed before it was taken";
    x.waiting_r = m.s_axi_rvalid && !m.s_axi_rready, x.shown_r = r;
    x.waiting_b = m.s_axi_bvalid && !m.s_axi_bready, x.shown_b = b;
}

void dump(Handle& x, uint64_t time) {
#if VM_TRACE_FST
    if (x.trace) x.trace->dump(time);
#else
    (void)x, (void)time;
#endif
}

// One cycle: what the ports carry is seen, the edge comes, `change` moves the register master.
template <typename Change>
void clock(Handle& x, Change change) {
    Model& m = *x.dut->rootp;
    const bool alive = m.aresetn;
    if (alive && !x.memory.observe(master(m), x.cycle, x.problem)) return;
    if (alive) check_registers(x, m);
    m.aclk = 1;
    x.dut->eval();
    dump(x, x.cycle * 10);
    x.cycle++;
    change(m);
    if (alive) x.memory.drive(master(m), x.cycle);
    show(m, x.memory.out);
    m.aclk = 0;
    x.dut->eval();
    dump(x, x.cycle * 10 - 5);
}

void idle(Handle& x) {
    clock(x, [](Model&) {});
}

// One transfer; `from` is the answer's value. Responses: 0 OKAY, 2 SLVERR; -1: none came.
int transfer(Handle& x, bool is_write, uint32_t address, uint32_t* value, unsigned strobes) {
    Model& m = *x.dut->rootp;
    bool address_due = true, data_due = is_write, answered = false;
    int response = -1;
    const uint64_t limit = x.cycle + PATIENCE;
    while (!answered && x.cycle < limit && x.problem.empty()) {
        const bool took_address = is_write ? m.s_axi_awvalid && m.s_axi_awready
                                           : m.s_axi_arvalid && m.s_axi_arready;
        const bool took_data = m.s_axi_wvalid && m.s_axi_wready;
        answered = is_write ? m.s_axi_bvalid && m.s_axi_bready : m.s_axi_rvalid && m.s_axi_rready;
        if (answered && (address_due || data_due) && !(took_address || took_data))
            x.problem = "an AXI-Lite answer came before its request";
        if (answered) response = is_write ? m.s_axi_bresp : m.s_axi_rresp;
        if (answered && !is_write) *value = m.s_axi_rdata;
        clock(x, [&](Model& n) {
            CData& valid = is_write ? n.s_axi_awvalid : n.s_axi_arvalid;
            if (took_address) valid = 0, address_due = false;
            if (took_data) n.s_axi_wvalid = 0, data_due = false;
            if (address_due && !valid && !waits(x)) {
                valid = 1;
                (is_write ? n.s_axi_awaddr : n.s_axi_araddr) = address;
            }
            if (data_due && !n.s_axi_wvalid && !waits(x)) {
                n.s_axi_wvalid = 1, n.s_axi_wdata = *value, n.s_axi_wstrb = strobes;
            }
            CData& ready = is_write ? n.s_axi_bready : n.s_axi_rready;
            ready = !answered && !waits(x);
        });
    }
    return response;
}

void power_on(Handle& x) {
    Model& m = *x.dut->rootp;
    m.aclk = 0, m.aresetn = 0;
    m.s_axi_awvalid = m.s_axi_wvalid = m.s_axi_arvalid = m.s_axi_bready = m.s_axi_rready = 0;
    x.memory.reset();
    x.waiting_r = x.waiting_b = false;
    show(m, x.memory.out);
    for (int i = 0; i < 32; i++) idle(x);
    m.aresetn = 1;
    for (int i = 0; i < 4; i++) idle(x);
}

template <typename Do>
auto guarded(Handle* x, Do act) -> decltype(act()) {
    problem_of_run = &x->problem;
    try {
        if (x->problem.empty()) return act();
    } catch (const std::exception&) {
    }
    return decltype(act())(-1);
}

}  // namespace

extern "C" {

Handle* lepton_open(const char* folder, uint8_t* bytes, uint64_t base, uint64_t size,
                    unsigned max_burst, const char* trace) {
    auto* x = new Handle();
    problem_of_run = &x->problem;
    data_folder = folder;
    x->memory.bytes = bytes, x->memory.base = base, x->memory.size = size;
    x->memory.max_burst = max_burst;
#if VM_TRACE_FST
    x->context.traceEverOn(true);
#endif
    x->dut.reset(new Vdut(&x->context, "shell"));
#if VM_TRACE_FST
    if (*trace) {
        x->trace.reset(new VerilatedFstC());
        x->dut->trace(x->trace.get(), 99);
        x->trace->open(trace);
    }
#else
    (void)trace;
#endif
    guarded(x, [&] { return power_on(*x), 0; });
    data_folder.clear();
    return x;
}

const char* lepton_problem(Handle* x) { return x->problem.c_str(); }
uint64_t lepton_cycle(Handle* x) { return x->cycle; }
void lepton_reset(Handle* x) {
    guarded(x, [&] { return power_on(*x), 0; });
}

int lepton_read(Handle* x, uint32_t address, uint32_t* value) {
    return guarded(x, [&] { return transfer(*x, false, address, value, 0); });
}
int lepton_write(Handle* x, uint32_t address, uint32_t value, unsigned strobes) {
    return guarded(x, [&] { return transfer(*x, true, address, &value, strobes); });
}
void lepton_step(Handle* x, uint64_t cycles) {
    guarded(x, [&] {
        while (cycles-- && x->problem.empty()) idle(*x);
        return 0;
    });
}

void lepton_stalls(Handle* x, const Stalls* stalls, uint32_t registers, uint64_t seed) {
    x->memory.stalls = *stalls, x->stall = registers;
    const uint64_t mixed = seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL;
    x->memory.random = mixed | 1, x->random = (mixed ^ 0x5555555555555555ULL) | 1;
}
// From now on these addresses answer `response`, whatever was said of them before.
void lepton_range(Handle* x, uint64_t first, uint64_t size, unsigned response) {
    x->memory.ranges.push_back({first, first + size, response});
}
void lepton_no_ranges(Handle* x) { x->memory.ranges.clear(); }

// What moved since the last call; open reads and writes now in `open`.
void lepton_traffic(Handle* x, Traffic* traffic, uint32_t* open) {
    *traffic = x->memory.traffic;
    x->memory.traffic = {};
    open[0] = x->memory.reads_open(), open[1] = x->memory.writes_open();
}

void lepton_close(Handle* x) {
    problem_of_run = &x->problem;
#if VM_TRACE_FST
    if (x->trace) x->trace->close();
#endif
    x->dut->final();
    problem_of_run = nullptr;
    delete x;
}

}  // extern "C"
