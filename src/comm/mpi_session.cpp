// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <exception>

#include "comm/mpi_check.hpp"
#include "comm/mpi_communicator.hpp"
#include "core/check.hpp"

namespace lrd {

MpiSession::MpiSession(int& argc, char**& argv) {
    int provided = MPI_THREAD_SINGLE;
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        fail(ExitCode::internal,
             "MPI did not start; under Slurm use `srun --mpi=pmix`, else mpirun");
    }
    LRD_CHECK(provided >= MPI_THREAD_FUNNELED, "MPI offers thread level {}", provided);
    world_ = std::make_unique<MpiCommunicator>(MPI_COMM_WORLD);
}

MpiSession::~MpiSession() {
    // While an exception is on its way other ranks may wait in a collective: finalizing would wait
    // with them. main aborts instead.
    if (std::uncaught_exceptions() == 0) {
        world_.reset();
        MPI_Finalize();
    } else {
        world_.release();  // NOLINT(bugprone-unused-return-value): the process ends at once
    }
}

void MpiSession::abort(ExitCode code) {
    int up = 0;
    int down = 0;
    MPI_Initialized(&up);
    MPI_Finalized(&down);
    if (up != 0 && down == 0) {
        MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
    }
    std::_Exit(static_cast<int>(code));
}

}  // namespace lrd
