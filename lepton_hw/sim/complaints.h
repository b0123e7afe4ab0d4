// Turns what a simulated design complains about into text for Python; for one file per library.
//
// Verilator's own handlers print and abort the process.
#pragma once
#include "messages.h"

#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

thread_local std::string* problem_of_run = nullptr;  // of the simulation that is being called
thread_local std::string printed;                     // what the design printed last

void report(const char* file, int line, std::string what) {
    if (!problem_of_run || !problem_of_run->empty()) return;
    if (file && *file) what += " (" + std::string(file) + ":" + std::to_string(line) + ")";
    *problem_of_run = what;
}

// The line with which $error or $fatal stopped the design, if it printed one.
std::string last_words(const std::string& otherwise) {
    while (!printed.empty() && printed.back() == '\n') printed.pop_back();
    const auto start = printed.rfind('\n');
    const std::string line = start == std::string::npos ? printed : printed.substr(start + 1);
    const auto error = line.find("%Error: ");
    return error == std::string::npos ? otherwise : line.substr(error + 8);
}

}  // namespace

extern "C" int lepton_print(const char* format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (printed.size() > 8192) printed.clear();
    printed += text;
    return length;
}

void vl_warn(const char* file, int line, const char*, const char* text) {
    report(file, line, text);
}
void vl_stop(const char* file, int line, const char*) {
    report(file, line, last_words("the design stopped itself with $stop"));
}
void vl_finish(const char* file, int line, const char*) {
    report(file, line, last_words("the design ended the simulation with $finish"));
}
void vl_fatal(const char* file, int line, const char*, const char* text) {
    report(file, line, last_words(text));
    throw std::runtime_error(text);
}
