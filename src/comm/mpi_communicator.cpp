// SPDX-License-Identifier: MIT
#include "comm/mpi_communicator.hpp"

#include <algorithm>
#include <string>

#include "comm/mpi_check.hpp"
#include "comm/shared_windows.hpp"
#include "core/check.hpp"

namespace lrd {
namespace {

/// Floats of one message: large enough to be fast, small enough that several overlap.
constexpr std::int64_t bucket = std::int64_t{1} << 22;
constexpr std::int64_t largest_message = std::int64_t{1} << 30;

template <class Visit>
void for_each_part(std::int64_t size, std::int64_t part, const Visit& visit) {
    for (std::int64_t begin = 0; begin < size; begin += part) {
        visit(begin, static_cast<int>(std::min(part, size - begin)));
    }
}

}  // namespace

void check_mpi(int code, const char* call) {
    if (code != MPI_SUCCESS) {
        char text[MPI_MAX_ERROR_STRING] = {};
        int length = 0;
        MPI_Error_string(code, text, &length);
        fail(ExitCode::internal, "{} failed: {}", call,
             std::string(text, static_cast<std::size_t>(length)));
    }
}

MpiCommunicator::MpiCommunicator(MPI_Comm parent) {
    LRD_MPI_CHECK(MPI_Comm_dup(parent, &comm_));
    LRD_MPI_CHECK(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
    LRD_MPI_CHECK(MPI_Comm_rank(comm_, &rank_));
    LRD_MPI_CHECK(MPI_Comm_size(comm_, &size_));
    LRD_MPI_CHECK(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_));
    LRD_MPI_CHECK(MPI_Comm_set_errhandler(node_, MPI_ERRORS_RETURN));
    LRD_MPI_CHECK(MPI_Comm_rank(node_, &node_rank_));
    LRD_MPI_CHECK(MPI_Comm_size(node_, &node_size_));
}

MpiCommunicator::~MpiCommunicator() {
    MPI_Comm_free(&node_);
    MPI_Comm_free(&comm_);
}

void MpiCommunicator::start_all_reduce_sum(Memory& memory, const View& x) {
    if (size_ == 1) {
        return;
    }
    LRD_CHECK(x.dense(), "a reduction of {} with gaps", x.describe());
    open_.push_back(std::make_unique<HostAccess>(memory, x));
    float* const data = x.f32();
    for_each_part(x.size(), bucket, [&](std::int64_t begin, int count) {
        requests_.push_back(MPI_REQUEST_NULL);
        LRD_MPI_CHECK(MPI_Iallreduce(MPI_IN_PLACE, data + begin, count, MPI_FLOAT, MPI_SUM, comm_,
                                     &requests_.back()));
    });
}

void MpiCommunicator::progress() {
    if (!requests_.empty()) {
        int done = 0;
        LRD_MPI_CHECK(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done,
                                  MPI_STATUSES_IGNORE));
    }
}

void MpiCommunicator::wait_all() {
    if (!requests_.empty()) {
        LRD_MPI_CHECK(
            MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE));
    }
    requests_.clear();
    open_.clear();
}

void MpiCommunicator::broadcast(Memory& memory, const View& x, int root) {
    if (size_ == 1) {
        return;
    }
    LRD_CHECK(x.dense(), "a broadcast of {} with gaps", x.describe());
    const HostAccess open(memory, x);
    float* const data = x.f32();
    for_each_part(x.size(), largest_message, [&](std::int64_t begin, int count) {
        LRD_MPI_CHECK(MPI_Bcast(data + begin, count, MPI_FLOAT, root, comm_));
    });
}

void MpiCommunicator::exchange(Memory& memory, const View& out, const View& in, int partner) {
    constexpr int tag = 2;
    LRD_CHECK(out.dense() && in.dense(), "an exchange of {} and {} with gaps", out.describe(),
              in.describe());
    const HostAccess open_out(memory, out);
    const HostAccess open_in(memory, in);
    std::vector<MPI_Request> requests;
    for_each_part(in.size(), largest_message, [&](std::int64_t begin, int count) {
        LRD_MPI_CHECK(MPI_Irecv(in.f32() + begin, count, MPI_FLOAT, partner, tag, comm_,
                                &requests.emplace_back()));
    });
    for_each_part(out.size(), largest_message, [&](std::int64_t begin, int count) {
        LRD_MPI_CHECK(MPI_Isend(out.f32() + begin, count, MPI_FLOAT, partner, tag, comm_,
                                &requests.emplace_back()));
    });
    LRD_MPI_CHECK(
        MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE));
}

std::unique_ptr<NodeMemory> MpiCommunicator::node_memory(Memory& own) {
    if (node_size_ > 1 && own.is_host()) {
        return std::make_unique<SharedWindows>(node_, own);
    }
    return Communicator::node_memory(own);
}

void MpiCommunicator::all_reduce(std::span<double> values, MPI_Op op) {
    if (size_ == 1) {
        return;
    }
    for_each_part(std::ssize(values), largest_message, [&](std::int64_t begin, int count) {
        LRD_MPI_CHECK(
            MPI_Allreduce(MPI_IN_PLACE, values.data() + begin, count, MPI_DOUBLE, op, comm_));
    });
}

void MpiCommunicator::all_reduce_sum(std::span<double> values) { all_reduce(values, MPI_SUM); }

void MpiCommunicator::all_reduce_max(std::span<double> values) { all_reduce(values, MPI_MAX); }

void MpiCommunicator::broadcast(std::string& bytes, int root) {
    if (size_ == 1) {
        return;
    }
    std::uint64_t size = bytes.size();
    LRD_MPI_CHECK(MPI_Bcast(&size, 1, MPI_UINT64_T, root, comm_));
    bytes.resize(size);
    for_each_part(std::ssize(bytes), largest_message, [&](std::int64_t begin, int count) {
        LRD_MPI_CHECK(MPI_Bcast(bytes.data() + begin, count, MPI_BYTE, root, comm_));
    });
}

/// Rank by rank in messages, not MPI_Gatherv: its offsets are ints, and the sum of all ranks' bytes
/// need not fit one.
std::string MpiCommunicator::gather(const std::string& bytes, int root) {
    if (size_ == 1) {
        return bytes;
    }
    constexpr int tag = 1;
    const std::uint64_t mine = bytes.size();
    std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size_));
    LRD_MPI_CHECK(MPI_Gather(&mine, 1, MPI_UINT64_T, sizes.data(), 1, MPI_UINT64_T, root, comm_));
    if (rank_ != root) {
        for_each_part(std::ssize(bytes), largest_message, [&](std::int64_t begin, int count) {
            LRD_MPI_CHECK(MPI_Send(bytes.data() + begin, count, MPI_BYTE, root, tag, comm_));
        });
        return {};
    }
    std::string all;
    for (int from = 0; from < size_; ++from) {
        if (from == root) {
            all += bytes;
            continue;
        }
        const std::size_t old = all.size();
        const std::uint64_t size = sizes[static_cast<std::size_t>(from)];
        all.resize(old + size);
        for_each_part(static_cast<std::int64_t>(size), largest_message,
                      [&](std::int64_t begin, int count) {
                          LRD_MPI_CHECK(MPI_Recv(all.data() + old + begin, count, MPI_BYTE, from,
                                                 tag, comm_, MPI_STATUS_IGNORE));
                      });
    }
    return all;
}

std::string MpiCommunicator::gather_node(const std::string& bytes) {
    const auto size = static_cast<int>(bytes.size());
    std::string all(bytes.size() * static_cast<std::size_t>(node_size_), '\0');
    LRD_MPI_CHECK(MPI_Allgather(bytes.data(), size, MPI_BYTE, all.data(), size, MPI_BYTE, node_));
    return all;
}

void MpiCommunicator::barrier() {
    if (size_ > 1) {
        LRD_MPI_CHECK(MPI_Barrier(comm_));
    }
}

}  // namespace lrd
