// SPDX-License-Identifier: MIT
// The scope around every call of a Backend; for its own sources alone.
#pragma once

#include "core/log.hpp"
#include "core/profile.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// Runs the device's part of one call between begin_op and end_op, and writes it down on request.
class Backend::Call {
public:
    template <class Body>
    static void run(Backend& backend, const char* op, const Cost& cost, Body&& body) {
        if (backend.idle_) {
            return;
        }
        const Scope scope(backend, op);
        if (backend.profile_ == nullptr) {
            body();
            return;
        }
        const double begin = log::now();
        body();
        backend.do_synchronize();
        backend.profile_->add({op, Track::ops, begin, log::now(), cost});
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
