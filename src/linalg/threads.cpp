// SPDX-License-Identifier: MIT
#include "linalg/threads.hpp"

#include <dlfcn.h>

namespace lrd {

// Looked up: there is no such function with another LAPACK, which then follows OpenMP.
void set_linalg_threads(int threads) {
    using Set = void (*)(int);
    if (const auto set = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
        set(threads);
    }
}

}  // namespace lrd
