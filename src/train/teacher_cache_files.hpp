// SPDX-License-Identifier: MIT
// A teacher cache in a folder: cache.json says what it is valid for, part-*.h5 hold windows. A part
// appears whole (publish.hpp) and never changes, so whatever lies there under its name is valid.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "io/hdf5.hpp"
#include "train/run_directory.hpp"
#include "train/teacher_cache.hpp"

namespace lrd {

class FileCache : public TeacherCache {
public:
    static constexpr std::size_t part_bytes = std::size_t{256} << 20;
    /// Finds the parts of `directory`, which carry `digest`. `writer` numbers the ranks of a job. A
    /// new part has `most_bytes` and little more.
    /// Errors: bad_data, naming the part and the remedy.
    FileCache(std::string directory, std::string digest, CacheLayout layout, int writer,
              std::size_t most_bytes = part_bytes);
    ~FileCache() override;

    /// Takes the job's lock of the folder, on one of its ranks, before anything is written.
    void hold(std::unique_ptr<RunDirectory> lock);

    std::int64_t present() const override { return present_; }
    bool has(std::int64_t window) const override { return place(window).part >= 0; }
    void read(std::int64_t window, std::size_t field, std::span<std::byte> out) override;
    bool claim(std::int64_t window) override;
    void write(std::int64_t window, std::size_t field, std::span<const std::byte> values) override;
    void commit(std::int64_t window) override;
    void share(Communicator& world) override;
    void publish();  ///< what was committed becomes a part
    void refresh();  ///< finds the parts of other ranks
    void heartbeat() override;

private:
    static constexpr std::int32_t nowhere = -1, on_its_way = -2;
    struct Place {
        std::int32_t part = nowhere, row = 0;
    };
    const Place& place(std::int64_t window) const {
        return index_[static_cast<std::size_t>(window)];
    }
    void add_part(const std::string& name);
    const h5::File& open_part(std::int32_t part);
    bool read_plainly(const Place& at, std::size_t field, std::span<std::byte> out);
    void begin_part();

    std::string directory_, digest_;
    int writer_;
    std::unique_ptr<RunDirectory> lock_;
    std::vector<Place> index_;  // (windows)
    std::int64_t present_ = 0;
    /// A part by its file's own offsets: a checksum that was right once need not be reckoned again.
    struct Plain {
        int file = -1;
        std::vector<std::vector<std::uint64_t>> places;  // (fields, rows)
    };
    std::vector<Plain> plain_;        // of parts_
    std::vector<bool> checked_;       // (windows, fields): read through the checksum before
    std::vector<std::string> parts_;  // paths
    std::set<std::string> known_;
    std::vector<std::optional<h5::File>> files_;  // of parts_; open while needed
    std::vector<std::int32_t> open_;              // in the order of their opening
    std::vector<std::int32_t> plain_open_;        // the same of plain_

    std::optional<h5::File> part_;  // being written, under a temporary name
    std::string temporary_;
    std::size_t pending_ = 0;  // windows in it
    std::size_t claimed_ = 0;  // windows that are not committed yet
    std::size_t most_bytes_;
    int next_ = 0;  // number of the next part of this writer
};

}  // namespace lrd
