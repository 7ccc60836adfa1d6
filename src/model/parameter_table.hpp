// SPDX-License-Identifier: MIT
// ParameterTable: each tensor of a model once, with name and shape; sizes, places in the flat
// arena, HDF5 names, the weight-decay mask and the tests derive from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/view.hpp"

namespace lrd {

struct Parameter {
    std::string name;
    std::int64_t rows = 1, cols = 0;  // a vector has rows = 1 and `vector` set
    bool vector = false;
    std::int64_t offset = 0;  // in the flat arena, set by the table

    std::int64_t size() const { return rows * cols; }
    bool decays() const { return !vector; }  // weight decay: matrices only
    bool same_shape(const Parameter& o) const { return rows == o.rows && cols == o.cols; }
};
Parameter matrix(std::string name, std::int64_t rows, std::int64_t cols);
Parameter vector(std::string name, std::int64_t size);

class ParameterTable {
public:
    ParameterTable() = default;
    /// Places matrices before vectors, each tensor on a 64-byte border.
    explicit ParameterTable(std::vector<Parameter> parameters);

    const std::vector<Parameter>& all() const { return parameters_; }
    const Parameter& find(std::string_view name) const;
    bool has(std::string_view name) const;
    std::int64_t count() const;                            ///< parameters, without padding
    std::int64_t flat_size() const { return flat_; }       ///< elements of the flat arena
    std::int64_t decay_end() const { return decay_end_; }  ///< [0, decay_end) decays, the rest not
    bool operator==(const ParameterTable& other) const;

private:
    std::vector<Parameter> parameters_;
    std::int64_t flat_ = 0, decay_end_ = 0;
};

/// A table with the memory that holds its tensors.
struct Tensors {
    const ParameterTable* table = nullptr;
    View flat;  // (flat_size)

    View operator()(std::string_view name) const { return view(table->find(name)); }
    View view(const Parameter& parameter) const;  ///< (rows, cols), or (cols) of a vector
};

}  // namespace lrd
