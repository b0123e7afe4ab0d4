// Drives one simulated design for many cycles per call and counts what its streams do.
//
// Compiled once per design with the generated table.h; called from Python through ctypes. All
// buffers belong to the caller and must outlive the handle. One clock, 10 ns in waveforms.

#include "Vdut.h"
#include "Vdut___024root.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#include "complaints.h"
#include "contents.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

using Model = Vdut___024root;
#include "table.h"

namespace {

enum Status : int { MORE = 0, FINISHED = 1, IDLE = 2, EXTRA = 3, STOPPED = 4 };
constexpr unsigned at_least_one(unsigned n) { return n ? n : 1; }
constexpr unsigned E = at_least_one(ENTRIES), F = at_least_one(FIFOS), N = at_least_one(NODES);
constexpr unsigned FLUSH = 255;  // cycles that an 8-bit counter holds

struct Buffer {
    uint32_t* words = nullptr;
    uint64_t beats = 0, done = 0;        // to move, moved so far
    uint64_t per_frame = 1, in_frame = 0;
    uint64_t* stamps = nullptr;          // one per frame
    uint64_t frame = 0;
    size_t stride = 1;                   // words per beat
};

// The layout of Python's lepton_hw.sim.library.Counters.
struct Counters {
    uint64_t beats[E], blocked[E], starved[E];
    uint64_t fill_sum[F];
    int32_t fill[F], fill_max[F];
    uint32_t busy[N], moving[N];
};

struct Handle {
    VerilatedContext context;
    std::unique_ptr<Vdut> dut;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace;
    bool tracing = false;
    uint64_t trace_start = 0, trace_stop = 0;
#endif
    Buffer in[at_least_one(INPUTS)], out[at_least_one(OUTPUTS)], tap[at_least_one(TAPS)];
    uint64_t cycle = 0, idle = 0, idle_max = 0, last_output = 0;
    uint64_t random = 0;
    uint32_t gap = 0, stall = 0;         // probabilities, in units of 2^-32
    double interval = 0;                 // cycles per frame at the inputs; 0: no limit
    bool draining = false;
    std::string problem;

    alignas(64) uint8_t v[E], r[E], h[E], b[E], s[E];
    alignas(64) uint8_t sum_h[E], sum_b[E], sum_s[E];
    alignas(64) uint32_t sum_fill[F];
    alignas(64) uint8_t begun[N], done[N], stop[N], moved[N];
    alignas(64) uint32_t busy_now[N], moving_now[N];
    unsigned unflushed = 0;
    Counters total;
};

uint32_t next_random(Handle& x) {  // xorshift64*, Vigna 2016
    x.random ^= x.random >> 12;
    x.random ^= x.random << 25;
    x.random ^= x.random >> 27;
    return uint32_t((x.random * 0x2545F4914F6CDD1DULL) >> 32);
}

void dump(Handle& x, uint64_t time) {
#if VM_TRACE_FST
    if (x.tracing && x.cycle >= x.trace_start && x.cycle < x.trace_stop) x.trace->dump(time);
#else
    (void)x, (void)time;
#endif
}

void clock(Handle& x) {
    Model& m = *x.dut->rootp;
    m.clk = 1;
    x.dut->eval();
    dump(x, x.cycle * 10);
    m.clk = 0;
    x.dut->eval();
    dump(x, x.cycle * 10 + 5);
}

void flush(Handle& x) {
    Counters& t = x.total;
    for (unsigned i = 0; i < ENTRIES; i++) {
        t.beats[i] += x.sum_h[i], t.blocked[i] += x.sum_b[i], t.starved[i] += x.sum_s[i];
        x.sum_h[i] = x.sum_b[i] = x.sum_s[i] = 0;
    }
    for (unsigned i = 0; i < FIFOS; i++) t.fill_sum[i] += x.sum_fill[i], x.sum_fill[i] = 0;
    x.unflushed = 0;
}

void count(Handle& x) {
    for (unsigned i = 0; i < ENTRIES; i++) {
        x.sum_h[i] += x.h[i], x.sum_b[i] += x.b[i], x.sum_s[i] += x.s[i];
    }
    for (unsigned i = 0; i < FIFOS; i++) {
        const int32_t fill = x.total.fill[i] + x.h[i] - x.h[FIFOS + i];
        x.total.fill[i] = fill;
        x.total.fill_max[i] = fill > x.total.fill_max[i] ? fill : x.total.fill_max[i];
        x.sum_fill[i] += uint32_t(fill);
    }
    for (unsigned i = 0; i < NODES; i++) {
        x.begun[i] |= x.h[NODE_IN + i];
        x.done[i] = x.h[NODE_OUT + i];
        x.stop[i] = x.s[NODE_IN + i] | x.b[NODE_OUT + i];
        x.moved[i] = x.h[NODE_IN + i] | x.h[NODE_OUT + i];
    }
    more_ports(x.h, x.b, x.s, x.stop, x.begun, x.done, x.moved);
    for (unsigned i = 0; i < NODES; i++) {
        x.busy_now[i] += uint32_t(x.begun[i] & (x.stop[i] ^ 1));
        x.moving_now[i] += uint32_t(x.moved[i]);
        x.total.busy[i] = x.done[i] ? x.busy_now[i] : x.total.busy[i];
        x.total.moving[i] = x.done[i] ? x.moving_now[i] : x.total.moving[i];
    }
    if (++x.unflushed == FLUSH) flush(x);
}

// One beat has moved through a door or a tap; stores its data and its frame's time stamp.
void store(Buffer& to, const uint8_t* data, size_t bytes, uint64_t cycle, bool stamp_first) {
    if (data && to.words) std::memcpy(to.words + to.done * to.stride, data, bytes);
    to.done++;
    if (stamp_first && to.in_frame == 0 && to.stamps) to.stamps[to.frame] = cycle;
    if (++to.in_frame == to.per_frame) {
        if (!stamp_first && to.stamps) to.stamps[to.frame] = cycle;
        to.in_frame = 0, to.frame++;
    }
}

// Whether the next beat may be offered: an even pace of one frame in every interval.
bool due(const Handle& x, const Buffer& in) {
    return double(x.cycle) * double(in.per_frame) >= double(in.done) * x.interval;
}

void drive_inputs(Handle& x, Model& m) {
    for (unsigned i = 0; i < INPUTS; i++) {
        Buffer& in = x.in[i];
        CData& valid = *input_valid(m, i);
        if (x.h[INPUT_ENTRY[i]]) {
            store(in, nullptr, 0, x.cycle, true);
            valid = 0;
        }
        if (!valid && in.done < in.beats && (x.gap == 0 || next_random(x) >= x.gap) && due(x, in)) {
            std::memcpy(input_data(m, i), in.words + in.done * in.stride, INPUT_BYTES[i]);
            valid = 1;
        }
    }
}

// False when a beat comes out that nobody expects.
bool take_outputs(Handle& x, Model& m, bool& complete) {
    complete = true;
    for (unsigned i = 0; i < OUTPUTS; i++) {
        Buffer& out = x.out[i];
        if (x.h[OUTPUT_ENTRY[i]]) {
            if (out.done == out.beats) return false;
            store(out, output_data(m, i), OUTPUT_BYTES[i], x.cycle, false);
            x.last_output = x.cycle;
        }
        complete &= out.done == out.beats;
        *output_ready(m, i) = x.stall == 0 || x.draining || next_random(x) >= x.stall;
    }
    return true;
}

int run(Handle& x, uint64_t cycles, uint64_t idle_limit) {
    Model& m = *x.dut->rootp;
    for (; cycles; cycles--) {
        observe(m, x.v, x.r);
        uint8_t any = 0;
        for (unsigned i = 0; i < ENTRIES; i++) {
            x.h[i] = x.v[i] & x.r[i];
            x.b[i] = x.v[i] & (x.r[i] ^ 1);
            x.s[i] = x.r[i] & (x.v[i] ^ 1);
            any |= x.h[i];
        }
        if (!x.draining) count(x);
        for (unsigned i = 0; i < TAPS; i++) {
            Buffer& tap = x.tap[i];
            if (x.h[TAP_ENTRY[i]] && tap.done < tap.beats)
                store(tap, tap_data(m, i), TAP_BYTES[i], x.cycle, false);
        }
        drive_inputs(x, m);
        bool complete;
        if (!take_outputs(x, m, complete)) return EXTRA;
        if (complete && !x.draining) x.draining = true, flush(x);
        x.idle = any ? 0 : x.idle + 1;
        if (!x.draining && x.idle > x.idle_max) x.idle_max = x.idle;
        if (x.draining ? x.idle > 2 * x.idle_max + 64 || x.idle > idle_limit : x.idle > idle_limit) {
            flush(x);
            return x.draining ? FINISHED : IDLE;
        }
        x.cycle++;
        clock(x);
        if (!x.problem.empty()) return STOPPED;
    }
    return MORE;
}

}  // namespace

extern "C" {

const char* lepton_problem(Handle* x) { return x->problem.c_str(); }

Handle* lepton_open(const char* folder, uint64_t seed, uint32_t gap, uint32_t stall,
                    double interval) {
    auto* x = new Handle();
    problem_of_run = &x->problem;
    data_folder = folder;
    x->random = seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL;
    if (!x->random) x->random = 1;
    x->gap = gap, x->stall = stall, x->interval = interval;
    std::memset(&x->total, 0, sizeof x->total);
#if VM_TRACE_FST
    x->context.traceEverOn(true);
#endif
    x->dut.reset(new Vdut(&x->context, "bench"));
    try {
        Model& m = *x->dut->rootp;
        m.clk = 0, m.reset_n = 0;
        for (unsigned i = 0; i < INPUTS; i++) *input_valid(m, i) = 0;
        for (unsigned i = 0; i < OUTPUTS; i++) *output_ready(m, i) = 0;
        x->dut->eval();
        for (int i = 0; i < 16; i++) clock(*x);
        m.reset_n = 1;
        clock(*x);  // the bench's register: ap_rst_n is high from here on
    } catch (const std::exception&) {
    }
    data_folder.clear();
    return x;
}

static void set(Buffer& b, uint32_t* words, uint64_t beats, uint64_t per_frame, size_t stride,
                uint64_t* stamps) {
    b.words = words, b.beats = beats, b.per_frame = per_frame, b.stride = stride;
    b.stamps = stamps;
}
void lepton_input(Handle* x, unsigned i, uint32_t* words, uint64_t beats, uint64_t per_frame,
                  size_t stride, uint64_t* stamps) {
    set(x->in[i], words, beats, per_frame, stride, stamps);
}
void lepton_output(Handle* x, unsigned i, uint32_t* words, uint64_t beats, uint64_t per_frame,
                   size_t stride, uint64_t* stamps) {
    set(x->out[i], words, beats, per_frame, stride, stamps);
}
void lepton_tap(Handle* x, unsigned i, uint32_t* words, uint64_t beats, uint64_t per_frame,
                size_t stride, uint64_t* stamps) {
    set(x->tap[i], words, beats, per_frame, stride, stamps);
}

void lepton_trace(Handle* x, const char* path, uint64_t start, uint64_t stop) {
#if VM_TRACE_FST
    x->trace.reset(new VerilatedFstC());
    x->dut->trace(x->trace.get(), 99);
    x->trace->open(path);
    x->trace_start = start, x->trace_stop = stop, x->tracing = true;
#else
    (void)x, (void)path, (void)start, (void)stop;
#endif
}

int lepton_run(Handle* x, uint64_t cycles, uint64_t idle_limit) {
    problem_of_run = &x->problem;
    if (!x->problem.empty()) return STOPPED;
    try {
        return run(*x, cycles, idle_limit);
    } catch (const std::exception&) {
        return STOPPED;
    }
}

const Counters* lepton_counters(Handle* x) {
    flush(*x);
    return &x->total;
}
// cycle now, cycle of the last output beat, longest pause; beats moved at inputs, outputs, taps;
// valid and ready of every entry.
void lepton_state(Handle* x, uint64_t* scalars, uint64_t* in, uint64_t* out, uint64_t* tap,
                  uint8_t* valid, uint8_t* ready) {
    scalars[0] = x->cycle, scalars[1] = x->last_output, scalars[2] = x->idle_max;
    for (unsigned i = 0; i < INPUTS; i++) in[i] = x->in[i].done;
    for (unsigned i = 0; i < OUTPUTS; i++) out[i] = x->out[i].done;
    for (unsigned i = 0; i < TAPS; i++) tap[i] = x->tap[i].done;
    observe(*x->dut->rootp, valid, ready);
}

void lepton_close(Handle* x) {
    problem_of_run = &x->problem;
#if VM_TRACE_FST
    if (x->tracing) x->trace->close();
#endif
    x->dut->final();
    problem_of_run = nullptr;
    delete x;
}

}  // extern "C"
