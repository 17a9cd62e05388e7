// Batch norm's sums, forward and backward. They run in single precision over blocks of 32 rows and
// in double precision over the blocks: fast, and as exact as the data deserve. A one-pass variance
// E[x^2] - E[x]^2 would lose everything where the mean is large.
#include "CKernels.h"
#include "clones.h"

enum { BLOCK = 32, TILE = 64 };  // rows a block; channels a tile, held in registers or L1

CLONES static void moments(double *mean, double *deviation, const float *x, long rows,
                           int channels) {
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

// Mean and sum of squared deviations of two sets of numbers together (Chan et al. 1979).
static void merge(double *mean, double *deviation, double count, const double *mean2,
                  const double *deviation2, double count2, int channels) {
  const double part = count2 / (count + count2), weight = count * part;
  for (int c = 0; c < channels; c++) {
    const double delta = mean2[c] - mean[c];
    mean[c] += delta * part;
    deviation[c] += deviation2[c] + delta * delta * weight;
  }
}

void ck_add_moments(ck_moments *m, const float *x, long rows, int channels) {
  if (m->count == 0) {
    moments(m->mean, m->deviation, x, rows, channels);
  } else {
    moments(m->work, m->work + channels, x, rows, channels);
    merge(m->mean, m->deviation, m->count, m->work, m->work + channels, (double)rows, channels);
  }
  m->count += (double)rows;
}

void ck_merge_moments(ck_moments *pieces, int count, int channels) {
  if (count < 2) return;
  const int half = count / 2;
  ck_merge_moments(pieces, half, channels);
  ck_merge_moments(pieces + half, count - half, channels);
  merge(pieces->mean, pieces->deviation, pieces->count, pieces[half].mean, pieces[half].deviation,
        pieces[half].count, channels);
  pieces->count += pieces[half].count;
}

CLONES void ck_finish_gradient(double *sums, double *products, float *g, const float *x,
                               ck_view view, long rows, int channels) {
  if (!view.mean) {
    for (long i = 0; i < rows * channels; i++) g[i] = x[i] > 0 ? g[i] : 0;
    return;
  }
  for (int c0 = 0; c0 < channels; c0 += TILE) {
    const int n = channels - c0 < TILE ? channels - c0 : TILE;
    float mean[TILE], scale[TILE], shift[TILE];
    for (int c = 0; c < n; c++) {
      mean[c] = view.mean[c0 + c];
      scale[c] = view.scale[c0 + c];
      shift[c] = view.shift[c0 + c];
    }
    for (long r0 = 0; r0 < rows; r0 += BLOCK) {
      const long r1 = r0 + BLOCK < rows ? r0 + BLOCK : rows;
      float part[TILE] = {0}, part_x[TILE] = {0};
      for (long r = r0; r < r1; r++) {
        float *restrict to = g + r * channels + c0;
        const float *restrict in = x + r * channels + c0;
        if (view.relu)
          for (int c = 0; c < n; c++) {
            const float d = in[c] - mean[c];
            const float v = d * scale[c] + shift[c] > 0 ? to[c] : 0;
            to[c] = v;
            part[c] += v;
            part_x[c] += v * d;
          }
        else
          for (int c = 0; c < n; c++) {
            part[c] += to[c];
            part_x[c] += to[c] * (in[c] - mean[c]);
          }
      }
      for (int c = 0; c < n; c++) {
        sums[c0 + c] += part[c];
        products[c0 + c] += part_x[c];
      }
    }
  }
}

void ck_merge_sums(double *sums, int pieces, long count) {
  if (pieces < 2) return;
  const int half = pieces / 2;
  ck_merge_sums(sums, half, count);
  ck_merge_sums(sums + half * count, pieces - half, count);
  for (long i = 0; i < count; i++) sums[i] += sums[half * count + i];
}

CLONES void ck_normalize_backward(float *dx, const float *g, const float *x, const float *mean,
                                  const float *a, const float *b, const float *c, long rows,
                                  int channels, int add) {
  for (long r = 0; r < rows; r++, dx += channels, g += channels, x += channels)
    for (int i = 0; i < channels; i++) {
      const float d = g[i] * a[i] - b[i] - (x[i] - mean[i]) * c[i];
      dx[i] = add ? dx[i] + d : d;
    }
}
