// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include "kernels/cpu/cpu_backend.hpp"

namespace lrd::test {

/// A backend that refuses to give memory once told so.
class SealedBackend : public CpuBackend {
public:
    void* allocate(std::size_t bytes) override {
        EXPECT_FALSE(sealed) << bytes << " bytes inside a step";
        return CpuBackend::allocate(bytes);
    }
    bool sealed = false;
};

}  // namespace lrd::test
