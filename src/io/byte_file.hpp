// SPDX-License-Identifier: MIT
// Plain files by position: reading through a window, and appending.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lrd {

/// What tells cheaply that a file has not changed.
struct FileStamp {
    std::int64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;  ///< of the inode: nobody can set it back
};
/// Error(missing_input); Error(usage) for a folder or a pipe, which cannot be read twice.
FileStamp stamp_of(const std::string& path);
/// Waits until a change that comes later has another time: clocks of files are coarse.
FileStamp settled_stamp_of(const std::string& path);

/// Hash of a file's bytes (xxh3, 32 hex digits as xxh128sum prints them).
std::string xxh3_file(const std::string& path);

/// Reads one file anywhere; neighbouring reads share a window. One object per thread.
class ByteReader {
public:
    static constexpr std::size_t window = std::size_t{256} << 10;
    static constexpr std::size_t least = std::size_t{4} << 10;

    explicit ByteReader(const std::string& path);  ///< Error(missing_input), Error(io)
    ~ByteReader();
    ByteReader(ByteReader&&) noexcept;
    ByteReader& operator=(ByteReader&&) = delete;

    const std::string& path() const { return path_; }
    std::int64_t size() const { return size_; }  ///< when it was opened

    /// Bytes from `offset` on, valid until the next call: at least `least` of them, or all up to
    /// the end. Error(bad_data) if the file has become shorter.
    std::string_view at(std::int64_t offset);
    /// Exactly `bytes` bytes.
    void read(std::int64_t offset, void* to, std::size_t bytes);

private:
    std::size_t fill(std::int64_t offset, char* to, std::size_t bytes);

    std::string path_;
    int fd_ = -1;
    std::int64_t size_ = 0;
    std::int64_t begin_ = 0;  // of the window
    std::size_t held_ = 0;
    std::vector<char> buffer_;
};

/// Appends to a new file, in place of what is there. Errors: io.
class ByteWriter {
public:
    explicit ByteWriter(const std::string& path);
    ~ByteWriter();
    ByteWriter(const ByteWriter&) = delete;
    ByteWriter& operator=(const ByteWriter&) = delete;

    void add(const void* data, std::size_t bytes);
    std::int64_t size() const { return size_; }
    void close();  ///< writes what is left; without it the file is incomplete

private:
    void flush();

    std::string path_;
    int fd_ = -1;
    std::int64_t size_ = 0;
    std::string buffer_;
};

}  // namespace lrd
