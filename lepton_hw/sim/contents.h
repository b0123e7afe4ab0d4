// Initial memory contents are named relative to the design's folder, wherever that is today.
//
// For one file of a library that is linked with --wrap=fopen.
#pragma once

#include <cstdio>
#include <string>

namespace {
thread_local std::string data_folder;  // while a design is opened
}  // namespace

extern "C" {

FILE* __real_fopen(const char* name, const char* mode);

FILE* __wrap_fopen(const char* name, const char* mode) {
    if (name[0] == '/' || data_folder.empty()) return __real_fopen(name, mode);
    return __real_fopen((data_folder + "/" + name).c_str(), mode);
}

}  // extern "C"
