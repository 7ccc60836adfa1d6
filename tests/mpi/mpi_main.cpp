// SPDX-License-Identifier: MIT
// main of a test under mpirun: a failure on any rank fails the job.
#include "mpi/mpi_main.hpp"

#include <gtest/gtest.h>

namespace lrd::test {
namespace {
Communicator* g_world = nullptr;
}

Communicator& world() { return *g_world; }

}  // namespace lrd::test

int main(int argc, char** argv) {
    lrd::MpiSession session(argc, argv);
    lrd::test::g_world = &session.world();
    testing::InitGoogleTest(&argc, argv);
    if (session.world().rank() != 0) {  // others speak when something is wrong
        auto& listeners = testing::UnitTest::GetInstance()->listeners();
        delete listeners.Release(listeners.default_result_printer());
    }
    const int failed = RUN_ALL_TESTS();
    const bool ran = testing::UnitTest::GetInstance()->test_to_run_count() > 0;
    if (failed != 0 || !ran) {
        std::fprintf(stderr, "rank %d: %s\n", session.world().rank(),
                     ran ? "failed" : "no such test");
        lrd::MpiSession::abort(lrd::ExitCode::internal);
    }
    return 0;
}
