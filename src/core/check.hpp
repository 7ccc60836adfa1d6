// SPDX-License-Identifier: MIT
// Errors: one type, thrown where they are noticed, caught once in main.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>

#include "core/exit_code.hpp"

namespace lrd {

/// An error with the exit code it leads to. `what()` is one sentence with the place and the remedy.
class Error : public std::runtime_error {
public:
    Error(ExitCode code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
    ExitCode code() const { return code_; }

private:
    ExitCode code_;
};

/// Throws Error(code) with the formatted sentence.
template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> sentence, Args&&... args) {
    throw Error(code, fmt::format(sentence, std::forward<Args>(args)...));
}

[[noreturn]] void fail_check(const char* condition, const char* file, int line,
                             const std::string& detail);

}  // namespace lrd

/// An invariant of the program itself; a failure is a bug (exit code 70).
#define LRD_CHECK(condition, ...)                                                          \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            ::lrd::fail_check(#condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
        }                                                                                  \
    } while (false)
