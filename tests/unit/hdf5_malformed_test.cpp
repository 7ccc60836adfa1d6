// SPDX-License-Identifier: MIT
// Files that once crashed HDF5, each walked whole in a forked child as `lrd inspect` would. The
// library itself may still die on some (1.10.8 has no fix for all of them): that is why data of
// others is only ever parsed in a child, and why our own files are digested before they are opened.
// Seen with 1.10.8: cve-2018-13870, -16438, cve-2019-9152, cve-2021-46244 (a division by zero),
// cve-2024-32609, -33877 and gh-4432-poc-05 end the child; the test prints those of the day.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "in_child.hpp"
#include "io/hdf5.hpp"

namespace lrd::h5 {
namespace {

/// Reads what can be read below `name`; a refusal of one object does not stop the walk.
void walk(const File& file, const std::string& name, int depth) {
    if (depth > 16) {  // a group may claim to contain itself
        return;
    }
    try {
        for (const std::string& key : file.attributes(name)) {
            const Type type = file.attribute_type(name, key);
            if (type == Type::text) {
                file.attribute_text(name, key);
            } else if (type != Type::other) {
                file.attribute_doubles(name, key);
            }
        }
    } catch (const Error&) {
    }
    if (!file.is_group(name)) {
        const Info info = file.info(name);
        if (info.type != Type::other && info.type != Type::text && info.bytes() < (1 << 24)) {
            file.read<double>(name);
        }
        return;
    }
    for (const std::string& child : file.children(name)) {
        try {
            walk(file, (name == "/" ? "" : name) + "/" + child, depth + 1);
        } catch (const Error&) {
        }
    }
}

TEST(Hdf5Malformed, EveryFileIsAnErrorOrOpens) {
    const char* data = std::getenv("LRD_DATA");
    if (data == nullptr) {
        GTEST_SKIP() << "LRD_DATA is not set; it names the folder with hdf5-malformed";
    }
    int files = 0, died = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(data) + "/hdf5-malformed")) {
        if (entry.path().filename() == "COPYING") {
            continue;
        }
        const test::Outcome outcome = test::in_child([&] {
            File file = File::open(entry.path().string());
            walk(file, "/", 0);
            file.close();
            return 0;
        });
        ++files;
        if (outcome.signal != 0 || outcome.code == 1) {  // 1: how sanitizers end a process
            ++died;
            std::cout << "the library died on " << entry.path().filename() << ", signal "
                      << outcome.signal << "\n";
            continue;
        }
        EXPECT_TRUE(outcome.code == 0 || outcome.code == 65)
            << entry.path() << ": " << outcome.code << " " << outcome.text;
    }
    EXPECT_GT(files, 40);
    EXPECT_LE(died, files / 4) << "HDF5 itself died on so many";
}

}  // namespace
}  // namespace lrd::h5
