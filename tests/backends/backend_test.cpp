// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

#include <cstring>
#include <limits>
#include <random>

namespace lrd::test {

const std::vector<BackendCase>& backend_cases() {
    static const std::vector<BackendCase> cases{
        {"cpu_fp32", [] { return make_backend("cpu"); }, Precision::fp32},
        {"cpu_bf16", [] { return make_backend("cpu", "bf16"); }, Precision::bf16},
    };
    return cases;
}

namespace {

double representable(double x, DType dtype) {
    return dtype == DType::bf16 ? reference::round_to_bf16(x)
                                : static_cast<double>(static_cast<float>(x));
}

/// Bytes of `x` in `dtype`; a bf16 is the upper half of its fp32.
std::vector<unsigned char> encode(const Vector& x, DType dtype) {
    std::vector<unsigned char> bytes(x.size() * size_of(dtype));
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto value = static_cast<float>(representable(x[i], dtype));
        unsigned char raw[4];
        std::memcpy(raw, &value, 4);
        const std::size_t size = size_of(dtype);
        std::memcpy(&bytes[i * size], raw + (4 - size), size);
    }
    return bytes;
}

Vector decode(const std::vector<unsigned char>& bytes, DType dtype) {
    const std::size_t size = size_of(dtype);
    Vector x(bytes.size() / size);
    for (std::size_t i = 0; i < x.size(); ++i) {
        unsigned char raw[4] = {};
        std::memcpy(raw + (4 - size), &bytes[i * size], size);
        float value = 0.0F;
        std::memcpy(&value, raw, 4);
        x[i] = static_cast<double>(value);
    }
    return x;
}

std::int64_t extent(std::size_t n) { return static_cast<std::int64_t>(n); }

}  // namespace

Vector BackendTest::random_vector(std::size_t n, double scale, double mean) {
    std::mt19937_64 generator(++seed_);
    std::normal_distribution<double> normal(mean, scale);
    Vector out(n);
    for (double& value : out) {
        value = representable(normal(generator), stored());
    }
    return out;
}

Matrix BackendTest::random(std::size_t rows, std::size_t cols, double scale, double mean) {
    Matrix out(rows, cols);
    out.data = random_vector(rows * cols, scale, mean);
    return out;
}

Ids BackendTest::random_ids(std::size_t n, std::size_t V) {
    std::mt19937_64 generator(++seed_);
    Ids out(n);
    for (std::int32_t& id : out) {
        id = static_cast<std::int32_t>(generator() % V);
    }
    return out;
}

Matrix BackendTest::with_outliers(Matrix x) const {
    for (std::size_t i = 0; i < x.rows; ++i) {
        for (const std::size_t channel : {std::size_t{0}, x.cols / 2, x.cols - 1}) {
            x(i, channel) = representable(100.0 * x(i, channel), stored());
        }
    }
    return x;
}

Matrix BackendTest::rounded(Matrix x) const {
    for (double& value : x.data) {
        value = representable(value, stored());
    }
    return x;
}

View BackendTest::put(const Matrix& x, DType dtype) {
    const View view = arena_.region("input", dtype, {extent(x.rows), extent(x.cols)});
    const std::vector<unsigned char> bytes = encode(x.data, dtype);
    backend().upload(view, bytes.data());
    return view;
}

View BackendTest::put(const Vector& x) {
    const View view = arena_.region("input", DType::f32, {extent(x.size())});
    const std::vector<unsigned char> bytes = encode(x, DType::f32);
    backend().upload(view, bytes.data());
    return view;
}

View BackendTest::put(const Ids& x) {
    const View view = arena_.region("ids", DType::i32, {extent(x.size())});
    backend().upload(view, x.data());
    return view;
}

View BackendTest::out(std::size_t rows, std::size_t cols, DType dtype) {
    return put(Matrix(rows, cols, std::numeric_limits<double>::quiet_NaN()), dtype);
}

View BackendTest::out(std::size_t n) {
    return put(Vector(n, std::numeric_limits<double>::quiet_NaN()));
}

std::vector<unsigned char> BackendTest::get_bytes(const View& x) {
    std::vector<unsigned char> bytes(x.bytes());
    backend().download(bytes.data(), x);
    backend().synchronize();
    return bytes;
}

Vector BackendTest::get_vector(const View& x) { return decode(get_bytes(x), x.dtype()); }

Matrix BackendTest::get(const View& x) {
    Matrix out(static_cast<std::size_t>(x.rows()), static_cast<std::size_t>(x.cols()));
    out.data = get_vector(x);
    return out;
}

Ids BackendTest::get_ids(const View& x) {
    Ids out(static_cast<std::size_t>(x.size()));
    backend().download(out.data(), x);
    backend().synchronize();
    return out;
}

void BackendTest::expect_close(const std::string& what, Op op, const Vector& got,
                               const Vector& want, const Vector& magnitude, double K) const {
    ASSERT_EQ(got.size(), want.size()) << what;
    ASSERT_EQ(magnitude.size(), want.size()) << what;
    std::size_t failures = 0, worst = 0;
    double worst_excess = -1.0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        const double allowed = bound(op, GetParam().precision, K, magnitude[i], want[i]);
        const double error = std::fabs(got[i] - want[i]);
        const bool bad = !(error <= allowed);  // NaN is bad
        failures += bad ? 1 : 0;
        const double excess = std::isnan(error) ? INFINITY : error - allowed;
        if (bad && excess > worst_excess) {
            worst_excess = excess;
            worst = i;
        }
    }
    if (failures != 0) {
        ADD_FAILURE() << what << ": " << failures << " of " << want.size()
                      << " elements off; worst, element " << worst << ": " << got[worst]
                      << ", reference " << want[worst] << ", allowed difference "
                      << bound(op, GetParam().precision, K, magnitude[worst], want[worst]);
    }
}

Vector plus(Vector a, const Vector& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] += b[i];
    }
    return a;
}

Vector scaled(Vector a, double factor) {
    for (double& value : a) {
        value *= factor;
    }
    return a;
}

}  // namespace lrd::test
