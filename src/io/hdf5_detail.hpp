// SPDX-License-Identifier: MIT
// What the hdf5_*.cpp share; the only header here that sees the C API. Nobody else includes it.
#pragma once

#include <hdf5.h>
#include <hdf5_hl.h>

#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "core/check.hpp"
#include "io/hdf5.hpp"

namespace lrd::h5 {

/// Holds the lock of the whole process and keeps the library from printing: its error stack is read
/// by reason() instead. (The stack belongs to a thread, hence once per call.)
class Session {
public:
    Session();

private:
    std::lock_guard<std::recursive_mutex> lock_;
};

std::string reason();  ///< the innermost message of the error stack

/// An open object of the library.
class Handle {
public:
    Handle() = default;
    Handle(hid_t id, herr_t (*closer)(hid_t)) : id_(id), closer_(closer) {}
    Handle(Handle&& other) noexcept
        : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(closer_, other.closer_);
        return *this;
    }
    ~Handle() { try_close(); }
    hid_t id() const { return id_; }
    bool open() const { return id_ >= 0; }
    /// False if the library says so; for what was written that means lost.
    bool try_close() noexcept {
        const hid_t id = std::exchange(id_, H5I_INVALID_HID);
        return id < 0 || closer_(id) >= 0;
    }

private:
    hid_t id_ = H5I_INVALID_HID;
    herr_t (*closer_)(hid_t) = nullptr;
};

struct File::State {
    std::string path;
    Handle file;
    bool writable = false;

    /// Error(bad_data) for a reader, Error(io) with the free bytes for a writer.
    [[noreturn]] void fail_call(const std::string& what, const std::string& object) const;
    template <class... Args>
    [[noreturn]] void reject(const std::string& object, fmt::format_string<Args...> text,
                             Args&&... args) const {
        fail(ExitCode::bad_data, "{}: {} {}", path, object,
             fmt::format(text, std::forward<Args>(args)...));
    }

    /// For calls that return an error code or, below, a new object.
    void check(herr_t code, const char* what, const std::string& object) const {
        if (code < 0) {
            fail_call(what, object);
        }
    }
    Handle take(hid_t id, herr_t (*closer)(hid_t), const char* what,
                const std::string& object) const {
        if (id < 0) {
            fail_call(what, object);
        }
        return {id, closer};
    }
    void close(Handle& handle, const char* what, const std::string& object) const {
        if (!handle.try_close()) {
            fail_call(what, object);
        }
    }

    hid_t id() const;                            ///< of the file, which must be open
    bool exists(const std::string& name) const;  ///< walks hard links only
    Handle open_object(const std::string& name) const;
    Handle open_dataset(const std::string& name) const;
    void make_parents(const std::string& name) const;
    void make_group(const std::string& name) const;
    std::uint64_t bytes() const;  ///< of the file
};

/// How every file here is opened: the library refuses to open one twice in different ways.
Handle access_properties(const std::string& path, bool read_only);
Type type_from(hid_t stored);
hid_t memory_type(Type type);
hid_t file_type(Type type);  ///< little endian
Handle text_type(std::size_t bytes);
/// May values of `stored` be read as `wanted` without loss?
bool fits(Type stored, Type wanted);
/// Checks the dataset's type, space, layout and filters against each other and the file's size.
Info checked_info(const File::State& state, const Handle& dataset, const std::string& name);
std::string name_of(const Shape& shape);

}  // namespace lrd::h5
