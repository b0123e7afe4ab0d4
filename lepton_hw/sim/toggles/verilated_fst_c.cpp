// The other half of the stand-in beside this file; compiled once, into the run time.

#include "verilated_fst_c.h"

#include <cstdio>

#define VL_SUB_T VerilatedFst
#define VL_BUF_T VerilatedFstBuffer
#include "verilated_trace_imp.h"
#undef VL_SUB_T
#undef VL_BUF_T

VerilatedFst::VerilatedFst(void*) {}

VerilatedFst::~VerilatedFst() { delete m_buffer; }

VerilatedFst::Buffer* VerilatedFst::getTraceBuffer(uint32_t) {
    if (!m_buffer) m_buffer = new Buffer{*this};
    return m_buffer;
}

void VerilatedFst::open(const char* path) VL_MT_SAFE_EXCLUDES(m_mutex) {
    const VerilatedLockGuard lock{m_mutex};
    m_path = path;
    constDump(true);
    fullDump(true);  // the first sample sets the values that later ones are compared with
    Super::traceInit();
    m_now.assign(nextCode(), 0);
    m_moved.assign(nextCode(), 0);
    m_toggles.assign(nextCode(), 0);
}

// The number of samples, then for each name of a net: code, bits, toggles, bits that toggled, name.
void VerilatedFst::close() VL_MT_SAFE_EXCLUDES(m_mutex) {
    const VerilatedLockGuard lock{m_mutex};
    if (m_path.empty()) return;
    if (FILE* const file = std::fopen(m_path.c_str(), "w")) {
        std::fprintf(file, "%llu\n", static_cast<unsigned long long>(m_samples));
        for (const Net& net : m_nets) {
            unsigned long long toggles = 0, moved = 0;
            for (uint32_t i = 0; i < (net.bits + 31) / 32; i++) {
                toggles += m_toggles[net.code + i];
                moved += static_cast<unsigned>(__builtin_popcount(m_moved[net.code + i]));
            }
            std::fprintf(file, "%u %u %llu %llu %s\n", net.code, net.bits, toggles, moved,
                         net.name.c_str());
        }
        std::fclose(file);
    }
    m_path.clear();
}

void VerilatedFst::pushPrefix(const char* name, VerilatedTracePrefixType type, int, int) {
    const std::string above = m_prefixes.back();
    const bool root = !*name || std::string{"$rootio"} == name;
    const bool array = type == VerilatedTracePrefixType::ARRAY_PACKED
                       || type == VerilatedTracePrefixType::ARRAY_UNPACKED;
    m_prefixes.push_back(root ? above : above + name + (array ? "" : " "));
}

void VerilatedFst::declare(uint32_t code, const char* name, int msb, int lsb, int array) {
    const uint32_t bits = uint32_t(msb > lsb ? msb - lsb : lsb - msb) + 1;
    std::string full = m_prefixes.back() + name;
    if (array >= 0) full += "[" + std::to_string(array) + "]";
    Super::declCode(code, full, bits);
    m_nets.push_back({code, bits, full});
}

void VerilatedFst::word(uint32_t code, uint32_t value) {
    const uint32_t changed = m_now[code] ^ value;
    m_now[code] = value;
    if (m_samples < 2) return;
    m_toggles[code] += static_cast<unsigned>(__builtin_popcount(changed));
    m_moved[code] |= changed;
}
