// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/check.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "io/safetensors.hpp"

namespace lrd::safetensors {
namespace {

constexpr std::size_t border = 8;  // the data begin on a multiple of this

std::uint64_t elements(const Source& source) {
    std::uint64_t size = 1;
    for (const std::uint64_t n : source.shape) {
        size *= n;
    }
    return size;
}

std::string header_of(const std::vector<Source>& sources,
                      const std::vector<std::pair<std::string, std::string>>& metadata) {
    Json header = Json::object();
    header["__metadata__"] = Json::object();
    for (const auto& [key, value] : metadata) {
        header["__metadata__"][key] = value;
    }
    std::uint64_t at = 0;
    for (const Source& source : sources) {
        const std::uint64_t end = at + elements(source) * sizeof(float);
        header[source.name] = Json::object({{"dtype", "F32"},
                                            {"shape", Json(source.shape)},
                                            {"data_offsets", Json::array({at, end})}});
        at = end;
    }
    std::string text = header.dump();
    text.resize((text.size() + border - 1) / border * border, ' ');
    return text;
}

}  // namespace

void write(const std::string& path, std::vector<Source> sources,
           const std::vector<std::pair<std::string, std::string>>& metadata) {
    std::sort(sources.begin(), sources.end(),
              [](const Source& a, const Source& b) { return a.name < b.name; });
    const std::string header = header_of(sources, metadata);
    const std::uint64_t length = header.size();
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file.write(header.data(), static_cast<std::streamsize>(header.size()));
    for (const Source& source : sources) {
        const std::vector<float> values = source.values();
        LRD_CHECK(values.size() == elements(source), "{}: {} values for a shape of {}", source.name,
                  values.size(), elements(source));
        file.write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    }
    file.close();
    if (!file) {
        fail(ExitCode::io, "{}: cannot be written: {}; {} bytes are free there", path,
             std::strerror(errno), free_bytes(path));
    }
}

}  // namespace lrd::safetensors
