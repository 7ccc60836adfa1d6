// SPDX-License-Identifier: MIT
// Tensors in one HDF5 file, each compared after writing with a hash taken before: HDF5 has been
// seen to close a file on a full disk with success and zeros inside.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/view.hpp"
#include "io/json.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// A tensor on the device and its place in the file,
/// e.g. "/students/lrc-r58/optim/m/h.0.attn.c_attn.P_l".
struct NamedTensor {
    std::string path;
    View view;  // dense
};

/// Who wrote a file, and from what.
struct Provenance {
    std::int64_t world_size = 1;
    std::string config_toml;  // the whole resolved configuration
    std::string config_sha256;
    std::string code_version;
};

using TensorHashes = std::map<std::string, std::string>;  // path → xxh3-128, 32 hex digits

/// Writes `file` (format of HDF5 1.10, fletcher32) with `state` and `provenance` as attributes of
/// the root, closes it, fsyncs it, opens it again and compares each tensor. To publish it is left
/// to the caller. Errors: io for anything that did not reach the file, with the tensor's name.
TensorHashes write_state_file(Backend& backend, const std::string& file,
                              std::span<const NamedTensor> tensors, const Json& state,
                              const Provenance& provenance);

/// Uploads `tensors` by name; more may be in the file. All names, types and shapes are checked
/// before the first upload, every value against the hash that lies beside it. Error(bad_data).
void read_state_file(Backend& backend, const std::string& file,
                     std::span<const NamedTensor> tensors);

/// One student's model for others to use (best/<student>.h5): the same file, published.
void publish_model_file(Backend& backend, const std::string& file,
                        std::span<const NamedTensor> tensors, const Json& state,
                        const Provenance& provenance);

}  // namespace lrd
