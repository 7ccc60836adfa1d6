// SPDX-License-Identifier: MIT
// Opening, closing, and the tree of groups.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/hdf5_detail.hpp"
#include "io/publish.hpp"

namespace lrd::h5 {
namespace {

std::recursive_mutex& library_mutex() {
    static std::recursive_mutex mutex;
    return mutex;
}

herr_t keep_first(unsigned n, const H5E_error2_t* error, void* text) {
    if (n == 0 && error->desc != nullptr) {
        *static_cast<std::string*>(text) = error->desc;
    }
    return 0;
}

/// Creation properties without times, so that the same content gives the same bytes.
Handle timeless(hid_t kind) {
    Handle properties(H5Pcreate(kind), H5Pclose);
    LRD_CHECK(properties.open() && H5Pset_obj_track_times(properties.id(), false) >= 0,
              "creation properties: {}", reason());
    return properties;
}

void check_is_hdf5(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
        fail(errno == ENOENT || errno == ENOTDIR ? ExitCode::missing_input : ExitCode::bad_data,
             "{}: cannot be opened: {}; check the path", path, std::strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        fail(ExitCode::bad_data, "{}: is not a regular file; an HDF5 file is needed", path);
    }
    if (status.st_size == 0) {
        fail(ExitCode::bad_data, "{}: is empty, perhaps a copy cut short; make or copy it again",
             path);
    }
    const htri_t is_hdf5 = H5Fis_hdf5(path.c_str());
    if (is_hdf5 < 0) {
        fail(ExitCode::bad_data, "{}: cannot be read: {}; check its permissions", path, reason());
    }
    if (is_hdf5 == 0) {
        fail(ExitCode::bad_data, "{}: is not an HDF5 file (no HDF5 signature)", path);
    }
}

std::vector<std::string> components(const std::string& name) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    while (begin < name.size()) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        if (end > begin) {
            parts.push_back(name.substr(begin, end - begin));
        }
        begin = end + 1;
    }
    return parts;
}

}  // namespace

Handle access_properties(const std::string& path, bool read_only) {
    Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    // V110: metadata with checksums. SEMI: closing a file of which something is still open fails.
    bool made = access.open() &&
                H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
                H5Pset_fclose_degree(access.id(), H5F_CLOSE_SEMI) >= 0;
#if H5_VERSION_GE(1, 10, 7)
    // A reader takes no lock, lest the writer of metrics waits for it. Where the file system has no
    // locks (Lustre and NFS often) a writer goes on without.
    made = made && H5Pset_file_locking(access.id(), !read_only, true) >= 0;
#else
    static_cast<void>(read_only);
#endif
    LRD_CHECK(made, "access properties for {}: {}", path, reason());
    return access;
}

Session::Session() : lock_(library_mutex()) {
    // At exit the library would close once more what a full disk kept it from closing, and crash.
    static const bool no_exit_handler = H5dont_atexit() >= 0;
    static_cast<void>(no_exit_handler);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5Eclear2(H5E_DEFAULT);
}

std::string reason() {
    std::string text = "unknown reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
    // A failed write is described in several lines: what failed, details, what the system said.
    const std::size_t said = text.find("error message = '"), line = text.find('\n');
    return std::max(said, line) == std::string::npos
               ? text
               : text.substr(0, text.find(": ")) + ": " +
                     text.substr(said + 17, text.find('\'', said + 17) - said - 17);
}

void File::State::fail_call(const std::string& what, const std::string& object) const {
    const std::string why = reason();
    if (writable) {
        fail(ExitCode::io, "{}: cannot {} {}: {} ({} bytes are free there)", path, what, object,
             why, free_bytes(path));
    }
    fail(ExitCode::bad_data, "{}: cannot {} {}: {}; the file is damaged or cut", path, what, object,
         why);
}

hid_t File::State::id() const {
    LRD_CHECK(file.open(), "{} is closed", path);
    return file.id();
}

std::uint64_t File::State::bytes() const {
    hsize_t size = 0;
    check(H5Fget_filesize(id(), &size), "read the size of", "the file");
    return size;
}

bool File::State::exists(const std::string& name) const {
    std::string prefix;
    for (const std::string& part : components(name)) {
        prefix += "/" + part;
        const htri_t there = H5Lexists(id(), prefix.c_str(), H5P_DEFAULT);
        check(there, "look up", prefix);
        if (there == 0) {
            return false;
        }
        H5L_info_t link;
        check(H5Lget_info(id(), prefix.c_str(), &link, H5P_DEFAULT), "look up", prefix);
        if (link.type != H5L_TYPE_HARD) {
            reject(prefix, "is a soft or external link, which is not followed");
        }
    }
    return true;
}

Handle File::State::open_object(const std::string& name) const {
    if (!exists(name)) {
        reject(name, "is not there");
    }
    return take(H5Oopen(id(), name.c_str(), H5P_DEFAULT), H5Oclose, "open", name);
}

Handle File::State::open_dataset(const std::string& name) const {
    Handle object = open_object(name);
    if (H5Iget_type(object.id()) != H5I_DATASET) {
        reject(name, "is not a dataset");
    }
    return object;
}

void File::State::make_group(const std::string& name) const {
    std::string prefix;
    for (const std::string& part : components(name)) {
        prefix += "/" + part;
        if (exists(prefix)) {
            continue;
        }
        const Handle properties = timeless(H5P_GROUP_CREATE);
        Handle group =
            take(H5Gcreate2(id(), prefix.c_str(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
                 H5Gclose, "create group", prefix);
        close(group, "write group", prefix);
    }
}

void File::State::make_parents(const std::string& name) const {
    const std::size_t slash = name.rfind('/');
    if (slash != std::string::npos && slash > 0) {
        make_group(name.substr(0, slash));
    }
}

File::File(std::unique_ptr<State> state) : state_(std::move(state)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&& other) noexcept {
    const Session session;
    state_ = std::move(other.state_);
    return *this;
}

File::~File() {
    const Session session;
    state_.reset();
}

File File::create(const std::string& path) {
    const Session session;
    auto state = std::make_unique<State>();
    state->path = path;
    state->writable = true;
    const Handle access = access_properties(path, false);
    const Handle creation = timeless(H5P_FILE_CREATE);
    state->file = state->take(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()),
                              H5Fclose, "create", "the file");
    return File(std::move(state));
}

File File::open(const std::string& path) {
    const Session session;
    check_is_hdf5(path);
    auto state = std::make_unique<State>();
    state->path = path;
    const Handle access = access_properties(path, true);
    state->file = state->take(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose, "open",
                              "the file");
    return File(std::move(state));
}

std::optional<File> File::try_open_to_append(const std::string& path) {
    const Session session;
    check_is_hdf5(path);
    auto state = std::make_unique<State>();
    state->path = path;
    state->writable = true;
    const Handle access = access_properties(path, false);
    const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDWR, access.id());
    if (id < 0 && reason().find("unable to lock file, errno = 11") != std::string::npos) {
        return std::nullopt;
    }
    state->file = state->take(id, H5Fclose, "open for writing", "the file");
    return File(std::move(state));
}

File File::open_to_append(const std::string& path) {
    std::optional<File> file = try_open_to_append(path);
    if (!file) {
        fail(ExitCode::busy, "{}: another program holds it open; close that and try again", path);
    }
    return std::move(*file);
}

const std::string& File::path() const { return state_->path; }

void File::flush() {
    const Session session;
    state_->check(H5Fflush(state_->id(), H5F_SCOPE_GLOBAL), "flush", "the file");
}

void File::close() {
    const Session session;
    if (state_->file.open()) {
        if (state_->writable) {
            flush();
        }
        state_->close(state_->file, "close", "the file");
    }
}

bool File::exists(const std::string& name) const {
    const Session session;
    return state_->exists(name);
}

bool File::is_group(const std::string& name) const {
    const Session session;
    return H5Iget_type(state_->open_object(name).id()) == H5I_GROUP;
}

void File::make_group(const std::string& name) {
    const Session session;
    state_->make_group(name);
}

std::vector<std::string> File::children(const std::string& group) const {
    const Session session;
    const Handle object = state_->open_object(group);
    H5G_info_t links;
    state_->check(H5Gget_info(object.id(), &links), "list", group);
    if (links.nlinks > state_->bytes()) {  // a name takes more than a byte
        state_->reject(group, "claims {} members, more than the file has bytes", links.nlinks);
    }
    std::vector<std::string> names;
    for (hsize_t i = 0; i < links.nlinks; ++i) {
        const ssize_t length = H5Lget_name_by_idx(object.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i,
                                                  nullptr, 0, H5P_DEFAULT);
        state_->check(length < 0 ? -1 : 0, "list", group);
        std::string name(static_cast<std::size_t>(length) + 1, '\0');
        state_->check(H5Lget_name_by_idx(object.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i,
                                         name.data(), name.size(), H5P_DEFAULT) < 0
                          ? -1
                          : 0,
                      "list", group);
        name.pop_back();
        names.push_back(std::move(name));
    }
    return names;
}

std::uint64_t File::file_bytes() const {
    const Session session;
    return state_->bytes();
}

}  // namespace lrd::h5
