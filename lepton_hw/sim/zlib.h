// Stands in for zlib.h where Verilator's waveform writer includes it: what it calls, writing
// valid zlib streams of stored blocks (RFC 1950, RFC 1951 section 3.2.4). The writer keeps the
// original where that is smaller, so that in effect nothing is compressed.
#pragma once
#include <cstdint>
#include <cstring>

using Byte = unsigned char;
using Bytef = unsigned char;
using uLong = unsigned long;
using uLongf = unsigned long;
constexpr int Z_OK = 0, Z_BUF_ERROR = -5;

static inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

static inline int compress2(Bytef* to, uLongf* room, const Bytef* from, uLong size, int) {
    if (*room < compressBound(size)) return Z_BUF_ERROR;
    Bytef* at = to;
    *at++ = 0x78, *at++ = 0x01;
    uint32_t a = 1, b = 0;  // Adler-32
    uLong done = 0;
    do {
        const uLong part = size - done < 65535 ? size - done : 65535;
        *at++ = done + part == size;
        *at++ = Byte(part), *at++ = Byte(part >> 8), *at++ = Byte(~part), *at++ = Byte(~part >> 8);
        std::memcpy(at, from + done, part);
        for (uLong i = 0; i < part; i++) a = (a + at[i]) % 65521, b = (b + a) % 65521;
        at += part, done += part;
    } while (done < size);
    for (int shift = 24; shift >= 0; shift -= 8) *at++ = Byte(((b << 16) | a) >> shift);
    *room = uLong(at - to);
    return Z_OK;
}
