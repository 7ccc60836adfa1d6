// SPDX-License-Identifier: MIT
// Datasets: writing, reading, columns that grow, dimension scales.
#include <algorithm>
#include <array>
#include <numeric>

#include "io/hdf5_detail.hpp"

namespace lrd::h5 {
namespace {

constexpr std::uint64_t default_chunk_bytes = 64 << 10;

/// Whole rows of at most 64 KiB together; where one row is longer, parts of it.
Shape default_chunk(const Shape& shape, std::uint64_t unit) {
    Shape chunk = shape;
    std::uint64_t rest = std::accumulate(shape.begin(), shape.end(), unit, std::multiplies<>());
    for (std::size_t d = 0; d < shape.size() && rest > default_chunk_bytes; ++d) {
        rest /= shape[d];
        const std::uint64_t most =
            std::clamp<std::uint64_t>(default_chunk_bytes / rest, 1, shape[d]);
        // Even pieces: the last one is stored whole, however little of it is used.
        const std::uint64_t pieces = (shape[d] + most - 1) / most;
        chunk[d] = (shape[d] + pieces - 1) / pieces;
        rest *= chunk[d];
    }
    return chunk;
}

Handle simple_space(const Shape& shape, bool unlimited) {
    if (shape.empty()) {
        return {H5Screate(H5S_SCALAR), H5Sclose};
    }
    const std::vector<hsize_t> now(shape.begin(), shape.end());
    std::vector<hsize_t> most = now;
    if (unlimited) {
        most[0] = H5S_UNLIMITED;
    }
    return {H5Screate_simple(static_cast<int>(now.size()), now.data(), most.data()), H5Sclose};
}

Handle storage_properties(const File::State& state, const std::string& name, const Shape& shape,
                          std::uint64_t unit, const Storage& storage) {
    Handle properties = state.take(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "describe", name);
    state.check(H5Pset_obj_track_times(properties.id(), false), "describe", name);
    const bool empty = shape.empty() || std::find(shape.begin(), shape.end(), 0) != shape.end();
    const bool wants_chunks = storage.fletcher32 || storage.shuffle || storage.deflate > 0;
    if (storage.chunk.empty() && (empty || !wants_chunks)) {
        return properties;
    }
    const Shape chosen = storage.chunk.empty() ? default_chunk(shape, unit) : storage.chunk;
    const std::vector<hsize_t> chunk(chosen.begin(), chosen.end());
    state.check(H5Pset_chunk(properties.id(), static_cast<int>(chunk.size()), chunk.data()),
                "set the chunk size of", name);
    if (storage.shuffle) {
        state.check(H5Pset_shuffle(properties.id()), "set the filter of", name);
    }
    if (storage.deflate > 0) {
        state.check(H5Pset_deflate(properties.id(), static_cast<unsigned>(storage.deflate)),
                    "set the filter of", name);
    }
    if (storage.fletcher32) {
        state.check(H5Pset_fletcher32(properties.id()), "set the filter of", name);
    }
    return properties;
}

Handle create_dataset(const File::State& state, const std::string& name, hid_t type,
                      const Shape& shape, bool unlimited, const Handle& properties) {
    state.make_parents(name);
    const Handle space = simple_space(shape, unlimited);
    return state.take(H5Dcreate2(state.id(), name.c_str(), type, space.id(), H5P_DEFAULT,
                                 properties.id(), H5P_DEFAULT),
                      H5Dclose, "create", name);
}

/// The space of `dataset` with rows [begin, begin + count) selected.
Handle select_rows(const File::State& state, const Handle& dataset, const std::string& name,
                   const Shape& shape, std::uint64_t begin, std::uint64_t count) {
    Handle space = state.take(H5Dget_space(dataset.id()), H5Sclose, "read the shape of", name);
    std::vector<hsize_t> start(shape.size(), 0), extent(shape.begin(), shape.end());
    start[0] = begin;
    extent[0] = count;
    if (count == 0) {
        state.check(H5Sselect_none(space.id()), "select rows of", name);
    } else {
        state.check(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr,
                                        extent.data(), nullptr),
                    "select rows of", name);
    }
    return space;
}

/// Rows in memory, shaped as in the file: else the library walks over them element by element.
Handle rows_in_memory(Shape shape, std::uint64_t count) {
    shape[0] = count;
    return simple_space(shape, false);
}

std::uint64_t row_size(const Shape& shape) {
    return std::accumulate(shape.begin() + 1, shape.end(), std::uint64_t{1}, std::multiplies<>());
}

}  // namespace

void File::write_raw(const std::string& name, Type type, const void* values, std::uint64_t count,
                     const Shape& shape, const Storage& storage) {
    const Session session;
    LRD_CHECK(
        count == std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>()),
        "{}: {} values for shape {}", name, count, name_of(shape));
    const Handle properties = storage_properties(*state_, name, shape, size_of(type), storage);
    Handle dataset = create_dataset(*state_, name, file_type(type), shape, false, properties);
    if (count > 0) {
        state_->check(
            H5Dwrite(dataset.id(), memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, values),
            "write", name);
    }
    state_->close(dataset, "write", name);
}

void File::write_texts(const std::string& name, const std::vector<std::string>& texts) {
    const Session session;
    std::size_t width = 1;
    for (const std::string& text : texts) {
        width = std::max(width, text.size());
    }
    std::string block(width * texts.size(), '\0');
    for (std::size_t i = 0; i < texts.size(); ++i) {
        texts[i].copy(block.data() + i * width, texts[i].size());
    }
    const Shape shape = {texts.size()};
    const Handle properties = storage_properties(*state_, name, shape, width, {});
    const Handle type = text_type(width);
    Handle dataset = create_dataset(*state_, name, type.id(), shape, false, properties);
    if (!texts.empty()) {
        state_->check(
            H5Dwrite(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, block.data()), "write",
            name);
    }
    state_->close(dataset, "write", name);
}

std::vector<std::string> File::read_texts(const std::string& name) const {
    const Session session;
    const Handle dataset = state_->open_dataset(name);
    const Info shape = checked_info(*state_, dataset, name);
    if (shape.type != Type::text || shape.shape.size() != 1) {
        state_->reject(name, "is not a list of fixed-length texts");
    }
    const Handle stored = state_->take(H5Dget_type(dataset.id()), H5Tclose, "read", name);
    const std::size_t width = H5Tget_size(stored.id());
    const Handle type = text_type(width);
    std::string block(width * shape.size(), '\0');
    if (!block.empty()) {
        state_->check(H5Dread(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, block.data()),
                      "read", name);
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const std::string text = block.substr(i * width, width);
        texts.push_back(text.substr(0, text.find('\0')));
    }
    return texts;
}

void File::create_column(const std::string& name, Type type, const Shape& row,
                         std::uint64_t chunk_rows) {
    const Session session;
    Shape shape = row;
    shape.insert(shape.begin(), 0);
    Storage storage;
    storage.chunk = shape;
    storage.chunk[0] = chunk_rows;
    const Handle properties = storage_properties(*state_, name, shape, size_of(type), storage);
    Handle dataset = create_dataset(*state_, name, file_type(type), shape, true, properties);
    state_->close(dataset, "write", name);
}

void File::append_raw(const std::string& name, Type type, const void* values, std::uint64_t count) {
    const Session session;
    Handle dataset = state_->open_dataset(name);
    const Info now = checked_info(*state_, dataset, name);
    LRD_CHECK(now.unlimited && now.type == type, "{} is no column of {}", name, name_of(type));
    const std::uint64_t row = row_size(now.shape);
    LRD_CHECK(row > 0 && count % row == 0, "{}: {} values for rows of {}", name, count, row);
    std::vector<hsize_t> grown(now.shape.begin(), now.shape.end());
    grown[0] += count / row;
    if (count > 0) {
        state_->check(H5Dset_extent(dataset.id(), grown.data()), "extend", name);
        const Handle space =
            select_rows(*state_, dataset, name, now.shape, now.shape[0], count / row);
        const Handle memory = rows_in_memory(now.shape, count / row);
        state_->check(
            H5Dwrite(dataset.id(), memory_type(type), memory.id(), space.id(), H5P_DEFAULT, values),
            "append to", name);
    }
    state_->close(dataset, "append to", name);
}

void File::resize(const std::string& name, std::uint64_t rows) {
    const Session session;
    Handle dataset = state_->open_dataset(name);
    const Info now = checked_info(*state_, dataset, name);
    LRD_CHECK(now.unlimited, "{} is no column", name);
    std::vector<hsize_t> extent(now.shape.begin(), now.shape.end());
    extent[0] = rows;
    state_->check(H5Dset_extent(dataset.id(), extent.data()), "resize", name);
    state_->close(dataset, "resize", name);
}

Info File::info(const std::string& dataset) const {
    const Session session;
    return checked_info(*state_, state_->open_dataset(dataset), dataset);
}

std::uint64_t File::checked_size(const std::string& name, Type type, const Shape* expected) const {
    const Info found = info(name);
    if (!fits(found.type, type)) {
        state_->reject(name, "holds {}, not {}", name_of(found.type), name_of(type));
    }
    if (expected != nullptr && found.shape != *expected) {
        state_->reject(name, "has shape {}, not {}", name_of(found.shape), name_of(*expected));
    }
    return found.size();
}

std::uint64_t File::checked_rows(const std::string& name, Type type, std::uint64_t begin,
                                 std::uint64_t count) const {
    checked_size(name, type, nullptr);
    const Info found = info(name);
    if (found.shape.empty() || begin > found.shape[0] || count > found.shape[0] - begin) {
        state_->reject(name, "has shape {}; rows {} to {} are not there", name_of(found.shape),
                       begin, begin + count);
    }
    return count * row_size(found.shape);
}

void File::check_count(const std::string& name, std::uint64_t stored, std::uint64_t room) const {
    LRD_CHECK(stored == room, "{} of {}: {} values, room for {}", name, path(), stored, room);
}

void File::read_raw(const std::string& name, Type type, void* values, std::uint64_t begin,
                    std::uint64_t count) const {
    const Session session;
    const Handle dataset = state_->open_dataset(name);
    const Info found = checked_info(*state_, dataset, name);
    if (found.size() == 0 || count == 0) {
        return;
    }
    if (count == ~std::uint64_t{0}) {
        state_->check(
            H5Dread(dataset.id(), memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "read",
            name);
        return;
    }
    const Handle space = select_rows(*state_, dataset, name, found.shape, begin, count);
    const Handle memory = rows_in_memory(found.shape, count);
    state_->check(
        H5Dread(dataset.id(), memory_type(type), memory.id(), space.id(), H5P_DEFAULT, values),
        "read", name);
}

void File::make_scale(const std::string& dataset, const std::string& label) {
    const Session session;
    Handle object = state_->open_dataset(dataset);
    state_->check(H5DSset_scale(object.id(), label.c_str()), "make a scale of", dataset);
    state_->close(object, "make a scale of", dataset);
}

void File::attach_scale(const std::string& dataset, unsigned axis, const std::string& scale) {
    const Session session;
    Handle object = state_->open_dataset(dataset);
    Handle coordinate = state_->open_dataset(scale);
    state_->check(H5DSattach_scale(object.id(), coordinate.id(), axis), "attach a scale to",
                  dataset);
    state_->close(coordinate, "attach a scale to", dataset);
    state_->close(object, "attach a scale to", dataset);
}

}  // namespace lrd::h5
