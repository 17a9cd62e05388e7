// Pooling over windows and over whole images.
#define KERNELS "pooling_kernel.h"
#include "instruction_sets.h"

void ck_max_pool(float *y, uint8_t *arg, const float *x, ck_view view, ck_window w) {
  DISPATCH(max_pool, y, arg, x, view, w);
}

void ck_max_pool_before_norm(float *y, uint8_t *arg, const float *x, const float *gamma,
                             ck_window w, int first, int last) {
  DISPATCH(max_pool_before, y, arg, x, gamma, w, first, last);
}

// Windows that tile the image hold each of its pixels once.
static int tiles(ck_window w) {
  return w.stride_height == w.kernel_height && w.stride_width == w.kernel_width &&
         w.out_height * w.kernel_height == w.height && w.out_width * w.kernel_width == w.width &&
         !w.pad_height && !w.pad_width;
}

void ck_max_pool_backward(float *dx, const float *dy, const uint8_t *arg, ck_window w, int add) {
  if (!add && !tiles(w)) memset(dx, 0, sizeof(float) * (size_t)w.height * w.width * w.channels);
  DISPATCH(max_pool_backward, dx, dy, arg, w, 0, w.height, add || !tiles(w));
}

void ck_max_pool_norm_backward(float *dx, const float *dy, const uint8_t *arg, const float *x,
                               ck_norm_gradient n, ck_window w, int first, int last) {
  const long line = (long)w.width * w.channels;
  x += first * line;
  if (tiles(w) && first % w.kernel_height == 0 && last % w.kernel_height == 0) {
    const long from = (long)first / w.kernel_height * w.out_width * w.channels;
    DISPATCH(max_pool_norm_backward, dx, dy + from, arg + from, x, n, w,
             (last - first) / w.kernel_height);
  } else {
    memset(dx, 0, sizeof(float) * (size_t)((last - first) * line));
    DISPATCH(max_pool_backward, dx - first * line, dy, arg, w, first, last, 1);
    ck_normalize_backward(dx, dx, x, n, (last - first) * (long)w.width, w.channels, 0);
  }
}

void ck_average_pool(float *y, const float *x, ck_view view, ck_window w) {
  DISPATCH(average_pool, y, x, view, w);
}

void ck_average_pool_backward(float *dx, const float *dy, ck_window w, int add) {
  if (!add) memset(dx, 0, sizeof(float) * (size_t)w.height * w.width * w.channels);
  DISPATCH(average_pool_backward, dx, dy, w);
}

CLONES void ck_global_mean(float *y, const float *x, long images, long pixels, int channels) {
  const float factor = 1.0f / (float)pixels;
  for (long n = 0; n < images; n++) {
    float *out = y + n * channels;
    memset(out, 0, sizeof(float) * channels);
    for (long p = 0; p < pixels; p++, x += channels)
      for (int c = 0; c < channels; c++) out[c] += x[c];
    for (int c = 0; c < channels; c++) out[c] *= factor;
  }
}

CLONES void ck_global_mean_backward(float *dx, const float *dy, long images, long pixels,
                                    int channels, int add) {
  const float factor = 1.0f / (float)pixels;
  for (long n = 0; n < images; n++, dy += channels)
    for (long p = 0; p < pixels; p++, dx += channels)
      for (int c = 0; c < channels; c++) dx[c] = (add ? dx[c] : 0) + dy[c] * factor;
}
