// SPDX-License-Identifier: MIT
// HeapWatch: every allocation of the process while it lives, on any thread, and who asked for it. A
// program that links heap_watch.cpp has its malloc and its kin replaced.
#pragma once

#include <map>
#include <string>

namespace lrd::test {

class HeapWatch {
public:
    HeapWatch();
    ~HeapWatch();
    HeapWatch(const HeapWatch&) = delete;
    HeapWatch& operator=(const HeapWatch&) = delete;

    struct Caller {
        int count = 0;
        std::string trace;  // of the first, for addr2line
    };
    /// By the object file whose code asked, "libgomp.so.1", what the C and C++ libraries ask for on
    /// behalf of others being theirs; "program": the code under test. Ends the watch.
    std::map<std::string, Caller> callers();
};

}  // namespace lrd::test
