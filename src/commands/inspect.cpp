// SPDX-License-Identifier: MIT
#include "commands/inspect.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "commands/inspect_hugging_face.hpp"
#include "core/check.hpp"
#include "core/exit_code.hpp"
#include "io/hdf5.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "model/hf_config.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t range_rows = std::uint64_t{1} << 22;  // values read at a time

std::string bytes_text(double bytes) {
    const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024.0 && unit + 1 < std::size(units)) {
        bytes /= 1024.0;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} B", bytes)
                     : fmt::format("{:.1f} {}", bytes, units[unit]);
}

Json attributes_json(const h5::File& file, const std::string& object) {
    Json json = Json::object();
    for (const std::string& key : file.attributes(object)) {
        // The library knows the type; asking for each in turn keeps this list short.
        try {
            json[key] = file.attribute_text(object, key);
        } catch (const Error&) {
            try {
                json[key] = file.attribute_int(object, key);
            } catch (const Error&) {
                try {
                    json[key] = file.attribute_double(object, key);
                } catch (const Error&) {
                    continue;  // references and lists that scales bring along
                }
            }
        }
    }
    return json;
}

/// Smallest and largest value and how many are not finite, read in blocks of rows.
Json range_json(const h5::File& file, const std::string& name, const h5::Info& info) {
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    std::int64_t odd = 0;
    const std::uint64_t rows = info.shape.empty() ? 0 : info.shape[0];
    const std::uint64_t width = rows == 0 ? 0 : info.size() / rows;
    const std::uint64_t step =
        std::max<std::uint64_t>(1, range_rows / std::max<std::uint64_t>(width, 1));
    const bool real = info.type == h5::Type::f32 || info.type == h5::Type::f64;
    const auto take = [&](const auto& values) {
        for (const auto v : values) {
            const auto x = static_cast<double>(v);
            if (!std::isfinite(x)) {
                ++odd;
                continue;
            }
            low = std::min(low, x);
            high = std::max(high, x);
        }
    };
    for (std::uint64_t row = 0; row < rows; row += step) {
        const std::uint64_t count = std::min(step, rows - row);
        if (real) {
            take(file.read_rows<double>(name, row, count));
        } else {
            take(file.read_rows<std::int64_t>(name, row, count));
        }
    }
    Json json = Json::object();
    const auto number = [&](double x) {
        return real ? Json(x) : Json(static_cast<std::int64_t>(x));
    };
    json["min"] = low <= high ? number(low) : Json();
    json["max"] = low <= high ? number(high) : Json();
    if (real) {
        json["not_finite"] = odd;
    }
    return json;
}

Json tree_json(const h5::File& file, const std::string& group) {
    Json items = Json::array();
    for (const std::string& child : file.children(group)) {
        const std::string name = (group == "/" ? "" : group) + "/" + child;
        Json item = Json::object({{"name", name}});
        if (file.is_group(name)) {
            item["attributes"] = attributes_json(file, name);
            item["children"] = tree_json(file, name);
        } else {
            const h5::Info info = file.info(name);
            item["type"] = h5::name_of(info.type);
            item["shape"] = Json(std::vector<std::int64_t>(info.shape.begin(), info.shape.end()));
            item["bytes"] = static_cast<std::int64_t>(info.bytes());
            item["attributes"] = attributes_json(file, name);
            if (info.type != h5::Type::text && info.type != h5::Type::other && info.size() > 0) {
                item["range"] = range_json(file, name, info);
            }
        }
        items.push(std::move(item));
    }
    return items;
}

Json file_json(const std::string& path) {
    const h5::File file = h5::File::open(path);
    return Json::object({{"file", path},
                         {"bytes", static_cast<std::int64_t>(file.file_bytes())},
                         {"attributes", attributes_json(file, "/")},
                         {"children", tree_json(file, "/")}});
}

/// The last row of every column of metrics.h5.
Json last_metrics(const h5::File& file, const std::string& group) {
    Json json = Json::object();
    for (const std::string& child : file.children(group)) {
        const std::string name = (group == "/" ? "" : group) + "/" + child;
        if (file.is_group(name)) {
            json[child] = last_metrics(file, name);
            continue;
        }
        const h5::Info info = file.info(name);
        if (info.type == h5::Type::text || info.type == h5::Type::other || info.shape.size() != 1 ||
            info.size() == 0) {
            continue;
        }
        const std::uint64_t last = info.shape[0] - 1;
        const bool real = info.type == h5::Type::f32 || info.type == h5::Type::f64;
        json[child] = real ? Json(file.read_rows<double>(name, last, 1)[0])
                           : Json(file.read_rows<std::int64_t>(name, last, 1)[0]);
    }
    return json;
}

Json run_json(const std::string& path) {
    Json json = Json::object({{"run", path}});
    if (const std::string status = path + "/status.json"; fs::exists(status)) {
        json["status"] = Json::parse(read_text(status), status);
    }
    Json checkpoints = Json::array();
    for (const char* folder : {"/ckpt", "/best"}) {
        if (!fs::is_directory(path + folder)) {
            continue;
        }
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(path + folder)) {
            if (entry.path().filename().string().front() != '.') {
                names.push_back(entry.path().string());
            }
        }
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            checkpoints.push(name);
        }
    }
    json["checkpoints"] = std::move(checkpoints);
    if (const std::string metrics = path + "/metrics.h5"; fs::exists(metrics)) {
        json["last_metrics"] = last_metrics(h5::File::open(metrics), "/");
    }
    return json;
}

Json folder_json(const std::string& path) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path)) {
        if (entry.path().extension() == ".h5") {
            files.push_back(entry.path().string());
        }
    }
    if (files.empty()) {
        fail(ExitCode::missing_input, "{} is neither a run (no run.toml) nor a folder of .h5 files",
             path);
    }
    std::sort(files.begin(), files.end());
    Json json = Json::array();
    for (const std::string& file : files) {
        json.push(file_json(file));
    }
    return Json::object({{"folder", path}, {"files", std::move(json)}});
}

std::string shape_text(const Json& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        text += fmt::format("{}{}", i == 0 ? "" : ", ", shape.at(i).as_int());
    }
    return text + ")";
}

std::string value_text(const Json& value) {
    return value.is_string() ? value.as_string() : value.dump();
}

void print_attributes(const Json& item, const std::string& indent) {
    if (const Json* attributes = item.find("attributes")) {
        for (const auto& [key, value] : attributes->as_object()) {
            std::string text = value_text(value);
            if (text.size() > 100 || text.find('\n') != std::string::npos) {
                text = fmt::format("({} characters)", text.size());
            }
            fmt::print("{}@{} = {}\n", indent, key, text);
        }
    }
}

void print_tree(const Json& items, const std::string& indent) {
    for (const Json& item : items.as_array()) {
        const std::string& name = item.at("name").as_string();
        if (const Json* children = item.find("children")) {
            fmt::print("{}{}/\n", indent, name);
            print_attributes(item, indent + "  ");
            print_tree(*children, indent + "  ");
            continue;
        }
        std::string range;
        if (const Json* r = item.find("range")) {
            range = fmt::format("  {} … {}", r->at("min").dump(), r->at("max").dump());
            if (const Json* odd = r->find("not_finite"); odd != nullptr && odd->as_int() > 0) {
                range += fmt::format("  {} not finite", odd->as_int());
            }
        }
        fmt::print("{}{}  {} {}  {}{}\n", indent, name, item.at("type").as_string(),
                   shape_text(item.at("shape")), bytes_text(item.at("bytes").as_double()), range);
        print_attributes(item, indent + "  ");
    }
}

void print_file(const Json& json) {
    fmt::print("{}  {}\n", json.at("file").as_string(), bytes_text(json.at("bytes").as_double()));
    print_attributes(json, "  ");
    print_tree(json.at("children"), "  ");
}

}  // namespace

int inspect(const InspectOptions& options) {
    const std::string& path = options.path;
    if (!fs::exists(path)) {
        fail(ExitCode::missing_input, "{} does not exist", path);
    }
    if (hf::is_model(path)) {
        const Json json = hugging_face_json(path);
        options.json ? fmt::print("{}\n", json.dump(2)) : print_hugging_face(json);
        return static_cast<int>(ExitCode::done);
    }
    const bool folder = fs::is_directory(path);
    const bool run = folder && fs::exists(path + "/run.toml");
    const Json json = run ? run_json(path) : folder ? folder_json(path) : file_json(path);
    if (options.json) {
        fmt::print("{}\n", json.dump(2));
    } else if (run) {
        fmt::print("{}\n", json.dump(2));
    } else if (folder) {
        for (const Json& file : json.at("files").as_array()) {
            print_file(file);
        }
    } else {
        print_file(json);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
