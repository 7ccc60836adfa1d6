// SPDX-License-Identifier: MIT
// expect_gradient: an analytic gradient against central differences, element by element and along
// random directions, to 1e-6 relative.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>

#include "reference/matrix.hpp"

namespace lrd::test {

using reference::Vector;

/// d/ds f(x + s·direction) at 0, fourth order: (8(f₁ − f₋₁) − (f₂ − f₋₂)) / 12h.
inline double slope(const std::function<double(const Vector&)>& f, const Vector& x,
                    const Vector& direction) {
    constexpr double h = 1e-3;
    const auto at = [&](double s) {
        Vector moved(x);
        for (std::size_t i = 0; i < x.size(); ++i) {
            moved[i] += s * direction[i];
        }
        return f(moved);
    };
    return (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
}

/// A component far below the largest one is held to 1e-9 of the largest: differences know no more.
inline void expect_gradient(const std::string& what, const std::function<double(const Vector&)>& f,
                            const Vector& x, const Vector& gradient) {
    ASSERT_EQ(x.size(), gradient.size()) << what;
    double largest = 0.0;
    for (const double g : gradient) {
        largest = std::max(largest, std::fabs(g));
    }
    ASSERT_GT(largest, 0.0) << what << ": a gradient of zeros proves nothing";
    for (std::size_t i = 0; i < x.size(); ++i) {
        Vector unit(x.size(), 0.0);
        unit[i] = 1.0;
        EXPECT_NEAR(slope(f, x, unit), gradient[i],
                    1e-6 * std::max(std::fabs(gradient[i]), 1e-3 * largest))
            << what << ", element " << i;
    }
    std::mt19937_64 generator(7);
    std::normal_distribution<double> normal;
    for (int trial = 0; trial < 5; ++trial) {
        Vector direction(x.size());
        double expected = 0.0, norm = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            direction[i] = normal(generator);
            norm += direction[i] * direction[i];
        }
        for (std::size_t i = 0; i < x.size(); ++i) {
            direction[i] /= std::sqrt(norm);
            expected += gradient[i] * direction[i];
        }
        EXPECT_NEAR(slope(f, x, direction), expected,
                    1e-6 * std::max(std::fabs(expected), 1e-3 * largest))
            << what << ", direction " << trial;
    }
}

}  // namespace lrd::test
