// SPDX-License-Identifier: MIT
// Attributes: fixed-length UTF-8 texts, int64, double, and vectors of the two.
#include <algorithm>

#include "io/hdf5_detail.hpp"

namespace lrd::h5 {
namespace {

std::string place(const std::string& object, const std::string& key) { return object + "@" + key; }

void write_attribute(const File::State& state, const std::string& object, const std::string& key,
                     hid_t stored, hid_t memory, const hsize_t* count, const void* values) {
    const std::string where = place(object, key);
    Handle owner = state.open_object(object);
    const htri_t there = H5Aexists(owner.id(), key.c_str());
    state.check(there, "look up", where);
    if (there > 0) {
        state.check(H5Adelete(owner.id(), key.c_str()), "replace", where);
    }
    const Handle space(count == nullptr ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, count, count),
                       H5Sclose);
    Handle attribute = state.take(
        H5Acreate2(owner.id(), key.c_str(), stored, space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
        "create", where);
    if (count == nullptr || *count > 0) {
        state.check(H5Awrite(attribute.id(), memory, values), "write", where);
    }
    state.close(attribute, "write", where);
    state.close(owner, "write", where);
}

Handle open_attribute(const File::State& state, const std::string& object, const std::string& key) {
    const Handle owner = state.open_object(object);
    const htri_t there = H5Aexists(owner.id(), key.c_str());
    state.check(there, "look up", place(object, key));
    if (there == 0) {
        state.reject(place(object, key), "is not there");
    }
    return state.take(H5Aopen(owner.id(), key.c_str(), H5P_DEFAULT), H5Aclose, "open",
                      place(object, key));
}

Type type_of_attribute(const File::State& state, const Handle& attribute,
                       const std::string& where) {
    const Handle type = state.take(H5Aget_type(attribute.id()), H5Tclose, "read", where);
    return type_from(type.id());
}

template <class T>
std::vector<T> read_attribute(const File::State& state, const std::string& object,
                              const std::string& key) {
    const std::string where = place(object, key);
    const Handle attribute = open_attribute(state, object, key);
    const Type stored = type_of_attribute(state, attribute, where);
    if (!fits(stored, type_of<T>)) {
        state.reject(where, "holds {}, not {}", name_of(stored), name_of(type_of<T>));
    }
    const Handle space = state.take(H5Aget_space(attribute.id()), H5Sclose, "read", where);
    const hssize_t count = H5Sget_simple_extent_npoints(space.id());
    if (count < 0 || static_cast<std::uint64_t>(count) > state.bytes()) {
        state.reject(where, "has an impossible size");
    }
    std::vector<T> values(static_cast<std::size_t>(count));
    if (count > 0) {
        state.check(H5Aread(attribute.id(), memory_type(type_of<T>), values.data()), "read", where);
    }
    return values;
}

template <class T>
T read_one(const File::State& state, const std::string& object, const std::string& key) {
    const std::vector<T> values = read_attribute<T>(state, object, key);
    if (values.size() != 1) {
        state.reject(place(object, key), "has {} values instead of 1", values.size());
    }
    return values.front();
}

}  // namespace

void File::set_attribute(const std::string& object, const std::string& key,
                         const std::string& text) {
    const Session session;
    const Handle type = text_type(text.size());
    const std::string padded = text.empty() ? std::string(1, '\0') : text;
    write_attribute(*state_, object, key, type.id(), type.id(), nullptr, padded.data());
}

void File::set_attribute(const std::string& object, const std::string& key, std::int64_t value) {
    const Session session;
    write_attribute(*state_, object, key, file_type(Type::i64), memory_type(Type::i64), nullptr,
                    &value);
}

void File::set_attribute(const std::string& object, const std::string& key, double value) {
    const Session session;
    write_attribute(*state_, object, key, file_type(Type::f64), memory_type(Type::f64), nullptr,
                    &value);
}

void File::set_attribute(const std::string& object, const std::string& key,
                         const std::vector<std::int64_t>& values) {
    const Session session;
    const hsize_t count = values.size();
    write_attribute(*state_, object, key, file_type(Type::i64), memory_type(Type::i64), &count,
                    values.data());
}

void File::set_attribute(const std::string& object, const std::string& key,
                         const std::vector<double>& values) {
    const Session session;
    const hsize_t count = values.size();
    write_attribute(*state_, object, key, file_type(Type::f64), memory_type(Type::f64), &count,
                    values.data());
}

bool File::has_attribute(const std::string& object, const std::string& key) const {
    const Session session;
    const Handle owner = state_->open_object(object);
    const htri_t there = H5Aexists(owner.id(), key.c_str());
    state_->check(there, "look up", place(object, key));
    return there > 0;
}

std::vector<std::string> File::attributes(const std::string& object) const {
    const Session session;
    const Handle owner = state_->open_object(object);
    std::vector<std::string> keys;
    const auto add = [](hid_t, const char* name, const H5A_info_t*, void* list) -> herr_t {
        static_cast<std::vector<std::string>*>(list)->emplace_back(name);
        return 0;
    };
    state_->check(H5Aiterate2(owner.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &keys),
                  "list attributes of", object);
    return keys;
}

Type File::attribute_type(const std::string& object, const std::string& key) const {
    const Session session;
    return type_of_attribute(*state_, open_attribute(*state_, object, key), place(object, key));
}

std::string File::attribute_text(const std::string& object, const std::string& key) const {
    const Session session;
    const std::string where = place(object, key);
    const Handle attribute = open_attribute(*state_, object, key);
    const Handle stored = state_->take(H5Aget_type(attribute.id()), H5Tclose, "read", where);
    const Handle space = state_->take(H5Aget_space(attribute.id()), H5Sclose, "read", where);
    const std::size_t bytes = H5Tget_size(stored.id());
    if (type_from(stored.id()) != Type::text || H5Sget_simple_extent_npoints(space.id()) != 1 ||
        bytes > state_->bytes()) {
        state_->reject(where, "is not one fixed-length text");
    }
    const Handle type = text_type(bytes);
    std::string text(bytes, '\0');
    state_->check(H5Aread(attribute.id(), type.id(), text.data()), "read", where);
    return text.substr(0, text.find('\0'));
}

std::int64_t File::attribute_int(const std::string& object, const std::string& key) const {
    const Session session;
    return read_one<std::int64_t>(*state_, object, key);
}
double File::attribute_double(const std::string& object, const std::string& key) const {
    const Session session;
    return read_one<double>(*state_, object, key);
}
std::vector<std::int64_t> File::attribute_ints(const std::string& object,
                                               const std::string& key) const {
    const Session session;
    return read_attribute<std::int64_t>(*state_, object, key);
}
std::vector<double> File::attribute_doubles(const std::string& object,
                                            const std::string& key) const {
    const Session session;
    return read_attribute<double>(*state_, object, key);
}

}  // namespace lrd::h5
