// Connectionist temporal classification: a task is a sample, a vector is positions of its alignment.
#include "contract/loss.h"
#include "kernels/cpu/vec_math.h"

MO_ISA_BEGIN

// The logarithm of zero: finite, so that differences of two have no NaN.
constexpr double kNever = -1e30;
constexpr int64_t kPad = 16;  // elements before and behind a row that vectors may read

template <class T>
struct CtcSample {
  using V = Vec<T>;

  const CtcArgs* a;
  int64_t index, steps, labels, width;
  int64_t *place, *start;     // the class of each position; where each sample's target begins
  T *leap, *score, *rows[2];  // leap[s]: 0 where s - 2 leads to s, else never

  // Where each target begins, for all samples.
  static void find_starts(const CtcArgs* a, int64_t* start) {
    int64_t sum = 0;
    for (int64_t i = 0; i < a->count; ++i) {
      start[i] = a->packed ? sum : i * a->labels;
      const int64_t n = a->target_lengths[i];
      if (n > 0 && n <= a->labels) sum += n;
    }
  }

  CtcSample(const CtcArgs* args, const Run* run, int64_t i, int slot) : a(args), index(i) {
    start = static_cast<int64_t*>(run->scratch);
    const int64_t stride = a->row + 2 * kPad + V::kLanes;
    place = start + a->count + slot * kCtcScratch * (a->row + kCtcSlack);
    T* free = reinterpret_cast<T*>(place + a->row + kPad);
    T** const parts[] = {&leap, &score, &rows[0], &rows[1]};
    for (int k = 0; k < 4; ++k) *parts[k] = free + kPad + k * stride;
    labels = a->target_lengths[i];
    if (labels < 0 || labels > a->labels) {
      run->report(run, i, labels, 0, a->labels + 1);
      labels = 0;
    }
    if (a->packed) {
      // The last target ends where the labels do.
      const int64_t left = a->labels - start[i];
      if (labels > left || (i == a->count - 1 && labels < left)) run->report(run, i, labels, left, left + 1);
      if (labels > left) labels = left > 0 ? left : 0;
    }
    steps = a->input_lengths[i];
    if (steps < 0 || steps > a->steps) {
      run->report(run, i, steps, 0, a->steps + 1);
      steps = 0;
    }
    width = 2 * labels + 1;
    for (int64_t s = 0; s < width; ++s) {
      place[s] = a->blank;
      if (s % 2 == 0) continue;
      const int64_t at = start[i] + s / 2, label = a->targets[at];
      if (label < 0 || label >= a->classes)
        run->report(run, at, label, 0, a->classes);
      else
        place[s] = label;
    }
    for (int64_t s = -kPad; s < a->row + kPad + V::kLanes; ++s) leap[s] = rows[0][s] = rows[1][s] = T(kNever);
    for (int64_t s = 3; s < width; s += 2) {
      if (place[s] != a->blank && place[s] != place[s - 2]) leap[s] = 0;
    }
  }

  void gather(int64_t t) const {
    const T* x = static_cast<const T*>(a->x) + (t * a->count + index) * a->classes;
    for (int64_t s = 0; s < width; ++s) {
      const T v = x[place[s]];
      score[s] = v < T(kNever) ? T(kNever) : v;
    }
  }
  T* alpha(int64_t t) const { return static_cast<T*>(a->alpha) + (index * a->steps + t) * a->row; }
};

// log(exp(a) + exp(b) + exp(c))
template <class V>
MO_INLINE V log_add(V a, V b, V c) {
  const V m = max(a, max(b, c));
  return m + log(exp(a - m) + exp(b - m) + exp(c - m));
}

struct CtcContext {
  const void* args;
  const Run* run;
};

template <class T>
void ctc_task(void* context, int64_t i, int slot) {
  using V = Vec<T>;
  const auto& c = *static_cast<const CtcContext*>(context);
  const auto* a = static_cast<const CtcArgs*>(c.args);
  const CtcSample<T> sample(a, c.run, i, slot);
  T *before = sample.rows[0], *now = sample.rows[1];
  const int64_t width = sample.width;
  before[0] = 0;
  for (int64_t t = 0; t < sample.steps; ++t) {
    sample.gather(t);
    for (int64_t s = 0; s < width; s += V::kLanes) {
      const V ways = log_add(V::load(before + s), V::load(before + s - 1),
                             V::load(before + s - 2) + V::load(sample.leap + s));
      const V sum = ways + V::load(sample.score + s);
      sum.store(now + s, width - s < V::kLanes ? width - s : V::kLanes);
    }
    if (a->alpha) __builtin_memcpy(sample.alpha(t), now, static_cast<uint64_t>(width) * sizeof(T));
    T* const swapped = before;
    before = now;
    now = swapped;
  }
  T last[V::kLanes];
  log_add(V(before[width - 1]), V(width > 1 ? before[width - 2] : T(kNever)), V(kNever)).store(last);
  static_cast<T*>(a->loss)[i] = last[0] < T(0.1 * kNever) ? T(kInfinity) : -last[0];
}

template <class T>
void ctc_grad_task(void* context, int64_t i, int slot) {
  using V = Vec<T>;
  const auto& c = *static_cast<const CtcContext*>(context);
  const auto& grad = *static_cast<const CtcGradArgs*>(c.args);
  const CtcArgs* a = &grad.forward;
  const CtcSample<T> sample(a, c.run, i, slot);
  const T loss = static_cast<const T*>(a->loss)[i], g = static_cast<const T*>(grad.g)[i];
  const int64_t width = sample.width, steps = loss == T(kInfinity) ? 0 : sample.steps;
  for (int64_t t = a->steps - 1; t >= 0; --t) {
    T* dx = static_cast<T*>(grad.dx) + (t * a->count + i) * a->classes;
    for (int64_t k = 0; k < a->classes; ++k) dx[k] = 0;
  }
  T *after = sample.rows[0], *now = sample.rows[1];
  // Behind the last step all paths are past the last blank, whence the last two positions lead.
  after[width] = 0;
  sample.leap[width] = 0;
  for (int64_t t = steps - 1; t >= 0; --t) {
    sample.gather(t);
    const T* alpha = sample.alpha(t);
    T* share = sample.score;
    for (int64_t s = 0; s < width; s += V::kLanes) {
      const int64_t n = width - s < V::kLanes ? width - s : V::kLanes;
      const V ways = log_add(V::load(after + s), V::load(after + s + 1),
                             V::load(after + s + 2) + V::load(sample.leap + s + 2));
      (ways + V::load(sample.score + s)).store(now + s, n);
      exp(V::load(alpha + s, n) + ways + V(loss)).store(share + s, n);
    }
    T* dx = static_cast<T*>(grad.dx) + (t * a->count + i) * a->classes;
    T blank = 0;
    for (int64_t s = 0; s < width; s += 2) blank += share[s];
    dx[a->blank] -= g * blank;
    for (int64_t s = 1; s < width; s += 2) dx[sample.place[s]] -= g * share[s];
    after[width] = T(kNever);
    sample.leap[width] = T(kNever);
    T* const swapped = after;
    after = now;
    now = swapped;
  }
}

template <class T>
void ctc(const CtcArgs* args, const Run* run) {
  CtcContext context = {args, run};
  CtcSample<T>::find_starts(args, static_cast<int64_t*>(run->scratch));
  run->parallel(run, args->count, ctc_task<T>, &context);
}
template <class T>
void ctc_grad(const CtcGradArgs* args, const Run* run) {
  CtcContext context = {args, run};
  CtcSample<T>::find_starts(&args->forward, static_cast<int64_t*>(run->scratch));
  run->parallel(run, args->forward.count, ctc_grad_task<T>, &context);
}

MO_ISA_END

namespace markone::MARKONE_ISA {

void fill_ctc(LossKernels* table) {
  table->ctc[kF32] = {ctc<float>, MO_KERNEL_NAME("ctc_f32")};
  table->ctc[kF64] = {ctc<double>, MO_KERNEL_NAME("ctc_f64")};
  table->ctc_grad[kF32] = {ctc_grad<float>, MO_KERNEL_NAME("ctc_grad_f32")};
  table->ctc_grad[kF64] = {ctc_grad<double>, MO_KERNEL_NAME("ctc_grad_f64")};
}

}  // namespace markone::MARKONE_ISA
