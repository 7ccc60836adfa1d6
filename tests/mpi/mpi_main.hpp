// SPDX-License-Identifier: MIT
#pragma once

#include "comm/communicator.hpp"

namespace lrd::test {

Communicator& world();  ///< of the running test program

}  // namespace lrd::test
