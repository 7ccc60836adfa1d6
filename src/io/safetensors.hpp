// SPDX-License-Identifier: MIT
// safetensors: an 8-byte length, a JSON header of names, dtypes, shapes and places, then the bytes
// of all tensors one after the other. What a header says is checked before it is believed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.hpp"

namespace lrd::safetensors {

struct Tensor {
    std::string name, dtype;           // dtype as the format spells it: "F32", "BF16", …
    std::vector<std::uint64_t> shape;  // empty: a scalar
    std::uint64_t begin = 0, end = 0;  // bytes of the file

    std::uint64_t size() const;      ///< elements
    std::string shape_text() const;  ///< "[768, 2304]"
};

class File {
public:
    /// Reads the header. Errors: missing_input; bad_data for anything in it that cannot be: places
    /// that overlap, leave holes or do not end with the file, sizes at odds with shape and dtype,
    /// unknown dtypes, keys given twice.
    static File open(const std::string& path);
    File(File&& other) noexcept;
    File& operator=(File&& other) noexcept;
    ~File();

    const std::string& path() const { return path_; }
    const std::vector<Tensor>& tensors() const { return tensors_; }  ///< in the file's order
    const Tensor* find(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

    /// Gives all values of a F32, F16 or BF16 tensor block by block, with the index of the first.
    /// Error(bad_data) for another dtype or a value that is not finite, naming the tensor.
    using TakeBlock = std::function<void(std::uint64_t first, std::span<const float> values)>;
    void read(const Tensor& tensor, const TakeBlock& take) const;

private:
    File() = default;
    void read_bytes(void* to, std::uint64_t offset, std::uint64_t bytes) const;
    void read_header();
    void read_metadata(const Json& entry);

    int fd_ = -1;
    std::string path_;
    std::vector<Tensor> tensors_;
    std::vector<std::pair<std::string, std::string>> metadata_;
};

/// A tensor to write; `values` is called once, when it is the tensor's turn.
struct Source {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::function<std::vector<float>()> values;
};

/// Writes F32 tensors in the order of their names: the same tensors give the same bytes. To fsync
/// and to publish is left to the caller. Error(io).
void write(const std::string& path, std::vector<Source> sources,
           const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace lrd::safetensors
