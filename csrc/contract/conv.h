// 2-d convolution and its two gradients.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {}  // namespace markone
