// Elementwise operations and sums over rows.
#include <string.h>

#include "CKernels.h"

CLONES void ck_gather_rows(float *y, const float *x, long stride, long rows, long n, int add) {
  for (long r = 0; r < rows; r++, y += n, x += stride) {
    if (add)
      for (long i = 0; i < n; i++) y[i] += x[i];
    else
      memcpy(y, x, sizeof(float) * n);
  }
}

CLONES void ck_copy_or_add(float *y, const float *x, size_t n, int add) {
  if (!add) {
    memcpy(y, x, sizeof(float) * n);
    return;
  }
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

CLONES void ck_add_scaled(float *y, const float *x, float factor, size_t n, int add) {
  for (size_t i = 0; i < n; i++) y[i] = (add ? y[i] : 0) + factor * x[i];
}

CLONES void ck_scale(float *y, float factor, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] *= factor;
}

CLONES void ck_add_bias(float *y, const float *bias, long rows, int channels) {
  for (long r = 0; r < rows; r++, y += channels)
    for (int c = 0; c < channels; c++) y[c] += bias[c];
}

CLONES void ck_column_sums(float *sums, const float *x, long rows, int channels) {
  memset(sums, 0, sizeof(float) * channels);
  for (long r = 0; r < rows; r++, x += channels)
    for (int c = 0; c < channels; c++) sums[c] += x[c];
}

CLONES static void add_into(float *out, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

// Sums parts [first, first + count) of up to 256 elements into out.
static void tree(float *out, const float *parts, size_t first, size_t count, size_t stride,
                 size_t n) {
  if (count == 1) {
    memcpy(out, parts + first * stride, sizeof(float) * n);
    return;
  }
  float right[256];
  const size_t half = count / 2;
  tree(out, parts, first, half, stride, n);
  tree(right, parts, first + half, count - half, stride, n);
  add_into(out, out, right, n);
}

void ck_tree_sum(float *out, const float *parts, size_t count, size_t stride, size_t n) {
  for (size_t at = 0; at < n; at += 256)
    tree(out + at, parts + at, 0, count, stride, n - at < 256 ? n - at : 256);
}

CLONES double ck_square_sum(const float *x, size_t n) {
  double total = 0;
  for (size_t at = 0; at < n; at += 4096) {
    const size_t end = n - at < 4096 ? n : at + 4096;
    double lane[8] = {0};
    size_t i = at;
    for (; i + 8 <= end; i += 8)
      for (int j = 0; j < 8; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (int j = 0; i < end; i++, j++) lane[j] += (double)x[i] * (double)x[i];
    total += ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
             ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  }
  return total;
}
