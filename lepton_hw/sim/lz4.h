// Stands in for lz4.h where Verilator's waveform writer includes it: the two functions that it
// calls, writing valid LZ4 blocks of literals only. Waveforms need no further package this way.
#pragma once
#include <cstring>

static inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

// Block format: token (literal length in the high nibble, 15 = more bytes follow), 255s, rest,
// literals; a block may end after its literals (lz4_Block_format.md, "End of block").
static inline int LZ4_compress_default(const char* from, char* to, int size, int room) {
    if (room < LZ4_compressBound(size)) return 0;
    char* at = to;
    if (size < 15) {
        *at++ = char(size << 4);
    } else {
        *at++ = char(0xF0);
        int more = size - 15;
        for (; more >= 255; more -= 255) *at++ = char(255);
        *at++ = char(more);
    }
    std::memcpy(at, from, size_t(size));
    return int(at - to) + size;
}
