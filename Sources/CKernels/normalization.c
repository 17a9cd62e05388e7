// Batch norm, forward and backward. Sums run in single precision over blocks of 32 rows and in
// double precision over the blocks: fast, and as exact as the data deserve. A one-pass variance
// E[x^2] - E[x]^2 would lose everything where the mean is large.
#include "CKernels.h"
#include "clones.h"

enum { BLOCK = 32, TILE = 64 };  // rows a block; channels a tile, held in registers or L1

CLONES void ck_moments(double *mean, double *deviation, const float *x, long rows, int channels) {
  for (int c0 = 0; c0 < channels; c0 += TILE) {
    const int n = channels - c0 < TILE ? channels - c0 : TILE;
    double sum[TILE] = {0}, square[TILE] = {0}, residue[TILE] = {0};
    float center[TILE];
    for (long r0 = 0; r0 < rows; r0 += BLOCK) {
      const long r1 = r0 + BLOCK < rows ? r0 + BLOCK : rows;
      float part[TILE] = {0};
      for (long r = r0; r < r1; r++) {
        const float *in = x + r * channels + c0;
        for (int c = 0; c < n; c++) part[c] += in[c];
      }
      for (int c = 0; c < n; c++) sum[c] += part[c];
    }
    for (int c = 0; c < n; c++) {
      sum[c] /= (double)rows;
      center[c] = (float)sum[c];
    }
    for (long r0 = 0; r0 < rows; r0 += BLOCK) {
      const long r1 = r0 + BLOCK < rows ? r0 + BLOCK : rows;
      float part[TILE] = {0}, rest[TILE] = {0};
      for (long r = r0; r < r1; r++) {
        const float *in = x + r * channels + c0;
        for (int c = 0; c < n; c++) {
          const float d = in[c] - center[c];
          part[c] += d * d;
          rest[c] += d;
        }
      }
      for (int c = 0; c < n; c++) {
        square[c] += part[c];
        residue[c] += rest[c];
      }
    }
    for (int c = 0; c < n; c++) {
      // What is left over about the first mean is what rounding took from it.
      const double shift = residue[c] / (double)rows;
      mean[c0 + c] = (double)center[c] + shift;
      deviation[c0 + c] = square[c] - (double)rows * shift * shift;
    }
  }
}

CLONES void ck_normalize(float *y, const float *x, const float *mean, const float *scale,
                         const float *beta, long rows, int channels, int relu) {
  if (relu) {
    for (long r = 0; r < rows; r++, x += channels, y += channels)
      for (int c = 0; c < channels; c++) {
        const float v = (x[c] - mean[c]) * scale[c] + beta[c];
        y[c] = v <= 0 ? 0 : v;  // NaN passes: divergence must show
      }
  } else {
    for (long r = 0; r < rows; r++, x += channels, y += channels)
      for (int c = 0; c < channels; c++) y[c] = (x[c] - mean[c]) * scale[c] + beta[c];
  }
}

CLONES void ck_normalize_sums(double *sum_dy, double *sum_dy_x, const float *dy, const float *x,
                              const float *y, const float *mean, long rows, int channels,
                              int relu) {
  for (int c0 = 0; c0 < channels; c0 += TILE) {
    const int n = channels - c0 < TILE ? channels - c0 : TILE;
    double sum[TILE] = {0}, product[TILE] = {0};
    for (long r0 = 0; r0 < rows; r0 += BLOCK) {
      const long r1 = r0 + BLOCK < rows ? r0 + BLOCK : rows;
      float part[TILE] = {0}, part_x[TILE] = {0};
      for (long r = r0; r < r1; r++) {
        const size_t at = (size_t)r * channels + c0;
        for (int c = 0; c < n; c++) {
          const float g = !relu || y[at + c] > 0 ? dy[at + c] : 0;
          part[c] += g;
          part_x[c] += g * (x[at + c] - mean[c0 + c]);
        }
      }
      for (int c = 0; c < n; c++) {
        sum[c] += part[c];
        product[c] += part_x[c];
      }
    }
    for (int c = 0; c < n; c++) {
      sum_dy[c0 + c] = sum[c];
      sum_dy_x[c0 + c] = product[c];
    }
  }
}

CLONES void ck_normalize_backward(float *dx, const float *dy, const float *x, const float *y,
                                  const float *mean, const float *a, const float *b,
                                  const float *c, long rows, int channels, int relu, int add) {
  for (long r = 0; r < rows; r++) {
    const size_t at = (size_t)r * channels;
    for (int i = 0; i < channels; i++) {
      const float g = !relu || y[at + i] > 0 ? dy[at + i] : 0;
      const float d = g * a[i] - b[i] - (x[at + i] - mean[i]) * c[i];
      dx[at + i] = add ? dx[at + i] + d : d;
    }
  }
}
