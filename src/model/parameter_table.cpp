// SPDX-License-Identifier: MIT
#include "model/parameter_table.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"

namespace lrd {
namespace {
constexpr std::int64_t border = 16;  // floats of 64 bytes
std::int64_t padded(std::int64_t size) { return (size + border - 1) / border * border; }
}  // namespace

Parameter matrix(std::string name, std::int64_t rows, std::int64_t cols) {
    return {std::move(name), rows, cols, false, 0};
}

Parameter vector(std::string name, std::int64_t size) {
    return {std::move(name), 1, size, true, 0};
}

ParameterTable::ParameterTable(std::vector<Parameter> parameters)
    : parameters_(std::move(parameters)) {
    for (const bool vectors : {false, true}) {
        for (Parameter& p : parameters_) {
            if (p.vector == vectors) {
                p.offset = flat_;
                flat_ += padded(p.size());
            }
        }
        if (!vectors) {
            decay_end_ = flat_;
        }
    }
}

const Parameter& ParameterTable::find(std::string_view name) const {
    const auto at = std::find_if(parameters_.begin(), parameters_.end(),
                                 [&](const Parameter& p) { return p.name == name; });
    LRD_CHECK(at != parameters_.end(), "no parameter {}", name);
    return *at;
}

bool ParameterTable::has(std::string_view name) const {
    return std::any_of(parameters_.begin(), parameters_.end(),
                       [&](const Parameter& p) { return p.name == name; });
}

std::int64_t ParameterTable::count() const {
    std::int64_t sum = 0;
    for (const Parameter& p : parameters_) {
        sum += p.size();
    }
    return sum;
}

bool ParameterTable::operator==(const ParameterTable& other) const {
    return std::equal(parameters_.begin(), parameters_.end(), other.parameters_.begin(),
                      other.parameters_.end(), [](const Parameter& a, const Parameter& b) {
                          return a.name == b.name && a.same_shape(b) && a.vector == b.vector;
                      });
}

View Tensors::view(const Parameter& p) const {
    return p.vector ? flat.at(p.offset, {p.cols}) : flat.at(p.offset, {p.rows, p.cols});
}

}  // namespace lrd
