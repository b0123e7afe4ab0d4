// Drives the serial link and its accelerator, by bytes or, with LEPTON_DIVISOR, by its two pins.
//
// Called from Python through ctypes, in lock-step: time passes with the bytes that are sent and the
// cycles that are asked for, and with nothing else.

#include "Vdut.h"
#include "Vdut___024root.h"
#include "verilated.h"
#include "complaints.h"
#include "contents.h"
#include "variant.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>

using Model = Vdut___024root;

namespace {

struct Handle {
    VerilatedContext context;
    std::unique_ptr<Vdut> dut;
    uint64_t cycle = 0, heard = 0;     // cycle of the last byte that came out
    uint32_t pace_in = 16, pace_out = 16;  // cycles to a byte, where there are no pins
    uint64_t next_out = 0;
    std::string problem;
    std::deque<uint8_t> out;
#ifdef LEPTON_DIVISOR
    uint32_t wait = 0, bits = 0, word = 0;  // the host's receiver
#endif
};

#ifdef LEPTON_DIVISOR
// The host's UART: samples in the middle of each bit; a stop bit that is missing is a problem.
void listen(Handle& x, bool line) {
    if (!x.bits) {
        if (!line) x.bits = 10, x.wait = LEPTON_DIVISOR / 2 - 1, x.word = 0;
    } else if (x.wait) {
        x.wait--;
    } else {
        x.wait = LEPTON_DIVISOR - 1;
        x.word |= uint32_t(line) << (10 - x.bits);
        if (--x.bits) return;
        if (x.word & 1 || !(x.word >> 9)) x.problem = "the UART's output has no start or stop bit";
        x.out.push_back(uint8_t(x.word >> 1));
        x.heard = x.cycle;
    }
}
#endif

void clock(Handle& x) {
    Model& m = *x.dut->rootp;
#ifdef LEPTON_DIVISOR
    if (!m.rst) listen(x, m.tx);
#else
    if (m.tx_ready && m.tx_valid) {
        x.out.push_back(m.tx_data);
        x.heard = x.cycle;
        x.next_out = x.cycle + x.pace_out;
    }
#endif
    m.clk = 1;
    x.dut->eval();
    x.cycle++;
#ifndef LEPTON_DIVISOR
    m.rx_valid = 0;
    m.tx_ready = x.cycle >= x.next_out;
#endif
    m.clk = 0;
    x.dut->eval();
}

void run(Handle& x, uint64_t cycles) {
    while (cycles-- && x.problem.empty()) clock(x);
}

void send(Handle& x, uint8_t byte) {
    Model& m = *x.dut->rootp;
#ifdef LEPTON_DIVISOR
    const uint32_t word = 0x200u | uint32_t(byte) << 1;  // start bit first
    for (int bit = 0; bit < 10; bit++) {
        m.rx = word >> bit & 1;
        run(x, LEPTON_DIVISOR);
    }
#else
    m.rx_valid = 1, m.rx_data = byte;
    run(x, x.pace_in);
#endif
}

void power_on(Handle& x) {
    Model& m = *x.dut->rootp;
    m.clk = 0, m.rst = 1;
#ifdef LEPTON_DIVISOR
    m.rx = 1;
#else
    m.rx_valid = 0, m.tx_ready = 0;
#endif
    run(x, 32);
    m.rst = 0;
    run(x, 64);
    x.out.clear();
#ifdef LEPTON_DIVISOR
    x.bits = 0;
#endif
}

template <typename Do>
void guarded(Handle* x, Do act) {
    problem_of_run = &x->problem;
    try {
        if (x->problem.empty()) act();
    } catch (const std::exception&) {
    }
}

}  // namespace

extern "C" {

Handle* lepton_open(const char* folder) {
    auto* x = new Handle();
    problem_of_run = &x->problem;
    data_folder = folder;
    x->dut.reset(new Vdut(&x->context, "serial"));
    guarded(x, [&] { power_on(*x); });
    data_folder.clear();
    return x;
}

const char* lepton_problem(Handle* x) { return x->problem.c_str(); }
uint64_t lepton_cycle(Handle* x) { return x->cycle; }
void lepton_reset(Handle* x) {
    guarded(x, [&] { power_on(*x); });
}
// Cycles from one byte to the next, each way, where there are no pins.
void lepton_pace(Handle* x, uint32_t in, uint32_t out) {
    x->pace_in = in ? in : 1, x->pace_out = out;
}
void lepton_send(Handle* x, const uint8_t* bytes, uint64_t count) {
    guarded(x, [&] {
        while (count-- && x->problem.empty()) send(*x, *bytes++);
    });
}
void lepton_step(Handle* x, uint64_t cycles) {
    guarded(x, [&] { run(*x, cycles); });
}
// Until nothing came out for `quiet` cycles and the design waits for its host, or for `most` cycles.
void lepton_settle(Handle* x, uint64_t quiet, uint64_t most) {
    guarded(x, [&] {
        const uint64_t start = x->cycle;
        while (x->problem.empty()) {
            const uint64_t passed = x->cycle - (x->heard > start ? x->heard : start);
            if (passed >= most || (passed >= quiet && x->dut->rootp->waits)) return;
            clock(*x);
        }
    });
}
uint64_t lepton_take(Handle* x, uint8_t* bytes, uint64_t most) {
    uint64_t count = 0;
    for (; count < most && !x->out.empty(); count++) {
        bytes[count] = x->out.front();
        x->out.pop_front();
    }
    return count;
}

void lepton_close(Handle* x) {
    problem_of_run = &x->problem;
    x->dut->final();
    problem_of_run = nullptr;
    delete x;
}

}  // extern "C"
