// Resizing with a triangle filter, in fixed point: integer sums have the same bits on every
// machine.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "CPictures.h"
#include <clones.h>

#pragma STDC FP_CONTRACT OFF

// Weights have so many bits behind the point: a sum of weights of 1, times 255, fits 32 bits.
#define BITS 22

typedef struct {
  int first, count;
} taps;

typedef struct {
  double scale, support;
  int most;
} filter;

static filter filter_of(double size, int out) {
  filter f = {.scale = size / out};
  // The triangle is as wide as a pixel of the result, and at least as one of the picture.
  f.support = f.scale < 1 ? 1 : f.scale;
  f.most = (int)ceil(f.support) * 2 + 1;
  return f;
}

// For each pixel of the result those of the picture that it is made of, with their weights.
static void weigh(taps *at, int32_t *weights, filter f, double start, int in, int out) {
  for (int i = 0; i < out; i++, weights += f.most) {
    const double center = start + (i + 0.5) * f.scale;
    int first = (int)(center - f.support + 0.5), last = (int)(center + f.support + 0.5);
    if (first < 0) first = 0;
    if (last > in) last = in;
    if (last - first > f.most) last = first + f.most;
    double sum = 0, w[f.most];
    for (int k = first; k < last; k++) {
      const double d = fabs((k - center + 0.5) / f.support);
      w[k - first] = d < 1 ? 1 - d : 0;
      sum += w[k - first];
    }
    for (int k = 0; k < last - first; k++)
      weights[k] = (int32_t)(0.5 + w[k] / sum * (1 << BITS));
    at[i] = (taps){first, last - first};
  }
}

typedef int32_t four __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));

// A pixel's sums, rounded. Weights are not negative, so no sum is.
static inline four_bytes rounded(four sum) {
  const four most = {255, 255, 255, 255}, value = sum >> BITS, over = value > most;
  return __builtin_convertvector((value & ~over) | (most & over), four_bytes);
}

CLONES static void shrink_line(uint8_t *to, const uint8_t *line, const taps *at,
                               const int32_t *weights, int most, int out) {
  for (int i = 0; i < out; i++, weights += most) {
    const uint8_t *pixel = line + 4L * at[i].first;
    const int32_t half = 1 << (BITS - 1);
    four sum = {half, half, half, half};
    for (int k = 0; k < at[i].count; k++, pixel += 4) {
      four_bytes bytes;
      memcpy(&bytes, pixel, 4);
      sum += __builtin_convertvector(bytes, four) * weights[k];
    }
    const four_bytes pixel_of_four = rounded(sum);
    memcpy(to + 4 * i, &pixel_of_four, 4);
  }
}

CLONES static void sum_lines(int32_t *sums, const uint8_t *line, int32_t weight, int count) {
  for (int i = 0; i < count; i++) sums[i] += line[i] * weight;
}

CLONES static void put_line(uint8_t *out, const int32_t *sums, int width, int mirrored) {
  for (int i = 0; i < width; i++) {
    four sum;
    memcpy(&sum, sums + 4 * (mirrored ? width - 1 - i : i), 16);
    const four_bytes pixel = rounded(sum);
    // The next pixel overwrites the fourth byte; behind the last one there is no room for it.
    memcpy(out + 3 * i, &pixel, i + 1 < width ? 4 : 3);
  }
}

// The lines of the picture that the result is made of.
static void lines_of(const double at[4], int height, int out_height, int *first, int *count) {
  const filter f = filter_of(at[3], out_height);
  const double top = at[1] + 0.5 * f.scale - f.support,
               bottom = at[1] + at[3] - 0.5 * f.scale + f.support;
  int low = (int)(top + 0.5), high = (int)(bottom + 0.5);
  if (low < 0) low = 0;
  if (high > height) high = height;
  *first = low;
  *count = high - low;
}

long cp_resize_scratch(int out_width, int out_height, int width, int height, const double at[4]) {
  (void)width;
  int first, count;
  lines_of(at, height, out_height, &first, &count);
  const filter across = filter_of(at[2], out_width), down = filter_of(at[3], out_height);
  return (long)sizeof(taps) * (out_width + out_height) +
         4L * ((long)across.most * out_width + (long)down.most * out_height) +
         16L * out_width + 4L * out_width * (count > 0 ? count : 1);
}

void cp_resize(uint8_t *out, int out_width, int out_height, const uint8_t *pixels, int width,
               int height, const double at[4], int mirrored, void *scratch) {
  const filter across = filter_of(at[2], out_width), down = filter_of(at[3], out_height);
  int first, count;
  lines_of(at, height, out_height, &first, &count);
  int32_t *sums = scratch;
  int32_t *weights_across = sums + 4L * out_width;
  int32_t *weights_down = weights_across + (long)across.most * out_width;
  taps *taps_across = (taps *)(weights_down + (long)down.most * out_height);
  taps *taps_down = taps_across + out_width;
  uint8_t *lines = (uint8_t *)(taps_down + out_height);
  weigh(taps_across, weights_across, across, at[0], width, out_width);
  weigh(taps_down, weights_down, down, at[1], height, out_height);
  for (int y = 0; y < count; y++)
    shrink_line(lines + 4L * out_width * y, pixels + 4L * width * (first + y), taps_across,
                weights_across, across.most, out_width);
  for (int y = 0; y < out_height; y++) {
    for (int i = 0; i < 4 * out_width; i++) sums[i] = 1 << (BITS - 1);
    for (int k = 0; k < taps_down[y].count; k++)
      sum_lines(sums, lines + 4L * out_width * (taps_down[y].first + k - first),
                weights_down[(long)down.most * y + k], 4 * out_width);
    put_line(out + 3L * out_width * y, sums, out_width, mirrored);
  }
}
