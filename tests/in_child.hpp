// SPDX-License-Identifier: MIT
// in_child(f): runs f in a forked process, so that a crash of a library is a result, not the end.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <string>

#include "core/check.hpp"

namespace lrd::test {

struct Outcome {
    int code = -1;     ///< what f returned, or the code of its Error; 70 for another exception
    int signal = 0;    ///< that ended the child, or 0
    std::string text;  ///< of the exception
};

/// `seconds`: after so long the child is ended by SIGALRM.
template <class F>
Outcome in_child(F f, unsigned seconds = 20) {
    std::array<int, 2> ends{};
    LRD_CHECK(pipe(ends.data()) == 0, "no pipe");
    const pid_t child = fork();
    LRD_CHECK(child >= 0, "no fork");
    if (child == 0) {
        alarm(seconds);
        std::string text;
        int code = 70;
        try {
            code = f();
        } catch (const Error& error) {
            code = static_cast<int>(error.code());
            text = error.what();
        } catch (const std::exception& error) {
            text = error.what();
        }
        const ssize_t written = write(ends[1], text.data(), text.size());
        _exit(written < 0 ? 71 : code);
    }
    close(ends[1]);
    Outcome outcome;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
        outcome.text.append(buffer.data(), static_cast<std::size_t>(n));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return outcome;
}

}  // namespace lrd::test
