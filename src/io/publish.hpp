// SPDX-License-Identifier: MIT
// The one way in which a file or directory becomes visible: written under a temporary name beside
// it, fsync, rename, fsync of the parent. A reader sees the old one or the new one, whole.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace lrd {

/// `write` gets the temporary name and must leave a closed file there. If it throws, the temporary
/// file is removed, what stood at `path` stays, and the exception goes on. Errors: io.
void publish_file(const std::string& path, const std::function<void(const std::string&)>& write);
void publish_text(const std::string& path, std::string_view text);
/// Error(io) unless a file can be published at `path`: to be asked before hours of work.
void require_publishable(const std::string& path);

/// Renames the complete directory `temporary` (whose files are already fsynced) to `final_path`.
/// Error(io) if `final_path` is there and not empty.
void publish_directory(const std::string& temporary, const std::string& final_path);

void fsync_path(const std::string& path);        ///< a file or a directory; Error(io)
void make_directories(const std::string& path);  ///< with parents; Error(io)
void write_text_and_fsync(const std::string& path, std::string_view text);  ///< in place
std::string read_text(const std::string& path);  ///< Error(missing_input), Error(io)

std::uint64_t free_bytes(const std::string& path);  ///< where `path` is or would be
/// Error(io) with path, needed and free bytes unless `needed` bytes fit.
void require_free_bytes(const std::string& path, std::uint64_t needed);

}  // namespace lrd
