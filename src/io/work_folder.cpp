// SPDX-License-Identifier: MIT
#include "io/work_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/check.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace fs = std::filesystem;

namespace {

constexpr const char* lock_name = "lock";

/// Whether the lock that we hold is the file that others would open.
bool is_visible(int fd, const std::string& path) {
    struct stat held {};
    struct stat seen {};
    return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &seen) == 0 &&
           held.st_ino == seen.st_ino && held.st_dev == seen.st_dev;
}

/// Without a trailing slash, which would make the folder its own parent.
std::string without_slash(const std::string& out) {
    const fs::path named = fs::absolute(out).lexically_normal();
    return (named.filename().empty() ? named.parent_path() : named).string();
}

}  // namespace

WorkFolder::WorkFolder(const std::string& out) : out_(without_slash(out)) {
    const fs::path final_path(out_);
    path_ = (final_path.parent_path() / (".lrd-" + final_path.filename().string())).string();
    lock();
    for (const auto& entry : fs::directory_iterator(path_)) {  // of one that was killed
        if (entry.path().filename() != lock_name) {
            fs::remove_all(entry.path());
        }
    }
    make_directories(result());
    make_directories(scratch());
}

void WorkFolder::lock() {
    const std::string name = path_ + "/" + lock_name;
    for (;;) {
        make_directories(path_);
        lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (lock_ < 0 && errno == ENOENT) {
            continue;  // its owner removed the folder this moment
        }
        if (lock_ < 0) {
            fail(ExitCode::io, "{}: cannot be made: {}", name, std::strerror(errno));
        }
        if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            ::close(lock_);
            fail(error == EWOULDBLOCK ? ExitCode::busy : ExitCode::io,
                 "{}: another process makes this folder now ({}: {}); wait for it, or choose "
                 "another --out",
                 out_, name, std::strerror(error));
        }
        if (is_visible(lock_, name)) {
            return;
        }
        ::close(lock_);
    }
}

WorkFolder::~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(scratch(), ignored);
    fs::remove_all(result(), ignored);
    fs::remove_all(path_, ignored);
    ::close(lock_);
}

void WorkFolder::publish() {
    const std::string old = path_ + "/old";
    if (!fs::exists(out_) || fs::is_empty(out_)) {
        publish_directory(result(), out_);
        return;
    }
    fsync_path(result());
    if (::renameat2(AT_FDCWD, result().c_str(), AT_FDCWD, out_.c_str(), RENAME_EXCHANGE) == 0) {
        fsync_path(fs::path(out_).parent_path().string());
        return;  // the old one is in result() now and goes with this folder
    }
    publish_directory(out_, old);  // some network file systems cannot exchange
    try {
        publish_directory(result(), out_);
    } catch (...) {
        publish_directory(old, out_);
        throw;
    }
}

}  // namespace lrd
