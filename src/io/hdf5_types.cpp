// SPDX-License-Identifier: MIT
// Types, and what is checked of a dataset before a byte of it is read.
#include <algorithm>
#include <limits>

#include "io/hdf5_detail.hpp"

namespace lrd::h5 {
namespace {

constexpr std::uint64_t largest_chunk = std::uint64_t{1} << 30;
constexpr std::uint64_t deflate_limit = 1032;  // zlib's format cannot expand by more

bool is_float(Type type) { return type == Type::f32 || type == Type::f64; }
bool is_unsigned(Type type) {
    return type == Type::u8 || type == Type::u16 || type == Type::u32 || type == Type::u64;
}

/// Product of the dimensions and `unit`, or the largest number where it would not fit.
std::uint64_t product(const Shape& shape, std::uint64_t unit) {
    std::uint64_t total = unit;
    for (const std::uint64_t n : shape) {
        if (__builtin_mul_overflow(total, n, &total)) {
            // A later 0 would make it 0 again, but such a shape is nonsense all the same.
            return std::numeric_limits<std::uint64_t>::max();
        }
    }
    return total;
}

/// Only filters that every HDF5 has; others would load code from a plug-in path.
int check_filters(const File::State& state, hid_t properties, const std::string& name,
                  bool& fletcher32) {
    int deflate = 0;
    const int count = H5Pget_nfilters(properties);
    state.check(count, "count the filters", name);
    for (int i = 0; i < count; ++i) {
        unsigned flags = 0;
        std::size_t values = 0;
        const H5Z_filter_t filter = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                                                   &values, nullptr, 0, nullptr, nullptr);
        fletcher32 = fletcher32 || filter == H5Z_FILTER_FLETCHER32;
        deflate += filter == H5Z_FILTER_DEFLATE ? 1 : 0;
        if (filter != H5Z_FILTER_FLETCHER32 && filter != H5Z_FILTER_DEFLATE &&
            filter != H5Z_FILTER_SHUFFLE) {
            state.reject(name, "uses HDF5 filter {}; only deflate, shuffle and fletcher32 are read",
                         static_cast<int>(filter));
        }
    }
    if (deflate > 1) {
        state.reject(name, "is compressed {} times over", deflate);
    }
    return deflate;
}

Shape dimensions(const File::State& state, hid_t space, const std::string& name, bool& unlimited) {
    const H5S_class_t kind = H5Sget_simple_extent_type(space);
    if (kind == H5S_NULL) {
        return {0};
    }
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || (kind != H5S_SIMPLE && kind != H5S_SCALAR)) {
        state.reject(name, "has no readable shape: {}", reason());
    }
    Shape shape(static_cast<std::size_t>(rank));
    std::vector<hsize_t> now(shape.size() + 1), most(shape.size() + 1);
    state.check(H5Sget_simple_extent_dims(space, now.data(), most.data()), "read the shape", name);
    std::copy_n(now.begin(), shape.size(), shape.begin());
    unlimited = rank > 0 && most[0] == H5S_UNLIMITED;
    return shape;
}

}  // namespace

const char* name_of(Type type) {
    switch (type) {
        case Type::f32: return "float32";
        case Type::f64: return "float64";
        case Type::i8: return "int8";
        case Type::u8: return "uint8";
        case Type::i16: return "int16";
        case Type::u16: return "uint16";
        case Type::i32: return "int32";
        case Type::u32: return "uint32";
        case Type::i64: return "int64";
        case Type::u64: return "uint64";
        case Type::text: return "fixed-length text";
        case Type::other: return "another type";
    }
    return "?";
}

std::size_t size_of(Type type) {
    switch (type) {
        case Type::i8:
        case Type::u8: return 1;
        case Type::i16:
        case Type::u16: return 2;
        case Type::f32:
        case Type::i32:
        case Type::u32: return 4;
        case Type::f64:
        case Type::i64:
        case Type::u64: return 8;
        case Type::text:
        case Type::other: return 0;
    }
    return 0;
}

std::string name_of(const Shape& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
    }
    return text + ")";
}

Type type_from(hid_t stored) {
    const H5T_class_t kind = H5Tget_class(stored);
    const std::size_t size = H5Tget_size(stored);
    if (kind == H5T_STRING) {
        return H5Tis_variable_str(stored) == 0 && size > 0 ? Type::text : Type::other;
    }
    if ((kind != H5T_FLOAT && kind != H5T_INTEGER) || H5Tget_precision(stored) != 8 * size) {
        return Type::other;
    }
    if (kind == H5T_FLOAT) {
        return size == 4 ? Type::f32 : size == 8 ? Type::f64 : Type::other;
    }
    const bool sign = H5Tget_sign(stored) != H5T_SGN_NONE;
    switch (size) {
        case 1: return sign ? Type::i8 : Type::u8;
        case 2: return sign ? Type::i16 : Type::u16;
        case 4: return sign ? Type::i32 : Type::u32;
        case 8: return sign ? Type::i64 : Type::u64;
        default: return Type::other;
    }
}

hid_t memory_type(Type type) {
    switch (type) {
        case Type::f32: return H5T_NATIVE_FLOAT;
        case Type::f64: return H5T_NATIVE_DOUBLE;
        case Type::i8: return H5T_NATIVE_INT8;
        case Type::u8: return H5T_NATIVE_UINT8;
        case Type::i16: return H5T_NATIVE_INT16;
        case Type::u16: return H5T_NATIVE_UINT16;
        case Type::i32: return H5T_NATIVE_INT32;
        case Type::u32: return H5T_NATIVE_UINT32;
        case Type::i64: return H5T_NATIVE_INT64;
        case Type::u64: return H5T_NATIVE_UINT64;
        case Type::text:
        case Type::other: break;
    }
    LRD_CHECK(false, "no memory type for {}", name_of(type));
    return H5I_INVALID_HID;
}

hid_t file_type(Type type) {
    switch (type) {
        case Type::f32: return H5T_IEEE_F32LE;
        case Type::f64: return H5T_IEEE_F64LE;
        case Type::i8: return H5T_STD_I8LE;
        case Type::u8: return H5T_STD_U8LE;
        case Type::i16: return H5T_STD_I16LE;
        case Type::u16: return H5T_STD_U16LE;
        case Type::i32: return H5T_STD_I32LE;
        case Type::u32: return H5T_STD_U32LE;
        case Type::i64: return H5T_STD_I64LE;
        case Type::u64: return H5T_STD_U64LE;
        case Type::text:
        case Type::other: break;
    }
    LRD_CHECK(false, "no file type for {}", name_of(type));
    return H5I_INVALID_HID;
}

Handle text_type(std::size_t bytes) {
    Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    // HDF5 has no texts of 0 bytes; padding with zeros makes one zero byte the empty text.
    const bool made = type.open() && H5Tset_size(type.id(), std::max<std::size_t>(1, bytes)) >= 0 &&
                      H5Tset_strpad(type.id(), H5T_STR_NULLPAD) >= 0 &&
                      H5Tset_cset(type.id(), H5T_CSET_UTF8) >= 0;
    LRD_CHECK(made, "text type of {} bytes: {}", bytes, reason());
    return type;
}

bool fits(Type stored, Type wanted) {
    if (stored == wanted) {
        return stored != Type::other;
    }
    if (size_of(stored) == 0 || size_of(stored) >= size_of(wanted) ||
        is_float(stored) != is_float(wanted)) {
        return false;
    }
    return is_float(stored) || is_unsigned(stored) || !is_unsigned(wanted);
}

std::uint64_t Info::size() const { return product(shape, 1); }
std::uint64_t Info::bytes() const { return product(shape, size_of(type)); }

Info checked_info(const File::State& state, const Handle& dataset, const std::string& name) {
    const Handle type = state.take(H5Dget_type(dataset.id()), H5Tclose, "read the type", name);
    const Handle space = state.take(H5Dget_space(dataset.id()), H5Sclose, "read the shape", name);
    const Handle properties =
        state.take(H5Dget_create_plist(dataset.id()), H5Pclose, "read the layout", name);
    Info info{type_from(type.id()), {}, {}, false, false};
    info.shape = dimensions(state, space.id(), name, info.unlimited);
    const H5D_layout_t layout = H5Pget_layout(properties.id());
    const int external = H5Pget_external_count(properties.id());
    if (layout < 0 || layout == H5D_VIRTUAL || external != 0) {
        state.reject(name, "keeps its values outside this file, which is not read");
    }
    const int deflate = check_filters(state, properties.id(), name, info.fletcher32);
    const std::uint64_t unit = H5Tget_size(type.id());
    if (layout == H5D_CHUNKED) {
        std::vector<hsize_t> chunk(info.shape.size());
        const int rank =
            H5Pget_chunk(properties.id(), static_cast<int>(chunk.size()), chunk.data());
        info.chunk.assign(chunk.begin(), chunk.end());
        const std::uint64_t bytes = product(info.chunk, unit);
        if (rank != static_cast<int>(chunk.size()) || bytes == 0 || bytes > largest_chunk) {
            state.reject(name, "has an impossible chunk size {}", name_of(info.chunk));
        }
    }
    const std::uint64_t bytes = product(info.shape, unit);
    const std::uint64_t room = state.bytes();
    if (bytes / (deflate != 0 ? deflate_limit : 1) > room) {
        state.reject(name, "claims {} values of {} bytes, but the file has {} bytes; is it cut?",
                     name_of(info.shape), unit, room);
    }
    return info;
}

}  // namespace lrd::h5
