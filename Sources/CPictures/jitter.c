// Brightness, contrast and saturation, in integers: the bits do not depend on the machine.
#include "CPictures.h"
#include <clones.h>

#define ONE 65536

static inline uint8_t limited(int64_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

// Luma of Rec. 601, in units of 1/65536 of a step.
static inline int64_t luma(const uint8_t *p) {
  return 19595L * p[0] + 38470L * p[1] + 7471L * p[2];
}

static inline void blend(uint8_t *p, int64_t grey, int64_t factor) {
  for (int c = 0; c < 3; c++)
    p[c] = limited((factor * p[c] + (ONE - factor) * grey + ONE / 2) >> 16);
}

CLONES void cp_jitter(uint8_t *pixels, long count, const int32_t factors[3], const int order[3]) {
  for (int step = 0; step < 3; step++) {
    const int kind = order[step];
    const int64_t factor = factors[kind];
    int64_t mean = 0;
    if (kind == 1) {
      for (long i = 0; i < count; i++) mean += luma(pixels + 3 * i);
      mean = (mean / count + ONE / 2) >> 16;
    }
    for (long i = 0; i < count; i++) {
      uint8_t *p = pixels + 3 * i;
      blend(p, kind == 0 ? 0 : kind == 1 ? mean : (luma(p) + ONE / 2) >> 16, factor);
    }
  }
}
