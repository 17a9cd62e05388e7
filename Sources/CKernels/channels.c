// What is done to every channel by itself: batch norm forward and backward, ReLU, sums of values.
#define KERNELS "channels_kernel.h"
#include "instruction_sets.h"

// Rows that go through all tiles of channels before the next ones: few enough to stay in the
// first-level cache.
static long stretch(int channels) {
  const long rows = 4096 / channels / 32 * 32;
  return rows < 32 ? 32 : rows;
}
#define EACH_STRETCH(first, count)                                                                 \
  for (long first = 0, step = stretch(channels), count; first < rows; first += step)               \
    if ((count = rows - first < step ? rows - first : step))

static void zero(float *to, long n) { memset(to, 0, sizeof(float) * n); }

void ck_band(float *band, const float *image, ck_view view, ck_frame f) {
  const long line = (long)f.pixels * f.stride;
  const int c0 = f.first_channel, n = f.channels;
  const int is_plain = !view.mean && !view.relu;
  if (view.mean) {
    view.mean += c0;
    view.scale += c0;
    view.shift += c0;
  }
  // The pixels of the band that lie inside of the image.
  int from = 0, until = f.pixels;
  while (from < until && f.first_pixel + from * f.step < 0) from++;
  while (until > from && f.first_pixel + (until - 1) * f.step >= f.width) until--;
  for (int i = 0; i < f.lines; i++, band += line) {
    const int y = f.first_line + i * f.line_step;
    if (y < 0 || y >= f.height || from == until) {
      zero(band, line);
      continue;
    }
    zero(band, (long)from * f.stride);
    zero(band + (long)until * f.stride, (long)(f.pixels - until) * f.stride);
    const long x = (long)y * f.width + f.first_pixel + from * f.step;
    const float *source = image + x * f.image_channels + c0;
    float *to = band + (long)from * f.stride;
    if (is_plain && f.step == 1 && n == f.image_channels && n == f.stride) {
      memcpy(to, source, sizeof(float) * n * (until - from));
      continue;
    }
    const long step = (long)f.step * f.image_channels;
    DISPATCH(view_pixels, to, f.stride, source, step, until - from, n, view);
    if (n < f.stride)
      for (int p = 0; p < until - from; p++) zero(to + (long)p * f.stride + n, f.stride - n);
  }
}

void ck_view_rows(float *y, long y_stride, const float *x, long stride, ck_view view, long rows,
                  int channels) {
  DISPATCH(view_pixels, y, y_stride, x, stride, rows, channels, view);
}

void ck_sum_of_two(float *y, const float *a, ck_view view_a, const float *b, ck_view view_b,
                   float factor, long rows, int channels) {
  EACH_STRETCH(first, count) {
    const long at = first * channels;
    DISPATCH(sum_of_two, y + at, a + at, view_a, b + at, view_b, factor, count, channels);
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
  enum { MOST = 512 };  // rows, whose sums about the first ones are safe
  for (long first = 0; first < rows; first += MOST) {
    const long count = rows - first < MOST ? rows - first : MOST;
    const float *at = x + first * channels;
    if (m->count == 0) {
      DISPATCH(moments, m->mean, m->deviation, at, count, channels);
    } else {
      DISPATCH(moments, m->work, m->work + channels, at, count, channels);
      merge(m->mean, m->deviation, m->count, m->work, m->work + channels, (double)count, channels);
    }
    m->count += (double)count;
  }
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

void ck_finish_gradient(double *sums, double *products, float *g, const float *x, ck_view view,
                        long rows, int channels) {
  EACH_STRETCH(first, count) {
    const long at = first * channels;
    DISPATCH(finish_gradient, sums, products, g + at, x + at, view, count, channels);
  }
}

void ck_merge_sums(double *sums, int pieces, long count) {
  if (pieces < 2) return;
  const int half = pieces / 2;
  ck_merge_sums(sums, half, count);
  ck_merge_sums(sums + half * count, pieces - half, count);
  for (long i = 0; i < count; i++) sums[i] += sums[half * count + i];
}

void ck_normalize_backward(float *dx, const float *g, const float *x, ck_norm_gradient n,
                           long rows, int channels, int add) {
  EACH_STRETCH(first, count) {
    const long at = first * channels;
    DISPATCH(normalize_backward, dx + at, g + at, x + at, n, count, channels, add);
  }
}
