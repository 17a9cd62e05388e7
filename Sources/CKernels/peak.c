// What this machine can do at best, for benchmarks to compare with.
#if defined(__x86_64__)
#define REGISTER(v) "+x"(v)
#else
#define REGISTER(v) "+w"(v)
#endif
#define KERNELS "peak_kernel.h"
#include "instruction_sets.h"

long ck_multiply_adds(long rounds) {
  volatile float sink;
  long lanes = 4;
#if defined(__x86_64__) && defined(__linux__)
  switch (ck_instruction_set_number()) {
    case 2: sink = multiply_adds_avx512(rounds); lanes = 16; break;
    case 1: sink = multiply_adds_avx2(rounds); lanes = 8; break;
    default: sink = multiply_adds_baseline(rounds);
  }
#else
  sink = multiply_adds_baseline(rounds);
#endif
  (void)sink;
  return rounds * 10 * lanes;
}
