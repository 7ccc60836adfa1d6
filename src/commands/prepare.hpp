// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

struct PrepareOptions {
    std::vector<std::string> text;   // files; what no split takes of them is "train"
    std::string tokenizer;           // train:V, or a folder with the files of one
    std::string out;                 // folder to make
    std::string documents = "auto";  // auto | file | blank-line | wikitext | jsonl
    std::string json_key = "text";   // jsonl: the member that holds the text
    std::string val;                 // fraction or file; "" or 0: no such split
    std::string test;
    std::vector<std::pair<std::string, std::string>> splits;  // (name, fraction or file)
    bool dedup = false;                                       // equal documents: one is kept
    bool overwrite = false;                                   // replaces token files that are there
    std::int64_t threads = 0;                                 // per rank; 0: cores / ranks
};

/// Text files → token files and their tokenizer. All ranks and threads work; the folder becomes
/// visible when all of it is on disk. If it is there and nothing has changed, nothing is done.
int prepare(const PrepareOptions& options, Communicator& world);

}  // namespace lrd
