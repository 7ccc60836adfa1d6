// SPDX-License-Identifier: MIT
#include "data/document_list.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace lrd {

void for_each_document(const std::string& path, std::int64_t first, std::int64_t count,
                       const std::function<void(const Document&)>& use) {
    constexpr std::int64_t together = 1024;
    constexpr auto one = static_cast<std::int64_t>(sizeof(Document));
    if (count == 0) {
        return;
    }
    ByteReader file(path);
    std::vector<Document> block;
    for (std::int64_t i = 0; i < count; i += together) {
        block.resize(static_cast<std::size_t>(std::min(together, count - i)));
        file.read((first + i) * one, block.data(), block.size() * sizeof(Document));
        for (const Document& document : block) {
            use(document);
        }
    }
}

std::string ScannedDocuments::list_path(const std::string& dir, std::int64_t rank,
                                        std::int64_t thread) {
    return fmt::format("{}/documents-{}-{}", dir, rank, thread);
}

std::int64_t ScannedDocuments::size() const {
    std::int64_t sum = 0;
    for (const ListPart& part : parts) {
        sum += part.count;
    }
    return sum;
}

void ScannedDocuments::for_each(const std::function<void(const Document&)>& use) const {
    for (const ListPart& part : parts) {
        for_each_document(list_path(dir, part.rank, part.thread), part.first, part.count, use);
    }
}

}  // namespace lrd
