// SPDX-License-Identifier: MIT
#pragma once

namespace lrd::test {

/// While true, pwrite() of this process puts zeros to disk and reports success.
extern bool disk_lies;

}  // namespace lrd::test
