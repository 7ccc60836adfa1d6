// SPDX-License-Identifier: MIT
// What every op test needs: the list of backends, exact transport of reference values to the device
// and back, seeded data, comparison by the table of tolerances.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "backends/tolerance.hpp"
#include "core/arena.hpp"
#include "kernels/backend.hpp"
#include "reference/ops.hpp"

namespace lrd::test {

using reference::Ids;
using reference::Matrix;
using reference::Vector;

struct BackendCase {
    std::string name;
    std::unique_ptr<Backend> (*make)();
    Precision precision;
};
/// How GoogleTest prints the parameter of a failed test.
inline void PrintTo(const BackendCase& one, std::ostream* out) { *out << one.name; }
/// Every device and precision under test: one line each (backend_test.cpp).
const std::vector<BackendCase>& backend_cases();

class BackendTest : public ::testing::TestWithParam<BackendCase> {
protected:
    BackendTest() : backend_(GetParam().make()), arena_(*backend_, "test") {}

    Backend& backend() { return *backend_; }
    /// The type of matrix operands and stored activations.
    DType stored() const {
        return GetParam().precision == Precision::fp32 ? DType::f32 : DType::bf16;
    }

    // ---- seeded data; every value is representable in the stored type, so transport is exact
    Matrix random(std::size_t rows, std::size_t cols, double scale = 1.0, double mean = 0.0);
    Vector random_vector(std::size_t n, double scale = 1.0, double mean = 0.0);
    Ids random_ids(std::size_t n, std::size_t V);
    /// Three channels × 100, as trained GPT-2 has them in its residual stream.
    Matrix with_outliers(Matrix x) const;
    Matrix rounded(Matrix x) const;  ///< to the stored type

    // ---- transport
    View put(const Matrix& x, DType dtype = DType::f32);
    View put(const Vector& x);
    View put(const Ids& x);
    View put_stored(const Matrix& x) { return put(x, stored()); }
    /// Outputs start as NaN: what an op forgets to write shows.
    View out(std::size_t rows, std::size_t cols, DType dtype = DType::f32);
    View out(std::size_t n);
    View out_stored(std::size_t rows, std::size_t cols) { return out(rows, cols, stored()); }
    Matrix get(const View& x);         // of a dense matrix
    Vector get_vector(const View& x);  // of any dense view
    Ids get_ids(const View& x);
    std::vector<unsigned char> get_bytes(const View& x);

    // ---- comparison
    void expect_close(const std::string& what, Op op, const Vector& got, const Vector& want,
                      const Vector& magnitude, double K = 0.0) const;
    void expect_equal(const std::string& what, const Vector& got, const Vector& want) const {
        expect_close(what, Op::exact, got, want, want);
    }

private:
    std::unique_ptr<Backend> backend_;
    Arena arena_;
    unsigned seed_ = 0;
};

/// Σ over all of them, element by element; for magnitudes.
Vector plus(Vector a, const Vector& b);
Vector scaled(Vector a, double factor);
inline std::string case_name(const ::testing::TestParamInfo<BackendCase>& info) {
    return info.param.name;
}

}  // namespace lrd::test

#define LRD_ON_EVERY_BACKEND(Suite)                                                              \
    INSTANTIATE_TEST_SUITE_P(Backends, Suite, ::testing::ValuesIn(::lrd::test::backend_cases()), \
                             ::lrd::test::case_name)
