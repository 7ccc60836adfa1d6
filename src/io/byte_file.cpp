// SPDX-License-Identifier: MIT
#include "io/byte_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "core/check.hpp"
#include "io/digest.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace {

constexpr std::size_t write_block = std::size_t{64} << 10;

[[noreturn]] void fail_reading(const std::string& path, int error) {
    fail(error == ENOENT || error == ENOTDIR ? ExitCode::missing_input : ExitCode::io,
         "{}: cannot be read: {}; check the path and its permissions", path, std::strerror(error));
}

[[noreturn]] void fail_writing(const std::string& path, int error) {
    fail(ExitCode::io,
         "{}: cannot be written: {}; {} bytes are free there, free some space or set "
         "another --out",
         path, std::strerror(error), free_bytes(path));
}

}  // namespace

FileStamp stamp_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        fail_reading(path, errno);
    }
    if (S_ISDIR(info.st_mode)) {
        fail(ExitCode::usage, "{} is a folder; name its text files", path);
    }
    if (!S_ISREG(info.st_mode)) {
        fail(ExitCode::usage, "{} is no plain file and cannot be read twice; write it to one",
             path);
    }
    const auto nanoseconds = [](const timespec& time) {
        return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    };
    return {info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

FileStamp settled_stamp_of(const std::string& path) {
    using std::chrono::nanoseconds;
    constexpr nanoseconds coarse = std::chrono::milliseconds(20);
    const nanoseconds changed(stamp_of(path).mtime_ns);
    const nanoseconds age = std::chrono::duration_cast<nanoseconds>(
                                std::chrono::system_clock::now().time_since_epoch()) -
                            changed;
    if (age >= nanoseconds(0) && age < coarse) {
        std::this_thread::sleep_for(coarse - age);
    }
    return stamp_of(path);
}

std::string xxh3_file(const std::string& path) {
    ByteReader reader(path);
    Xxh3 hash;
    for (std::int64_t at = 0; at < reader.size();) {
        const std::string_view block = reader.at(at);
        hash.add(block.data(), block.size());
        at += static_cast<std::int64_t>(block.size());
    }
    return hash.value().hex();
}

ByteReader::ByteReader(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info {};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0) {
        const int error = errno;
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fail_reading(path, error);
    }
    size_ = info.st_size;
}

ByteReader::~ByteReader() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

ByteReader::ByteReader(ByteReader&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      begin_(other.begin_),
      held_(std::exchange(other.held_, 0)),
      buffer_(std::move(other.buffer_)) {}

std::size_t ByteReader::fill(std::int64_t offset, char* to, std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes) {
        const ssize_t n =
            ::pread(fd_, to + done, bytes - done, offset + static_cast<std::int64_t>(done));
        if (n < 0 && errno != EINTR) {
            fail_reading(path_, errno);
        }
        if (n == 0) {
            break;
        }
        done += n < 0 ? 0 : static_cast<std::size_t>(n);
    }
    return done;
}

void ByteReader::read(std::int64_t offset, void* to, std::size_t bytes) {
    if (fill(offset, static_cast<char*>(to), bytes) != bytes) {
        fail(ExitCode::bad_data, "{}: became shorter while it was read; call the command again",
             path_);
    }
}

std::string_view ByteReader::at(std::int64_t offset) {
    LRD_CHECK(offset >= 0 && offset <= size_, "{}: byte {} of {}", path_, offset, size_);
    const auto left = static_cast<std::size_t>(size_ - offset);
    const std::int64_t inside = offset - begin_;
    if (inside < 0 || inside > static_cast<std::int64_t>(held_) ||
        held_ - static_cast<std::size_t>(inside) < std::min(least, left)) {
        buffer_.resize(window);
        begin_ = offset;
        held_ = 0;
        const std::size_t wanted = std::min(window, left);
        read(offset, buffer_.data(), wanted);
        held_ = wanted;
    }
    const auto skipped = static_cast<std::size_t>(offset - begin_);
    return {buffer_.data() + skipped, held_ - skipped};
}

ByteWriter::ByteWriter(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (fd_ < 0) {
        fail_writing(path, errno);
    }
}

ByteWriter::~ByteWriter() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void ByteWriter::add(const void* data, std::size_t bytes) {
    buffer_.append(static_cast<const char*>(data), bytes);
    size_ += static_cast<std::int64_t>(bytes);
    if (buffer_.size() >= write_block) {
        flush();
    }
}

void ByteWriter::flush() {
    std::string_view left = buffer_;
    while (!left.empty()) {
        const ssize_t n = ::write(fd_, left.data(), left.size());
        if (n < 0 && errno != EINTR) {
            fail_writing(path_, errno);
        }
        left.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
    buffer_.clear();
}

void ByteWriter::close() {
    flush();
    if (::close(std::exchange(fd_, -1)) != 0) {
        fail_writing(path_, errno);
    }
}

}  // namespace lrd
