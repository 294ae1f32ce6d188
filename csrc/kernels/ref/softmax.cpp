// Softmax, log-softmax and cross-entropy, in plain C++.
#include "contract/table.h"

namespace markone::ref {

void fill_softmax(KernelTable*) {}

}  // namespace markone::ref
