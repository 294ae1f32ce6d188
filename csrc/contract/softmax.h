// Softmax, log-softmax and cross-entropy.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {}  // namespace markone
