// SPDX-License-Identifier: MIT
#include "train/state_file.hpp"

#include <cstddef>
#include <filesystem>

#include "core/check.hpp"
#include "io/digest.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"

namespace lrd {
namespace {

constexpr std::int64_t format_version = 1;
constexpr const char* hash_key = "xxh3_128";

h5::Shape shape_of(const View& view) {
    h5::Shape shape;
    for (int i = 0; i < view.dims(); ++i) {
        shape.push_back(static_cast<std::uint64_t>(view.dim(i)));
    }
    return shape;
}

/// Calls `use(T{})` with the type that stores `dtype`; HDF5 has no bfloat16, so its bits are kept.
template <class Use>
void with_stored_type(DType dtype, Use&& use) {
    switch (dtype) {
        case DType::f32: use(float{}); break;
        case DType::i32: use(std::int32_t{}); break;
        case DType::i8: use(std::int8_t{}); break;
        case DType::bf16:
        case DType::u16: use(std::uint16_t{}); break;
    }
}

template <class T>
std::span<const T> as(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}
template <class T>
std::span<T> as(std::vector<std::byte>& bytes) {
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

std::string hash_of(const std::vector<std::byte>& bytes) {
    return xxh3_128(bytes.data(), bytes.size());
}

std::vector<std::byte> read_tensor(const h5::File& file, const NamedTensor& tensor) {
    std::vector<std::byte> bytes(tensor.view.bytes());
    with_stored_type(tensor.view.dtype(), [&](auto zero) {
        using T = decltype(zero);
        file.read_into<T>(tensor.path, as<T>(bytes), shape_of(tensor.view));
    });
    return bytes;
}

void write_tensor(h5::File& file, const NamedTensor& tensor, const std::vector<std::byte>& bytes,
                  const std::string& hash) {
    with_stored_type(tensor.view.dtype(), [&](auto zero) {
        using T = decltype(zero);
        file.write<T>(tensor.path, as<T>(bytes), shape_of(tensor.view));
    });
    file.set_attribute(tensor.path, "dtype", name_of(tensor.view.dtype()));
    file.set_attribute(tensor.path, hash_key, hash);
}

void write_attributes(h5::File& file, const Json& state, const Provenance& provenance) {
    file.set_attribute("/", "format_version", format_version);
    file.set_attribute("/", "world_size", provenance.world_size);
    file.set_attribute("/", "code_version", provenance.code_version);
    file.set_attribute("/", "config_sha256", provenance.config_sha256);
    file.set_attribute("/", "config_toml", provenance.config_toml);
    file.set_attribute("/", "state", state.dump());
}

/// Steps 1 and 2 of a save: the file is written and closed. Hashes are of what is in memory.
TensorHashes write_tensors(Backend& backend, const std::string& path,
                           std::span<const NamedTensor> tensors, const Json& state,
                           const Provenance& provenance) {
    h5::File file = h5::File::create(path);
    write_attributes(file, state, provenance);
    TensorHashes hashes;
    for (const NamedTensor& tensor : tensors) {
        LRD_CHECK(tensor.view.dense(), "{} is not dense", tensor.path);
        std::vector<std::byte> bytes(tensor.view.bytes());
        backend.download(bytes.data(), tensor.view);
        backend.synchronize();
        const std::string hash = hash_of(bytes);
        write_tensor(file, tensor, bytes, hash);
        hashes[tensor.path] = hash;
    }
    LRD_CHECK(hashes.size() == tensors.size(), "two tensors of one name in {}", path);
    file.close();
    return hashes;
}

/// Step 4: opened afresh, each tensor has the hash that it had in memory.
void read_back(const std::string& path, std::span<const NamedTensor> tensors,
               const TensorHashes& hashes) {
    const h5::File file = h5::File::open(path);
    for (const NamedTensor& tensor : tensors) {
        if (hash_of(read_tensor(file, tensor)) != hashes.at(tensor.path)) {
            fail(ExitCode::io,
                 "{}: {} reads back differently from what was written ({} bytes are free there); "
                 "the disk or its driver loses data",
                 path, tensor.path, free_bytes(path));
        }
    }
}

std::uint64_t bytes_of(std::span<const NamedTensor> tensors) {
    std::uint64_t bytes = 1 << 20;  // groups, attributes, chunk tables
    for (const NamedTensor& tensor : tensors) {
        bytes += tensor.view.bytes() + 1024;
    }
    return bytes;
}

}  // namespace

TensorHashes write_state_file(Backend& backend, const std::string& file,
                              std::span<const NamedTensor> tensors, const Json& state,
                              const Provenance& provenance) {
    require_free_bytes(file, bytes_of(tensors));
    TensorHashes hashes = write_tensors(backend, file, tensors, state, provenance);
    fsync_path(file);
    try {
        read_back(file, tensors, hashes);
    } catch (const Error& error) {  // whatever it is: the writing went wrong, not the reader's data
        throw Error(ExitCode::io, error.what());
    }
    return hashes;
}

void read_state_file(Backend& backend, const std::string& path,
                     std::span<const NamedTensor> tensors) {
    const h5::File file = h5::File::open(path);
    const std::int64_t version = file.attribute_int("/", "format_version");
    if (version > format_version) {
        fail(ExitCode::bad_data,
             "{}: format_version {} is newer than {}, the newest this program reads; use the "
             "program that wrote it ({})",
             path, version, format_version, file.attribute_text("/", "code_version"));
    }
    for (const NamedTensor& tensor : tensors) {
        const h5::Info info = file.info(tensor.path);
        const std::string dtype = file.attribute_text(tensor.path, "dtype");
        if (info.shape != shape_of(tensor.view) || dtype != name_of(tensor.view.dtype())) {
            fail(ExitCode::bad_data, "{}: {} is {} of {} values, the run needs {}", path,
                 tensor.path, dtype, info.size(), tensor.view.describe());
        }
    }
    for (const NamedTensor& tensor : tensors) {
        const std::vector<std::byte> bytes = read_tensor(file, tensor);
        if (hash_of(bytes) != file.attribute_text(tensor.path, hash_key)) {
            fail(ExitCode::bad_data, "{}: {} does not have the hash that lies beside it", path,
                 tensor.path);
        }
        backend.upload(tensor.view, bytes.data());
    }
    backend.synchronize();
}

void publish_model_file(Backend& backend, const std::string& file,
                        std::span<const NamedTensor> tensors, const Json& state,
                        const Provenance& provenance) {
    make_directories(std::filesystem::path(file).parent_path().string());
    publish_file(file, [&](const std::string& temporary) {
        write_state_file(backend, temporary, tensors, state, provenance);
    });
}

}  // namespace lrd
