// SPDX-License-Identifier: MIT
#include "train/same_on_all_ranks.hpp"

#include <sstream>

#include "core/check.hpp"

namespace lrd {

void check_same_on_all_ranks(Communicator& world, const std::string& text) {
    std::string of_root = text;
    world.broadcast(of_root, 0);
    if (text != of_root) {
        std::istringstream mine(text);
        std::istringstream root(of_root);
        std::string here, there, section;
        const auto next = [](std::istringstream& lines, std::string& line) {
            if (!std::getline(lines, line)) {
                line = "nothing";
            }
        };
        do {
            section = here.starts_with("[") ? here : section;
            next(mine, here);
            next(root, there);
        } while (here == there);
        fail(ExitCode::usage,
             "the ranks differ in {}: here `{}`, on rank 0 `{}`; start the same program with the "
             "same settings and data on all ranks",
             section.empty() ? "what they run on" : section, here, there);
    }
    world.barrier();
}

}  // namespace lrd
