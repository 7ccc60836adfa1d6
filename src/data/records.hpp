// SPDX-License-Identifier: MIT
// Plain records as bytes, to be shared between ranks.
#pragma once

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace lrd {

template <class T>
std::string bytes_of(const std::vector<T>& records) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<const char*>(records.data()), records.size() * sizeof(T)};
}

template <class T>
std::vector<T> records_of(std::string_view bytes) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<T> records(bytes.size() / sizeof(T));
    std::memcpy(static_cast<void*>(records.data()), bytes.data(), records.size() * sizeof(T));
    return records;
}

}  // namespace lrd
