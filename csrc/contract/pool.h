// Max and average pooling and their gradients.
#pragma once
#include <cstdint>

#include "contract/dtype.h"
#include "contract/run.h"

namespace markone {}  // namespace markone
