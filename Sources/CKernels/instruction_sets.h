// Compiles KERNELS once for each instruction set: LANES floats a vector, tiles of ROWS rows and two
// vectors, as many as the registers hold. ISA(name) tells the copies apart.
#include <string.h>

#include "CKernels.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define vec ISA(vec)
#define ivec ISA(ivec)
#define load ISA(load)
#define store ISA(store)
#define broadcast ISA(broadcast)
#define pick ISA(pick)
#define load_part ISA(load_part)
#define store_part ISA(store_part)

#if defined(__x86_64__) && defined(__linux__)

#pragma clang attribute push(                                                                     \
    __attribute__((target("arch=x86-64-v4"), min_vector_width(512))), apply_to = function)
#define ISA(name) name##_avx512
#define LANES 16
#define ROWS 14
#include "lanes.h"
#include KERNELS
#undef ISA
#undef LANES
#undef ROWS
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#define ISA(name) name##_avx2
#define LANES 8
#define ROWS 6
#include "lanes.h"
#include KERNELS
#undef ISA
#undef LANES
#undef ROWS
#pragma clang attribute pop

#endif

#define ISA(name) name##_baseline
#define LANES 4
#define ROWS 6
#include "lanes.h"
#include KERNELS

// Calls the copy for this machine.
#if defined(__x86_64__) && defined(__linux__)
#define DISPATCH(name, ...)                                                                        \
  switch (ck_instruction_set_number()) {                                                           \
    case 2: name##_avx512(__VA_ARGS__); break;                                                     \
    case 1: name##_avx2(__VA_ARGS__); break;                                                       \
    default: name##_baseline(__VA_ARGS__);                                                         \
  }
#else
#define DISPATCH(name, ...) name##_baseline(__VA_ARGS__)
#endif
