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

fs::path path_for(const fs::path& out) {
    return out.parent_path() / (".lrd-" + out.filename().string());
}

/// Refuses before the work what could not be put in place after it.
void require_replaceable(const fs::path& out) {
    const auto refuse = [&](const std::string& reason) {
        fail(ExitCode::io, "--out {}: {}", out.string(), reason);
    };
    std::error_code none;
    if (fs::is_symlink(fs::symlink_status(out, none))) {
        refuse("is a link to nowhere; name a folder");
    }
    struct stat here {};
    struct stat parent {};
    if (::stat(out.c_str(), &here) != 0) {
        return;  // to be made
    }
    if (::stat(out.parent_path().c_str(), &parent) == 0 && here.st_dev != parent.st_dev) {
        refuse("is a mount point and cannot be replaced; name a folder inside of it");
    }
    if (::access(out.c_str(), W_OK) != 0) {
        refuse("may not be written to; name another folder");
    }
}

}  // namespace

std::string WorkFolder::place_of(const std::string& out) {
    const fs::path named = fs::absolute(out).lexically_normal();
    const fs::path plain = named.filename().empty() ? named.parent_path() : named;
    std::error_code none;  // what is not there, or not for us to see, stays as it was named
    const fs::path followed = fs::canonical(plain, none);
    return (none ? plain : followed).string();
}

void WorkFolder::remove_stale(const std::string& out) {
    std::error_code none;
    if (fs::exists(path_for(place_of(out)), none)) {
        try {
            WorkFolder here(out);
        } catch (const std::exception&) {  // another process is at work there, or we may not write
        }
    }
}

WorkFolder::WorkFolder(const std::string& out)
    : out_(place_of(out)), path_(path_for(out_).string()) {
    require_replaceable(out_);
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
