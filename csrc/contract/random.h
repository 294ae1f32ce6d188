// Philox random numbers and dropout.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {}  // namespace markone
