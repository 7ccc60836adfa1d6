// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

struct InspectOptions {
    std::string path;  // an HDF5 file, a folder of shards or a run directory
    bool json = false;
};

/// Prints what is in one of our files: tree, shapes, sizes, attributes, ranges of values; of a run
/// directory its status, checkpoints and last metrics; of a folder of shards each shard.
int inspect(const InspectOptions& options);

}  // namespace lrd
