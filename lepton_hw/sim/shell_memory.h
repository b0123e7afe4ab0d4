// Memory behind an AXI port: random stalls, errors where nothing is allocated, protocol checks.
//
// One object is the slave of one 64-bit port of at most 32 address bits. `observe` sees what the
// port did in a cycle, `drive` says what the slave shows in the next. Rules: ARM IHI 0022, A3.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace {

// What the master drives; names as on the port.
struct Request {
    uint64_t addr = 0;
    unsigned len = 0, size = 3, burst = 1;
    bool operator==(const Request& o) const {
        return addr == o.addr && len == o.len && size == o.size && burst == o.burst;
    }
};
struct Word {
    uint64_t data = 0;
    unsigned strb = 0, last = 0, id = 0;
    bool operator==(const Word& o) const {
        return data == o.data && strb == o.strb && last == o.last && id == o.id;
    }
};
struct Master {
    bool arvalid, awvalid, wvalid, rready, bready;
    Request ar, aw;
    Word w;
};
struct Slave {
    bool arready = false, awready = false, wready = false, rvalid = false, bvalid = false;
    bool rlast = false;
    uint64_t rdata = 0;
    unsigned rresp = 0, bresp = 0;
};

// The layout of Python's lepton_hw.sim.shell.Stalls: probabilities in units of 2^-32.
struct Stalls {
    uint32_t ar, r, aw, w, b, latency, order, unused;
};
// The layout of Python's lepton_hw.sim.shell.Traffic.
struct Traffic {
    uint64_t read_beats, write_beats, read_first, read_last, write_first, write_last;
    uint64_t reads_open_max, writes_open_max, bursts;
};

enum Response : unsigned { OKAY = 0, SLVERR = 2, DECERR = 3 };
enum Order : uint32_t { ANY = 0, ADDRESS_AFTER_DATA = 1, DATA_AFTER_ADDRESS = 2 };

struct Range {
    uint64_t first, end;
    unsigned response;
};

class Memory {
  public:
    uint8_t* bytes = nullptr;
    uint64_t base = 0, size = 0, random = 1;
    unsigned max_burst = 16;
    std::vector<Range> ranges;  // the last that holds an address decides; outside all: DECERR
    Stalls stalls{};
    Traffic traffic{};
    Slave out;

    unsigned reads_open() const { return unsigned(reads.size()); }
    unsigned writes_open() const { return announced - answered; }

    // False, with a sentence in `problem`, where the master broke a rule.
    bool observe(const Master& m, uint64_t cycle, std::string& problem) {
        check(m, problem);
        if (m.arvalid && out.arready) {
            reads.push_back({m.ar, cycle + stalls.latency, 0});
            traffic.bursts++;
        }
        if (out.rvalid && m.rready) take_read(cycle);
        if (m.awvalid && out.awready) addresses.push_back(m.aw), traffic.bursts++;
        if (m.wvalid && out.wready) {
            words.push_back(m.w);
            if (!traffic.write_beats++) traffic.write_first = cycle;
            traffic.write_last = cycle;
        }
        while (!addresses.empty() && !words.empty()) write(cycle);
        if (out.bvalid && m.bready) {
            out.bvalid = false, answered++;
            arrive(answers.front().words);
            answers.pop_front();
        }
        if (reads.size() > traffic.reads_open_max) traffic.reads_open_max = reads.size();
        if (writes_open() > traffic.writes_open_max) traffic.writes_open_max = writes_open();
        before = m;
        was = out;
        return problem.empty();
    }

    // Ready may depend on what the master shows; valid stays until taken.
    void drive(const Master& m, uint64_t cycle) {
        out.arready = reads.size() < 8 && !chance(stalls.ar);
        out.awready = addresses.size() < 8 && !chance(stalls.aw) &&
                      (stalls.order != ADDRESS_AFTER_DATA || m.wvalid || !words.empty());
        out.wready = words.size() < 64 && !chance(stalls.w) &&
                     (stalls.order != DATA_AFTER_ADDRESS || !addresses.empty());
        if (!out.rvalid && !reads.empty() && reads.front().due <= cycle && !chance(stalls.r)) {
            const Read& read = reads.front();
            const uint64_t at = read.request.addr + 8 * read.beat;
            out.rvalid = true, out.rlast = read.beat == read.request.len;
            out.rresp = response(at);
            out.rdata = 0xDEADDEADDEADDEADULL;
            if (out.rresp == OKAY) std::memcpy(&out.rdata, bytes + (at - base), 8);
        }
        if (!out.bvalid && !answers.empty() && answers.front().due <= cycle && !chance(stalls.b)) {
            out.bvalid = true, out.bresp = answers.front().response;
        }
    }

    void reset() {
        reads.clear(), addresses.clear(), words.clear(), answers.clear(), lengths.clear();
        arriving.clear();
        announced = answered = beats = unfinished = 0, written = 0;
        out = was = Slave(), before = Master();
    }

  private:
    struct Read {
        Request request;
        uint64_t due;
        unsigned beat;
    };
    struct Arrival {
        uint64_t at;
        Word word;
    };
    struct Answer {
        uint64_t due;
        unsigned response;
        std::vector<Arrival> words;
    };
    std::deque<Read> reads;
    std::deque<Request> addresses;
    std::deque<Word> words;
    std::deque<Answer> answers;
    std::vector<Arrival> arriving;  // of the burst whose words come in
    std::deque<unsigned> lengths;  // of announced bursts whose data are not complete, for WLAST
    unsigned announced = 0, answered = 0, beats = 0, unfinished = OKAY, written = 0;
    Master before{};
    Slave was;

    bool chance(uint32_t limit) {  // xorshift64*, Vigna 2016
        if (!limit) return false;
        random ^= random >> 12, random ^= random << 25, random ^= random >> 27;
        return uint32_t((random * 0x2545F4914F6CDD1DULL) >> 32) < limit;
    }

    unsigned response(uint64_t at) const {
        if (at < base || at + 8 > base + size) return DECERR;
        for (size_t i = ranges.size(); i-- > 0;)
            if (at < ranges[i].end && at + 8 > ranges[i].first) return ranges[i].response;
        return DECERR;
    }

    void take_read(uint64_t cycle) {
        out.rvalid = false;
        if (!traffic.read_beats++) traffic.read_first = cycle;
        traffic.read_last = cycle;
        if (reads.front().beat++ == reads.front().request.len) reads.pop_front();
    }

    void write(uint64_t cycle) {
        const Word word = words.front();
        words.pop_front();
        const Request& to = addresses.front();
        const uint64_t at = to.addr + 8 * written;
        const unsigned said = response(at);
        if (said != OKAY && word.strb) unfinished = said;
        if (said == OKAY) arriving.push_back({at, word});
        if (written++ < to.len) return;
        answers.push_back({cycle + 1 + stalls.latency, unfinished, {}});
        answers.back().words.swap(arriving);
        addresses.pop_front();
        written = 0, unfinished = OKAY;
    }

    // Until a write is answered nobody may rely on it: only now can it be seen.
    void arrive(const std::vector<Arrival>& written_words) {
        for (const Arrival& a : written_words)
            for (unsigned i = 0; i < 8; i++)
                if (a.word.strb >> i & 1) bytes[a.at - base + i] = uint8_t(a.word.data >> 8 * i);
    }

    void check(const Master& m, std::string& problem) {
        const auto fail = [&](const char* what) {
            if (problem.empty()) problem = what;
        };
        if (before.arvalid && !was.arready && !(m.arvalid && m.ar == before.ar))
            fail("ARVALID or its address changed before ARREADY");
        if (before.awvalid && !was.awready && !(m.awvalid && m.aw == before.aw))
            fail("AWVALID or its address changed before AWREADY");
        if (before.wvalid && !was.wready && !(m.wvalid && m.w == before.w))
            fail("WVALID or its data changed before WREADY");
        if (m.arvalid) legal(m.ar, "a read burst", problem);
        if (m.awvalid && !(before.awvalid && !was.awready)) {
            legal(m.aw, "a write burst", problem);
            lengths.push_back(m.aw.len), announced++;
        }
        if (m.wvalid && out.wready) {
            if (lengths.empty()) fail("a word is written before its burst is announced");
            else if (bool(m.w.last) != (beats == lengths.front()))
                fail("WLAST is not on the last word of its burst");
            else if (m.w.last) lengths.pop_front(), beats = 0;
            else beats++;
        }
        if (m.w.id) fail("WID is not the ID of the burst");
    }

    void legal(const Request& r, const char* name, std::string& problem) const {
        const uint64_t end = r.addr + 8 * (uint64_t(r.len) + 1);
        const char* what = r.size != 3 || r.burst != 1 ? "is not incrementing by 8 bytes"
                           : r.addr % 8                ? "is not aligned"
                           : r.len >= max_burst        ? "is too long"
                           : r.addr >> 12 != (end - 1) >> 12 ? "crosses a 4 KiB boundary"
                                                             : nullptr;
        if (what && problem.empty()) problem = std::string(name) + " " + what;
    }
};

}  // namespace
