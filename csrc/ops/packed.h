// Weights as a kernel wants them, kept from call to call while their values stay.
#pragma once
#include "core/array.h"
#include "core/stream.h"

namespace markone {

// Off: what is kept goes, and nothing is kept.
void set_prepacking(bool on);
bool prepacking();
int64_t prepacked_bytes();

// What `make(context)` made of these weights when they had the values that they have now, or null. It is
// called where they meet this function for the second time with the same values, so that nothing is packed in
// training, and never for memory that somebody else may write to. `args` is what `prepack` gets.
Array packed_weights(const Prepack& prepack, const void* args, const Array& weights,
                     Array (*make)(void* context), void* context);

}  // namespace markone
