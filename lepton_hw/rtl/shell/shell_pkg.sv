// What all parts of the shell agree on; docs/shell.md says what it means to software.

package shell_pkg;

    localparam logic [31:0] MAGIC = 32'h4C50_5430;  // "LPT0"
    localparam logic [31:0] VERSION = 32'h0001_0000;

    localparam int unsigned BUS_BYTES = 8;  // a word of the DMA port

    localparam int unsigned COUNTERS = 10;
    localparam int unsigned COUNTER_BITS = 48;  // at 300 MHz ten days

    function automatic int unsigned max(int unsigned a, int unsigned b);
        return a > b ? a : b;
    endfunction

    function automatic int unsigned min(int unsigned a, int unsigned b);
        return a < b ? a : b;
    endfunction

    // Euclid's algorithm; bounded, as synthesis wants it.
    function automatic int unsigned gcd(int unsigned a, int unsigned b);
        int unsigned x;
        int unsigned y;
        int unsigned rest;
        x = a;
        y = b;
        for (int i = 0; i < 48; i++) begin
            if (y != 0) begin
                rest = x % y;
                x = y;
                y = rest;
            end
        end
        return x;
    endfunction

    // The bytes that `strobes` name, taken from `new_value`.
    function automatic logic [31:0] merged(
        logic [31:0] old_value, logic [31:0] new_value, logic [3:0] strobes
    );
        logic [31:0] result;
        for (int i = 0; i < 4; i++) begin
            result[8*i+:8] = strobes[i] ? new_value[8*i+:8] : old_value[8*i+:8];
        end
        return result;
    endfunction

endpackage
