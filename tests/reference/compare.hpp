// SPDX-License-Identifier: MIT
// How far two results may be apart.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "reference/reference_student.hpp"

namespace lrd::test {

/// |a − b| ≤ tolerance·max(floor, largest |b|), element by element; reports the worst one.
inline void expect_close(const std::string& what, const reference::Matrix& a,
                         const reference::Matrix& b, double tolerance, double floor = 0.0) {
    ASSERT_EQ(a.rows, b.rows) << what;
    ASSERT_EQ(a.cols, b.cols) << what;
    double largest = floor, worst = 0.0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < b.data.size(); ++i) {
        largest = std::max(largest, std::fabs(b.data[i]));
        const double difference = std::fabs(a.data[i] - b.data[i]);
        if (!(difference <= worst)) {  // also true of NaN
            worst = difference;
            at = i;
        }
    }
    EXPECT_LE(worst, tolerance * largest) << what << " (" << at / b.cols << ", " << at % b.cols
                                          << "): " << a.data[at] << " for " << b.data[at];
}

inline void expect_close(const std::string& what, const reference::Model& a,
                         const reference::Model& b, double tolerance, double floor = 0.0) {
    ASSERT_EQ(a.size(), b.size()) << what;
    for (const auto& [name, value] : b) {
        ASSERT_EQ(a.count(name), 1U) << what << " lacks " << name;
        expect_close(what + " " + name, a.at(name), value, tolerance, floor);
    }
}

/// |a − b| ≤ tolerance·max(1, |b|).
inline void expect_close(const std::string& what, double a, double b, double tolerance) {
    EXPECT_NEAR(a, b, tolerance * std::max(1.0, std::fabs(b))) << what;
}

}  // namespace lrd::test
