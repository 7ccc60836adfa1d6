// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace lrd {

/// Cuts text into the pieces of GPT-2's split pattern, within which byte pairs are merged. The
/// pieces cover the text: nothing is left out. One object per thread.
class Pretokenizer {
public:
    Pretokenizer();
    ~Pretokenizer();
    Pretokenizer(const Pretokenizer&) = delete;
    Pretokenizer& operator=(const Pretokenizer&) = delete;

    /// Calls use(piece) for every piece in order. `text` is valid UTF-8 (data/utf8.hpp).
    template <class Use>
    void split(std::string_view text, Use&& use) {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = piece_end(text, at);
            use(text.substr(at, end - at));
            at = end;
        }
    }

private:
    std::size_t piece_end(std::string_view text, std::size_t at);

    struct Pattern;
    std::unique_ptr<Pattern> pattern_;
};

}  // namespace lrd
