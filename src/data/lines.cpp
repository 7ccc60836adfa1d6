// SPDX-License-Identifier: MIT
#include "data/lines.hpp"

#include "data/blank.hpp"

namespace lrd {

namespace {

bool is_title(std::string_view line) {
    while (!line.empty() && is_blank(line.back())) {
        line.remove_suffix(1);
    }
    return line.size() >= 6 && line.starts_with(" = ") && !line.starts_with(" = =") &&
           line.ends_with(" =") && !line.ends_with("= =");
}

}  // namespace

Lines::Lines(ByteReader& file, std::int64_t from, std::int64_t limit) : file_(&file), at_(from) {
    // A line begins at `from` if a line ends just before.
    for (std::int64_t at = from - 1; from > 0;) {
        const std::string_view block = at < limit ? file.at(at) : std::string_view{};
        const std::size_t newline = block.find('\n');
        if (block.empty()) {
            at_ = file.size();
            return;
        }
        if (newline != std::string_view::npos) {
            at_ = at + static_cast<std::int64_t>(newline) + 1;
            return;
        }
        at += static_cast<std::int64_t>(block.size());
    }
}

bool Lines::next(Line& line) {
    if (at_ >= file_->size()) {
        return false;
    }
    line = {at_, at_, true, false};
    for (bool ended = false; !ended;) {
        const std::string_view block = file_->at(at_);
        const std::size_t newline = block.find('\n');
        const std::string_view part = block.substr(0, newline + (newline + 1 == 0 ? 0 : 1));
        ended = newline != std::string_view::npos ||
                at_ + static_cast<std::int64_t>(part.size()) == file_->size();
        line.blank = line.blank && is_blank(part);
        line.title =
            ended && at_ == line.begin && part.size() <= ByteReader::least && is_title(part);
        at_ += static_cast<std::int64_t>(part.size());
    }
    line.end = at_;
    return true;
}

}  // namespace lrd
