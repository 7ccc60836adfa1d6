// SPDX-License-Identifier: MIT
#include "io/hdf5_chunks.hpp"

#include <bit>

#include "io/hdf5_detail.hpp"

namespace lrd::h5 {
namespace {

/// Nothing but a checksum between the values and the disk, and numbers in this machine's order.
bool stored_plainly(const Handle& properties, const Info& info) {
    if (std::endian::native != std::endian::little) {
        return false;
    }
    for (int i = 0; i < H5Pget_nfilters(properties.id()); ++i) {
        unsigned flags = 0;
        std::size_t count = 0;
        if (H5Pget_filter2(properties.id(), static_cast<unsigned>(i), &flags, &count, nullptr, 0,
                           nullptr, nullptr) != H5Z_FILTER_FLETCHER32) {
            return false;
        }
    }
    Shape row = info.shape;
    row[0] = 1;
    return info.chunk == row;
}

}  // namespace

std::vector<std::uint64_t> row_places(const std::string& path, const std::string& name) {
    const Session session;
    File::State state;
    state.path = path;
    const Handle access = access_properties(path, true);
    state.file = state.take(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose, "open",
                            "the file");
    const Handle dataset = state.open_dataset(name);
    const Info info = checked_info(state, dataset, name);
    const Handle properties =
        state.take(H5Dget_create_plist(dataset.id()), H5Pclose, "read the storage of", name);
    std::vector<std::uint64_t> places;
    if (info.chunk.empty() || !stored_plainly(properties, info)) {
        return places;
    }
    std::vector<hsize_t> at(info.shape.size(), 0);
    for (at[0] = 0; at[0] < info.shape[0]; ++at[0]) {
        unsigned skipped = 0;
        haddr_t address = HADDR_UNDEF;
        hsize_t bytes = 0;
        state.check(H5Dget_chunk_info_by_coord(dataset.id(), at.data(), &skipped, &address, &bytes),
                    "find a chunk of", name);
        if (skipped != 0 || address == HADDR_UNDEF) {
            return {};
        }
        places.push_back(address);
    }
    return places;
}

}  // namespace lrd::h5
