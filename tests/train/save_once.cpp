// SPDX-License-Identifier: MIT
// save_once RUN STEP: one checkpoint, of which one is kept. strace_save.py watches it.
#include <cstdio>
#include <cstdlib>

#include "core/check.hpp"
#include "example_state.hpp"

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: save_once RUN STEP\n");
        return 64;
    }
    try {
        const auto backend = lrd::make_backend("cpu");
        const lrd::test::ExampleState state(*backend);
        lrd::CheckpointStore store(argv[1], 1);
        store.save(*backend, std::atoll(argv[2]), state.tensors, state.state, state.provenance);
    } catch (const lrd::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return static_cast<int>(error.code());
    }
    return 0;
}
