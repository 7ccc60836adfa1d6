// SPDX-License-Identifier: MIT
// The scope around every call of a Backend; for its own sources alone.
#pragma once

#include <chrono>

#include "kernels/backend.hpp"

namespace lrd {

/// Runs the device's part of one call between begin_op and end_op, and measures it on request.
class Backend::Call {
public:
    template <class Body>
    static void run(Backend& backend, const char* op, Body&& body) {
        if (backend.idle_) {
            return;
        }
        const Scope scope(backend, op);
        if (!backend.profiling_) {
            body();
            return;
        }
        const auto start = std::chrono::steady_clock::now();
        body();
        backend.do_synchronize();
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        backend.profile_[op] += spent.count();
    }

private:
    struct Scope {
        Scope(Backend& b, const char* name) : backend(b), op(name) { backend.begin_op(op); }
        ~Scope() { backend.end_op(op); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

        Backend& backend;
        const char* op;
    };
};

}  // namespace lrd
