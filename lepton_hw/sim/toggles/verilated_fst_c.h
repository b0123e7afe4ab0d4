// Stands in for Verilator's waveform writer: counts the toggles of every net in place of writing
// them. Found ahead of the original by the build of a library with counters (`Recipe.toggles`).
//
// Nets that Verilator knows to be one have one code, and so are counted once.
#pragma once

#include "verilated.h"
#include "verilated_trace.h"

#include <cstdint>
#include <string>
#include <vector>

class VerilatedFstBuffer;

class VerilatedFst final : public VerilatedTrace<VerilatedFst, VerilatedFstBuffer> {
public:
    using Super = VerilatedTrace<VerilatedFst, VerilatedFstBuffer>;

private:
    friend VerilatedFstBuffer;

    struct Net {
        uint32_t code, bits;
        std::string name;
    };
    std::vector<Net> m_nets;                            // one for each name of a net
    std::vector<std::string> m_prefixes{std::string{}};
    std::vector<uint32_t> m_now, m_moved;               // by code: values, bits that ever toggled
    std::vector<uint64_t> m_toggles;                    // by code
    std::string m_path;                                 // empty: closed
    uint64_t m_samples = 0;
    Buffer* m_buffer = nullptr;

    VL_UNCOPYABLE(VerilatedFst);
    void declare(uint32_t code, const char* name, int msb, int lsb, int array = -1);
    void word(uint32_t code, uint32_t value);

protected:
    void emitTimeChange(uint64_t) override { m_samples++; }
    bool preFullDump() override { return isOpen(); }
    bool preChangeDump() override { return isOpen(); }
    Buffer* getTraceBuffer(uint32_t) override;
    void commitTraceBuffer(Buffer*) override {}
    void configure(const VerilatedTraceConfig&) override {}

public:
    explicit VerilatedFst(void* = nullptr);
    ~VerilatedFst();
    void open(const char* path) VL_MT_SAFE_EXCLUDES(m_mutex);
    void close() VL_MT_SAFE_EXCLUDES(m_mutex);
    void flush() {}
    bool isOpen() const VL_MT_SAFE { return !m_path.empty(); }

    void pushPrefix(const char* name, VerilatedTracePrefixType type, int = 0, int = 0);
    void popPrefix() { m_prefixes.pop_back(); }
    void declDTypeEnum(int, const char*, uint32_t, unsigned, const char**, const char**) {}

    // What the generated code calls, by the macros below.
    void one(uint32_t code, const char* name) { declare(code, name, 0, 0); }
    void many(uint32_t code, const char* name, int msb, int lsb) { declare(code, name, msb, lsb); }
    void element(uint32_t code, const char* name, int array, int msb = 0, int lsb = 0) {
        declare(code, name, msb, lsb, array);
    }
    void skip() {}  // events and reals are no nets of hardware
};

#define VL_TRACE_PUSH_PREFIX(t, name, type, left, right) t->pushPrefix(name, type, left, right);
#define VL_TRACE_POP_PREFIX(t) t->popPrefix();
#define VL_TRACE_DECL_EVENT(t, ...) t->skip()
#define VL_TRACE_DECL_DOUBLE(t, ...) t->skip()
#define VL_TRACE_DECL_EVENT_ARRAY(t, ...) t->skip()
#define VL_TRACE_DECL_DOUBLE_ARRAY(t, ...) t->skip()
#define VL_TRACE_DECL_BIT(t, code, fidx, name, ...) t->one(code, name)
#define VL_TRACE_DECL_BUS(t, code, fidx, name, en, dir, kind, type, msb, lsb) \
    t->many(code, name, msb, lsb)
#define VL_TRACE_DECL_QUAD VL_TRACE_DECL_BUS
#define VL_TRACE_DECL_WIDE VL_TRACE_DECL_BUS
#define VL_TRACE_DECL_BIT_ARRAY(t, code, fidx, name, en, dir, kind, type, array) \
    t->element(code, name, array)
#define VL_TRACE_DECL_BUS_ARRAY(t, code, fidx, name, en, dir, kind, type, array, msb, lsb) \
    t->element(code, name, array, msb, lsb)
#define VL_TRACE_DECL_QUAD_ARRAY VL_TRACE_DECL_BUS_ARRAY
#define VL_TRACE_DECL_WIDE_ARRAY VL_TRACE_DECL_BUS_ARRAY

// Declared ahead of their use below, as in Verilator's own header.
template <>
void VerilatedFst::Super::dump(uint64_t time);
template <>
void VerilatedFst::Super::set_time_unit(const char* unitp);
template <>
void VerilatedFst::Super::set_time_unit(const std::string& unit);
template <>
void VerilatedFst::Super::set_time_resolution(const char* unitp);
template <>
void VerilatedFst::Super::set_time_resolution(const std::string& unit);

class VerilatedFstBuffer VL_NOT_FINAL {
    friend VerilatedFst;
    friend VerilatedFst::Super;
    friend VerilatedFst::Buffer;

    VerilatedFst& m_owner;

    explicit VerilatedFstBuffer(VerilatedFst& owner) : m_owner{owner} {}
    virtual ~VerilatedFstBuffer() = default;

    void emitEvent(uint32_t) {}
    void emitDouble(uint32_t, double) {}
    void emitBit(uint32_t code, CData value) { m_owner.word(code, value); }
    void emitCData(uint32_t code, CData value, int) { m_owner.word(code, value); }
    void emitSData(uint32_t code, SData value, int) { m_owner.word(code, value); }
    void emitIData(uint32_t code, IData value, int) { m_owner.word(code, value); }
    void emitQData(uint32_t code, QData value, int) {
        m_owner.word(code, uint32_t(value));
        m_owner.word(code + 1, uint32_t(value >> 32));
    }
    void emitWData(uint32_t code, const WData* words, int bits) {
        for (int i = 0; i < VL_WORDS_I(bits); i++) m_owner.word(code + uint32_t(i), words[i]);
    }
};

class VerilatedFstC VL_NOT_FINAL : public VerilatedTraceBaseC {
    VerilatedFst m_inner;

    VL_UNCOPYABLE(VerilatedFstC);

public:
    explicit VerilatedFstC(void* = nullptr) {}
    virtual ~VerilatedFstC() { close(); }
    bool isOpen() const override VL_MT_SAFE { return m_inner.isOpen(); }
    void open(const char* path) { m_inner.open(path); }
    void close() {
        m_inner.close();
        modelConnected(false);
    }
    // Once per cycle, behind the rising edge, which ends in 0 (see harness.cpp); the design has
    // settled then, and a clock has the value that it had a cycle ago.
    void dump(uint64_t time) {
        if (time % 10 == 0) m_inner.dump(time);
    }
    void set_time_unit(const std::string& unit) { m_inner.set_time_unit(unit); }
    void set_time_resolution(const std::string& unit) { m_inner.set_time_resolution(unit); }
    VerilatedFst* spTrace() { return &m_inner; }
};
