// SPDX-License-Identifier: MIT
#include "train/teacher_cache_files.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/check.hpp"
#include "io/hdf5_chunks.hpp"
#include "io/publish.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t version = 1;
constexpr const char* windows_name = "windows";
constexpr std::size_t most_open = 64;  // files at once

h5::Type file_type(DType dtype) {
    return dtype == DType::bf16  ? h5::Type::u16
           : dtype == DType::i32 ? h5::Type::i32
                                 : h5::Type::f32;
}

template <class T, class Byte>
auto values_of(std::span<Byte> bytes) {
    using Value = std::conditional_t<std::is_const_v<Byte>, const T, T>;
    return std::span<Value>(reinterpret_cast<Value*>(bytes.data()), bytes.size() / sizeof(T));
}

/// Calls with a value of the type that holds `dtype` in memory.
template <class Call>
void with_type(DType dtype, Call&& call) {
    switch (dtype) {
        case DType::bf16: call(std::uint16_t{}); return;
        case DType::i32: call(std::int32_t{}); return;
        default: call(float{}); return;
    }
}

[[noreturn]] void refuse(const std::string& part, const std::string& reason) {
    fail(ExitCode::bad_data,
         "{}: {}; remove this file, its windows are computed again when they are needed", part,
         reason);
}

}  // namespace

FileCache::FileCache(std::string directory, std::string digest, CacheLayout all, int writer,
                     std::size_t most_bytes)
    : TeacherCache(std::move(all)),
      directory_(std::move(directory)),
      digest_(std::move(digest)),
      writer_(writer),
      index_(static_cast<std::size_t>(layout().windows)),
      checked_(index_.size() * layout().fields.size(), false),
      most_bytes_(most_bytes) {
    refresh();
}

void FileCache::hold(std::unique_ptr<RunDirectory> lock) {
    lock_ = std::move(lock);
    for (const auto& entry : fs::directory_iterator(directory_)) {
        if (entry.path().filename().string().starts_with(".tmp-")) {  // of a job that was killed
            fs::remove(entry.path());
        }
    }
}

FileCache::~FileCache() {
    for (const Plain& part : plain_) {
        if (part.file >= 0) {
            ::close(part.file);
        }
    }
    if (part_) {
        part_.reset();
        std::error_code ignored;
        fs::remove(temporary_, ignored);
    }
}

void FileCache::refresh() {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("part-") && name.ends_with(".h5") && known_.count(name) == 0) {
            names.insert(name);
        }
    }
    for (const std::string& name : names) {
        add_part(name);
    }
}

/// Checks what a part says of itself, and finds its windows.
void FileCache::add_part(const std::string& name) {
    const std::string path = directory_ + "/" + name;
    std::vector<std::int64_t> windows;
    try {
        const h5::File file = h5::File::open(path);
        if (file.attribute_int("/", "format_version") > version) {
            refuse(path, fmt::format("format_version {} is newer than this lrd's {}",
                                     file.attribute_int("/", "format_version"), version));
        }
        if (file.attribute_text("/", "digest") != digest_) {
            refuse(path, "is a part of another cache");
        }
        windows = file.read<std::int64_t>(windows_name);
        for (const CacheField& field : layout().fields) {
            const h5::Info info = file.info(field.name);
            const h5::Shape shape = {windows.size(), static_cast<std::uint64_t>(layout().T),
                                     static_cast<std::uint64_t>(field.width)};
            if (info.type != file_type(field.stored) || info.shape != shape) {
                refuse(path, fmt::format("{} is not what the cache says of it", field.name));
            }
        }
    } catch (const Error& error) {
        const std::string what = error.what();
        if (error.code() != ExitCode::bad_data || what.find("remove this file") != what.npos) {
            throw;
        }
        fail(ExitCode::bad_data,
             "{}; remove this file, its windows are computed again when they are needed", what);
    }
    const auto part = static_cast<std::int32_t>(parts_.size());
    for (std::size_t row = 0; row < windows.size(); ++row) {
        if (windows[row] < 0 || windows[row] >= layout().windows) {
            refuse(path,
                   fmt::format("window {} is not in [0, {})", windows[row], layout().windows));
        }
        Place& at = index_[static_cast<std::size_t>(windows[row])];
        if (at.part < 0) {  // a second copy, of another rank, is not needed
            ++present_;
            at = {part, static_cast<std::int32_t>(row)};
        }
    }
    known_.insert(name);
    parts_.push_back(path);
    files_.emplace_back();
    plain_.emplace_back();
}

const h5::File& FileCache::open_part(std::int32_t part) {
    auto& file = files_[static_cast<std::size_t>(part)];
    if (!file) {
        if (open_.size() == most_open) {
            files_[static_cast<std::size_t>(open_.front())].reset();
            open_.erase(open_.begin());
        }
        file = h5::File::open(parts_[static_cast<std::size_t>(part)]);
        open_.push_back(part);
    }
    return *file;
}

void FileCache::read(std::int64_t window, std::size_t field, std::span<std::byte> out) {
    const Place at = place(window);
    const CacheField& f = layout().fields[field];
    const std::size_t which = static_cast<std::size_t>(window) * layout().fields.size() + field;
    if (checked_[which] && read_plainly(at, field, out)) {
        return;
    }
    checked_[which] = true;
    with_type(f.stored, [&](auto type) {
        open_part(at.part).read_rows(f.name, static_cast<std::uint64_t>(at.row), 1,
                                     values_of<decltype(type)>(out));
    });
}

/// False where the values do not lie in the file as they are.
bool FileCache::read_plainly(const Place& at, std::size_t field, std::span<std::byte> out) {
    Plain& part = plain_[static_cast<std::size_t>(at.part)];
    const std::string& path = parts_[static_cast<std::size_t>(at.part)];
    if (part.places.empty()) {
        for (const CacheField& f : layout().fields) {
            part.places.push_back(h5::row_places(path, f.name));
        }
    }
    if (part.file < 0) {
        if (plain_open_.size() == most_open) {
            Plain& oldest = plain_[static_cast<std::size_t>(plain_open_.front())];
            ::close(std::exchange(oldest.file, -1));
            plain_open_.erase(plain_open_.begin());
        }
        part.file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (part.file >= 0) {
            plain_open_.push_back(at.part);
        }
    }
    const std::vector<std::uint64_t>& places = part.places[field];
    if (part.file < 0 || places.empty()) {
        return false;
    }
    const auto size = static_cast<ssize_t>(out.size());
    return ::pread(part.file, out.data(), out.size(),
                   static_cast<off_t>(places[static_cast<std::size_t>(at.row)])) == size;
}

void FileCache::begin_part() {
    temporary_ = fmt::format("{}/.tmp-part-{:04}-{}.h5", directory_, writer_, ::getpid());
    part_ = h5::File::create(temporary_);
    part_->set_attribute("/", "format_version", version);
    part_->set_attribute("/", "digest", digest_);
    part_->create_column(windows_name, h5::Type::i64);
    for (const CacheField& field : layout().fields) {
        const h5::Shape row = {static_cast<std::uint64_t>(layout().T),
                               static_cast<std::uint64_t>(field.width)};
        part_->create_column(field.name, file_type(field.stored), row, 1);  // a chunk is a window
    }
}

bool FileCache::claim(std::int64_t window) {
    // Between batches alone: inside one, fields are written of windows that are committed later.
    if (claimed_ == 0 && pending_ * layout().window_bytes() >= most_bytes_) {
        publish();
    }
    Place& at = index_[static_cast<std::size_t>(window)];
    if (at.part != nowhere) {
        return false;
    }
    at.part = on_its_way;
    ++claimed_;
    return true;
}

void FileCache::write(std::int64_t, std::size_t field, std::span<const std::byte> values) {
    if (!part_) {
        begin_part();
    }
    const CacheField& f = layout().fields[field];
    with_type(f.stored,
              [&](auto type) { part_->append(f.name, values_of<decltype(type)>(values)); });
}

void FileCache::commit(std::int64_t window) {
    part_->append(windows_name, std::span<const std::int64_t>(&window, 1));
    ++pending_;
    --claimed_;
}

void FileCache::publish() {
    if (pending_ == 0) {
        return;
    }
    part_->close();
    part_.reset();
    std::string name;
    do {
        name = fmt::format("part-{:04}-{:05}.h5", writer_, next_++);
    } while (fs::exists(directory_ + "/" + name));
    publish_file(directory_ + "/" + name,
                 [&](const std::string& path) { fs::rename(temporary_, path); });
    pending_ = 0;
    add_part(name);
}

void FileCache::share(Communicator& world) {
    publish();
    world.barrier();
    refresh();
}

void FileCache::heartbeat() {
    if (lock_ != nullptr) {
        lock_->heartbeat();
    }
}

}  // namespace lrd
