// SPDX-License-Identifier: MIT
// HDF5 without its traps: every return code is checked, every error is an Error with file, dataset
// and reason, and what is in a file is checked before it is believed. All calls take one lock of
// the whole process, since the C library has one state. Groups of a path are created as needed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lrd::h5 {

using Shape = std::vector<std::uint64_t>;

enum class Type { f32, f64, i8, u8, i16, u16, i32, u32, i64, u64, text, other };

const char* name_of(Type type);
std::size_t size_of(Type type);  ///< bytes of one element; 0 for text and other

template <class T>
inline constexpr Type type_of = Type::other;
template <>
inline constexpr Type type_of<float> = Type::f32;
template <>
inline constexpr Type type_of<double> = Type::f64;
template <>
inline constexpr Type type_of<std::int8_t> = Type::i8;
template <>
inline constexpr Type type_of<std::uint8_t> = Type::u8;
template <>
inline constexpr Type type_of<std::int16_t> = Type::i16;
template <>
inline constexpr Type type_of<std::uint16_t> = Type::u16;
template <>
inline constexpr Type type_of<std::int32_t> = Type::i32;
template <>
inline constexpr Type type_of<std::uint32_t> = Type::u32;
template <>
inline constexpr Type type_of<std::int64_t> = Type::i64;
template <>
inline constexpr Type type_of<std::uint64_t> = Type::u64;

/// How a dataset lies in the file. Checksums need chunks; an empty `chunk` means whole rows of at
/// most 64 KiB together. Scalars and empty datasets are stored plainly.
struct Storage {
    Shape chunk = {};
    bool fletcher32 = true;
    bool shuffle = false;
    int deflate = 0;  ///< 0 = none, to 9
};

struct Info {
    Type type;
    Shape shape;
    Shape chunk;  ///< empty: not chunked
    bool fletcher32;
    bool unlimited;              ///< dimension 0 may grow
    std::uint64_t size() const;  ///< elements
    std::uint64_t bytes() const;
};

class File {
public:
    struct State;  // hdf5_detail.hpp

    /// A new file in the format of HDF5 1.10 (whose metadata has checksums), in place of what is
    /// there. Errors of writing: io, with the free bytes.
    static File create(const std::string& path);
    /// Read-only, without file locks. Errors: missing_input; bad_data if empty or not HDF5.
    static File open(const std::string& path);
    static File open_to_append(const std::string& path);
    /// None if another program holds the file's lock, as h5py does while it reads.
    static std::optional<File> try_open_to_append(const std::string& path);

    File(File&&) noexcept;
    File& operator=(File&&) noexcept;
    ~File();  ///< closes, but cannot tell whether that worked: close() does

    const std::string& path() const;
    void flush();
    void close();  ///< flushes first: on a full disk the library's own close says success

    // ---- datasets
    template <class T>
    void write(const std::string& name, std::span<const T> values, const Shape& shape,
               const Storage& storage = {}) {
        static_assert(type_of<T> != Type::other);
        write_raw(name, type_of<T>, values.data(), values.size(), shape, storage);
    }
    template <class T>
    void write(const std::string& name, const std::vector<T>& values) {
        write<T>(name, std::span<const T>(values), {values.size()});
    }
    /// Fixed-length UTF-8 texts, padded with zeros.
    void write_texts(const std::string& name, const std::vector<std::string>& texts);

    /// The whole dataset. The stored type must be T or narrower of the same kind; with `expected`
    /// the shape must be that. Errors: bad_data.
    template <class T>
    std::vector<T> read(const std::string& name) const {
        std::vector<T> values(checked_size(name, type_of<T>, nullptr));
        read_raw(name, type_of<T>, values.data(), 0, ~std::uint64_t{0});
        return values;
    }
    template <class T>
    std::vector<T> read(const std::string& name, const Shape& expected) const {
        std::vector<T> values(checked_size(name, type_of<T>, &expected));
        read_raw(name, type_of<T>, values.data(), 0, ~std::uint64_t{0});
        return values;
    }
    template <class T>
    void read_into(const std::string& name, std::span<T> values, const Shape& expected) const {
        check_count(name, checked_size(name, type_of<T>, &expected), values.size());
        read_raw(name, type_of<T>, values.data(), 0, ~std::uint64_t{0});
    }
    /// Rows [begin, begin + count) of dimension 0; values.size() = count · elements per row.
    template <class T>
    void read_rows(const std::string& name, std::uint64_t begin, std::uint64_t count,
                   std::span<T> values) const {
        check_count(name, checked_rows(name, type_of<T>, begin, count), values.size());
        read_raw(name, type_of<T>, values.data(), begin, count);
    }
    template <class T>
    std::vector<T> read_rows(const std::string& name, std::uint64_t begin,
                             std::uint64_t count) const {
        std::vector<T> values(checked_rows(name, type_of<T>, begin, count));
        read_raw(name, type_of<T>, values.data(), begin, count);
        return values;
    }
    std::vector<std::string> read_texts(const std::string& name) const;

    // ---- columns: dimension 0 grows
    /// An empty dataset of shape (0, row…); `chunk_rows` rows lie together.
    void create_column(const std::string& name, Type type, const Shape& row = {},
                       std::uint64_t chunk_rows = 512);
    template <class T>
    void append(const std::string& name, std::span<const T> values) {
        append_raw(name, type_of<T>, values.data(), values.size());
    }
    void resize(const std::string& name, std::uint64_t rows);  ///< cuts off, or grows with zeros

    // ---- what is there ("/" is the root)
    bool exists(const std::string& name) const;
    bool is_group(const std::string& name) const;
    void make_group(const std::string& name);
    std::vector<std::string> children(const std::string& group) const;  ///< names, sorted
    Info info(const std::string& dataset) const;
    std::uint64_t file_bytes() const;

    // ---- attributes of a group or dataset; setting replaces
    void set_attribute(const std::string& object, const std::string& key, const std::string& text);
    void set_attribute(const std::string& object, const std::string& key, const char* text) {
        set_attribute(object, key, std::string(text));
    }
    void set_attribute(const std::string& object, const std::string& key, std::int64_t value);
    void set_attribute(const std::string& object, const std::string& key, double value);
    void set_attribute(const std::string& object, const std::string& key,
                       const std::vector<std::int64_t>& values);
    void set_attribute(const std::string& object, const std::string& key,
                       const std::vector<double>& values);
    bool has_attribute(const std::string& object, const std::string& key) const;
    std::vector<std::string> attributes(const std::string& object) const;  ///< keys, sorted
    Type attribute_type(const std::string& object, const std::string& key) const;
    std::string attribute_text(const std::string& object, const std::string& key) const;
    std::int64_t attribute_int(const std::string& object, const std::string& key) const;
    double attribute_double(const std::string& object, const std::string& key) const;
    std::vector<std::int64_t> attribute_ints(const std::string& object,
                                             const std::string& key) const;
    std::vector<double> attribute_doubles(const std::string& object, const std::string& key) const;

    // ---- dimension scales (H5DS), by which xarray and netCDF readers find coordinates
    void make_scale(const std::string& dataset, const std::string& label);
    void attach_scale(const std::string& dataset, unsigned axis, const std::string& scale);

private:
    explicit File(std::unique_ptr<State> state);
    std::uint64_t checked_size(const std::string& name, Type type, const Shape* expected) const;
    std::uint64_t checked_rows(const std::string& name, Type type, std::uint64_t begin,
                               std::uint64_t count) const;
    void check_count(const std::string& name, std::uint64_t stored, std::uint64_t room) const;
    void write_raw(const std::string& name, Type type, const void* values, std::uint64_t count,
                   const Shape& shape, const Storage& storage);
    void append_raw(const std::string& name, Type type, const void* values, std::uint64_t count);
    void read_raw(const std::string& name, Type type, void* values, std::uint64_t begin,
                  std::uint64_t count) const;

    std::unique_ptr<State> state_;
};

}  // namespace lrd::h5
