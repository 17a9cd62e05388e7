// Pooling over windows and over whole images.
#include <float.h>
#include <string.h>

#include "CKernels.h"
#include "clones.h"

CLONES void ck_max_pool(float *y, uint8_t *arg, const float *x, ck_window w, long images) {
  const int c = w.channels;
  for (long n = 0; n < images; n++)
    for (int oy = 0; oy < w.out_height; oy++)
      for (int ox = 0; ox < w.out_width; ox++) {
        const size_t out = (((size_t)n * w.out_height + oy) * w.out_width + ox) * c;
        float *best = y + out;
        uint8_t *place = arg + out;
        int first = 1;
        for (int ky = 0; ky < w.kernel_height; ky++) {
          const int iy = oy * w.stride_height - w.pad_height + ky;
          if (iy < 0 || iy >= w.height) continue;
          for (int kx = 0; kx < w.kernel_width; kx++) {
            const int ix = ox * w.stride_width - w.pad_width + kx;
            if (ix < 0 || ix >= w.width) continue;
            const float *in = x + (((size_t)n * w.height + iy) * w.width + ix) * c;
            const uint8_t here = (uint8_t)(ky * w.kernel_width + kx);
            if (first) {
              for (int i = 0; i < c; i++) best[i] = in[i];
              for (int i = 0; i < c; i++) place[i] = here;
              first = 0;
            } else {
              // A NaN wins, so that divergence is never hidden by a pool.
              for (int i = 0; i < c; i++) {
                const int wins = !(in[i] <= best[i]);
                place[i] = wins ? here : place[i];
                best[i] = wins ? in[i] : best[i];
              }
            }
          }
        }
      }
}

CLONES void ck_max_pool_backward(float *dx, const float *dy, const uint8_t *arg, ck_window w,
                                 long images, int add) {
  const int c = w.channels;
  if (!add) memset(dx, 0, sizeof(float) * (size_t)images * w.height * w.width * c);
  for (long n = 0; n < images; n++)
    for (int oy = 0; oy < w.out_height; oy++)
      for (int ox = 0; ox < w.out_width; ox++) {
        const size_t out = (((size_t)n * w.out_height + oy) * w.out_width + ox) * c;
        for (int ky = 0; ky < w.kernel_height; ky++) {
          const int iy = oy * w.stride_height - w.pad_height + ky;
          if (iy < 0 || iy >= w.height) continue;
          for (int kx = 0; kx < w.kernel_width; kx++) {
            const int ix = ox * w.stride_width - w.pad_width + kx;
            if (ix < 0 || ix >= w.width) continue;
            float *to = dx + (((size_t)n * w.height + iy) * w.width + ix) * c;
            const uint8_t here = (uint8_t)(ky * w.kernel_width + kx);
            for (int i = 0; i < c; i++) to[i] += arg[out + i] == here ? dy[out + i] : 0;
          }
        }
      }
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
