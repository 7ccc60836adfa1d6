// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

struct PrepareOptions {
    std::vector<std::string> text;   // files; what no split takes of them is "train"
    std::string tokenizer;           // train:V
    std::string out;                 // folder to make
    std::string documents = "auto";  // auto | file | blank-line | wikitext
    std::string val;                 // fraction or file; "" or 0: no such split
    std::string test;
    std::vector<std::pair<std::string, std::string>> splits;  // (name, fraction or file)
    bool overwrite = false;                                   // replaces token files that are there
};

/// Text files → token files and their tokenizer, learnt from the train split. The folder becomes
/// visible when all of it is on disk. Rank 0 works, the others wait and get its error.
int prepare(const PrepareOptions& options, Communicator& world);

}  // namespace lrd
