// SPDX-License-Identifier: MIT
// A pwrite() that the executable puts before libc's, so that HDF5 calls it.
#include "lying_disk.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

namespace lrd::test {
bool disk_lies = false;
}

extern "C" ssize_t pwrite(int fd, const void* data, size_t bytes, off_t at) {
    constexpr size_t only_data = 8192;  // metadata stays, so that the file opens
    if (lrd::test::disk_lies && bytes >= only_data) {
        const std::vector<char> zeros(bytes, '\0');
        return syscall(SYS_pwrite64, fd, zeros.data(), bytes, at);
    }
    return syscall(SYS_pwrite64, fd, data, bytes, at);
}
