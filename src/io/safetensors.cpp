// SPDX-License-Identifier: MIT
#include "io/safetensors.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/check.hpp"
#include "io/json.hpp"

namespace lrd::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr std::uint64_t largest_header = 100'000'000;
constexpr std::uint64_t block = std::uint64_t{1} << 20;  // elements read at a time

/// Every dtype whose elements are whole bytes; only the first three can be read.
constexpr std::pair<const char*, std::uint64_t> dtypes[] = {
    {"F32", 4}, {"F16", 2},  {"BF16", 2},    {"F64", 8},     {"C64", 8},    {"I64", 8},
    {"U64", 8}, {"I32", 4},  {"U32", 4},     {"I16", 2},     {"U16", 2},    {"I8", 1},
    {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}};

std::uint64_t bytes_of(std::string_view dtype) {
    const auto* const found = std::find_if(std::begin(dtypes), std::end(dtypes),
                                           [&](const auto& one) { return one.first == dtype; });
    return found == std::end(dtypes) ? 0 : found->second;
}

/// Nothing if the product does not fit.
std::optional<std::uint64_t> product(const std::vector<std::uint64_t>& shape, std::uint64_t size) {
    for (const std::uint64_t n : shape) {
        if (__builtin_mul_overflow(size, n, &size)) {
            return std::nullopt;
        }
    }
    return size;
}

float from_f16(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000U) << 16;
    const std::uint32_t exponent = (half >> 10) & 0x1FU;
    const std::uint32_t fraction = half & 0x3FFU;
    if (exponent == 0) {  // zero and subnormals: fraction · 2⁻²⁴
        const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
        return sign != 0 ? -magnitude : magnitude;
    }
    const std::uint32_t wide = exponent == 0x1FU ? 0xFFU : exponent + 112;
    return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

float from_bf16(std::uint16_t upper) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(upper) << 16);
}

std::uint64_t natural(const Json& value, const std::string& place) {
    if (!value.is_int() || value.as_int() < 0) {
        fail(ExitCode::bad_data, "{}: {} is no size or place", place, value.dump());
    }
    return static_cast<std::uint64_t>(value.as_int());
}

const Json& member(const Json& object, const char* key, const std::string& place) {
    const Json* value = object.is_object() ? object.find(key) : nullptr;
    if (value == nullptr) {
        fail(ExitCode::bad_data, "{} has no {}", place, key);
    }
    return *value;
}

std::vector<std::uint64_t> naturals(const Json& list, const std::string& place) {
    if (!list.is_array()) {
        fail(ExitCode::bad_data, "{}: {} is no list", place, list.dump());
    }
    std::vector<std::uint64_t> numbers;
    for (const Json& one : list.as_array()) {
        numbers.push_back(natural(one, place));
    }
    return numbers;
}

/// An entry of the header; `data` is where the tensors begin, `data_bytes` how long they are.
Tensor tensor_of(const std::string& name, const Json& entry, const std::string& path,
                 std::uint64_t data, std::uint64_t data_bytes) {
    const std::string place = fmt::format("{}: tensor {}", path, name);
    Tensor t;
    t.name = name;
    const Json& dtype = member(entry, "dtype", place);
    t.dtype = dtype.is_string() ? dtype.as_string() : "";
    t.shape = naturals(member(entry, "shape", place), place);
    const std::vector<std::uint64_t> ends = naturals(member(entry, "data_offsets", place), place);
    const std::uint64_t width = bytes_of(t.dtype);
    if (width == 0) {
        fail(ExitCode::bad_data, "{} has the unknown dtype {}", place, dtype.dump());
    }
    if (ends.size() != 2 || ends[0] > ends[1] || ends[1] > data_bytes) {
        fail(ExitCode::bad_data, "{} lies at {}, outside of the {} bytes of data", place,
             entry.at("data_offsets").dump(), data_bytes);
    }
    if (product(t.shape, width) != ends[1] - ends[0]) {
        fail(ExitCode::bad_data, "{} has {} bytes, which are not {} {}", place, ends[1] - ends[0],
             t.shape_text(), t.dtype);
    }
    t.begin = data + ends[0];
    t.end = data + ends[1];
    return t;
}

}  // namespace

std::uint64_t Tensor::size() const { return product(shape, 1).value_or(0); }

std::string Tensor::shape_text() const {
    std::string text = "[";
    for (const std::uint64_t n : shape) {
        text += (text.size() == 1 ? "" : ", ") + std::to_string(n);
    }
    return text + "]";
}

File::File(File&& other) noexcept { *this = std::move(other); }

File& File::operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    std::swap(tensors_, other.tensors_);
    std::swap(metadata_, other.metadata_);
    return *this;
}

File::~File() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

File File::open(const std::string& path) {
    File file;
    file.path_ = path;
    file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file.fd_ < 0) {
        fail(ExitCode::missing_input, "{}: cannot be opened: {}", path, std::strerror(errno));
    }
    file.read_header();
    return file;
}

void File::read_header() {
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
        fail(ExitCode::bad_data, "{}: is not a file", path_);
    }
    const auto bytes = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t header = 0;
    if (bytes < sizeof header) {
        fail(ExitCode::bad_data, "{}: {} bytes are no safetensors file", path_, bytes);
    }
    read_bytes(&header, 0, sizeof header);
    if (header > largest_header || header > bytes - sizeof header) {
        fail(ExitCode::bad_data,
             "{}: a header of {} bytes does not fit ({} bytes of file; 100 MB at most): cut off, "
             "or no safetensors file",
             path_, header, bytes);
    }
    std::string text(header, '\0');
    read_bytes(text.data(), sizeof header, header);
    const Json json = Json::parse(text, path_);
    if (!json.is_object()) {
        fail(ExitCode::bad_data, "{}: the header is no JSON object", path_);
    }
    const std::uint64_t data = sizeof header + header;
    for (const auto& [name, entry] : json.as_object()) {
        if (name == "__metadata__") {
            read_metadata(entry);
        } else {
            tensors_.push_back(tensor_of(name, entry, path_, data, bytes - data));
        }
    }
    std::sort(tensors_.begin(), tensors_.end(), [](const Tensor& a, const Tensor& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t at = data;
    for (const Tensor& t : tensors_) {
        if (t.begin != at) {
            fail(ExitCode::bad_data, "{}: tensor {} {} the tensor before it", path_, t.name,
                 t.begin < at ? "overlaps" : "leaves a hole after");
        }
        at = t.end;
    }
    if (at != bytes) {
        fail(ExitCode::bad_data, "{}: {} bytes are expected, the file has {}", path_, at, bytes);
    }
}

void File::read_metadata(const Json& entry) {
    if (!entry.is_object()) {
        fail(ExitCode::bad_data, "{}: __metadata__ is no JSON object", path_);
    }
    for (const auto& [key, value] : entry.as_object()) {
        if (!value.is_string()) {
            fail(ExitCode::bad_data, "{}: __metadata__ {} is no text", path_, key);
        }
        metadata_.emplace_back(key, value.as_string());
    }
}

const Tensor* File::find(std::string_view name) const {
    const auto at = std::find_if(tensors_.begin(), tensors_.end(),
                                 [&](const Tensor& t) { return t.name == name; });
    return at == tensors_.end() ? nullptr : &*at;
}

void File::read_bytes(void* to, std::uint64_t offset, std::uint64_t bytes) const {
    auto* at = static_cast<char*>(to);
    while (bytes > 0) {
        const ssize_t n = ::pread(fd_, at, bytes, static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            fail(ExitCode::bad_data, "{}: cannot be read at byte {}: {}", path_, offset,
                 n == 0 ? "the file has become shorter" : std::strerror(errno));
        }
        at += n;
        offset += static_cast<std::uint64_t>(n);
        bytes -= static_cast<std::uint64_t>(n);
    }
}

void File::read(const Tensor& tensor, const TakeBlock& take) const {
    const bool f16 = tensor.dtype == "F16";
    if (!f16 && tensor.dtype != "F32" && tensor.dtype != "BF16") {
        fail(ExitCode::bad_data, "{}: {} is {}; weights have to be F32, F16 or BF16", path_,
             tensor.name, tensor.dtype);
    }
    const std::uint64_t width = bytes_of(tensor.dtype);
    const std::uint64_t size = tensor.size();
    std::vector<float> values(std::min(size, block));
    std::vector<std::uint16_t> halves(width == 2 ? values.size() : 0);
    for (std::uint64_t first = 0; first < size; first += block) {
        const std::uint64_t count = std::min(block, size - first);
        void* const to = width == 2 ? static_cast<void*>(halves.data()) : values.data();
        read_bytes(to, tensor.begin + first * width, count * width);
        const std::span<float> part(values.data(), count);
        if (width == 2) {
            std::transform(halves.data(), halves.data() + count, part.begin(),
                           f16 ? from_f16 : from_bf16);
        }
        if (!std::all_of(part.begin(), part.end(), [](float x) { return std::isfinite(x); })) {
            fail(ExitCode::bad_data, "{}: {} holds values that are not finite", path_, tensor.name);
        }
        take(first, part);
    }
}

}  // namespace lrd::safetensors
