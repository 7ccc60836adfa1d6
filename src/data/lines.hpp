// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "io/byte_file.hpp"

namespace lrd {

struct Line {
    std::int64_t begin = -1;
    std::int64_t end = -1;  ///< behind its '\n'
    bool blank = false;
    bool title = false;  ///< " = Title = ", but not " = = Section = = "; at most 4096 bytes
};

/// The lines of a file from the first that begins at or after `from` and before `limit`.
class Lines {
public:
    Lines(ByteReader& file, std::int64_t from, std::int64_t limit);
    std::int64_t at() const {
        return at_;
    }  ///< where the next line begins; the file's size at its end
    bool next(Line& line);

private:
    ByteReader* file_;
    std::int64_t at_;
};

}  // namespace lrd
