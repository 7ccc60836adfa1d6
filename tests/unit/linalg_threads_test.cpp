// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "linalg/svd.hpp"
#include "linalg/threads.hpp"

namespace lrd::test {
namespace {

TEST(LinalgThreads, AreThoseOfTheRunWhateverTheLauncherBound) {
    svd({1.0}, 1, 1);  // so that LAPACK is linked
    using Get = int (*)();
    const auto get = reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
    if (get == nullptr) {
        GTEST_SKIP() << "another LAPACK than OpenBLAS";
    }
    for (const int threads : {1, 2, 1}) {
        set_linalg_threads(threads);
        EXPECT_EQ(get(), threads);
    }
}

}  // namespace
}  // namespace lrd::test
