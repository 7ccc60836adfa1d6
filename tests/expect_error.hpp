// SPDX-License-Identifier: MIT
// EXPECT_ERROR(code, "part of the sentence", statement): it throws that Error.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/check.hpp"

#define EXPECT_ERROR(exit_code, part, ...)                                                        \
    do {                                                                                          \
        try {                                                                                     \
            __VA_ARGS__;                                                                          \
            ADD_FAILURE() << "no error from " #__VA_ARGS__;                                       \
        } catch (const ::lrd::Error& error_) {                                                    \
            EXPECT_EQ(static_cast<int>(error_.code()), static_cast<int>(exit_code))               \
                << error_.what();                                                                 \
            EXPECT_NE(std::string(error_.what()).find(part), std::string::npos) << error_.what(); \
        }                                                                                         \
    } while (false)
