// Stretches of images as their consumers see them: normalized, rectified, framed by zeros.
#include <string.h>

#include "CKernels.h"
#include "clones.h"

static void zero(float *to, long n) { memset(to, 0, sizeof(float) * n); }

static inline void convert(float *restrict to, const float *restrict x, const float *mean,
                           const float *scale, const float *shift, int relu, int n) {
  if (relu && mean)
    for (int c = 0; c < n; c++) {
      const float v = (x[c] - mean[c]) * scale[c] + shift[c];
      to[c] = v <= 0 ? 0 : v;  // NaN passes: divergence must show
    }
  else if (mean)
    for (int c = 0; c < n; c++) to[c] = (x[c] - mean[c]) * scale[c] + shift[c];
  else
    for (int c = 0; c < n; c++) to[c] = x[c] <= 0 ? 0 : x[c];
}

CLONES void ck_band(float *band, const float *image, ck_view view, ck_frame f) {
  const long line = (long)f.pixels * f.stride;
  const int c0 = f.first_channel, n = f.channels;
  const int from = f.first_pixel < 0 ? -f.first_pixel : 0;
  int until = f.width - f.first_pixel < f.pixels ? f.width - f.first_pixel : f.pixels;
  if (until < from) until = from;
  for (int y = f.first_line; y < f.first_line + f.lines; y++, band += line) {
    if (y < 0 || y >= f.height) {
      zero(band, line);
      continue;
    }
    zero(band, (long)from * f.stride);
    zero(band + (long)until * f.stride, (long)(f.pixels - until) * f.stride);
    const float *x = image + ((long)y * f.width + f.first_pixel + from) * f.image_channels + c0;
    float *to = band + (long)from * f.stride;
    if (!view.mean && !view.relu && n == f.image_channels && n == f.stride) {
      memcpy(to, x, sizeof(float) * n * (until - from));
      continue;
    }
    for (int i = from; i < until; i++, x += f.image_channels, to += f.stride) {
      if (!view.mean && !view.relu)
        memcpy(to, x, sizeof(float) * n);
      else if (view.mean)
        convert(to, x, view.mean + c0, view.scale + c0, view.shift + c0, view.relu, n);
      else
        convert(to, x, NULL, NULL, NULL, 1, n);
      if (n < f.stride) zero(to + n, f.stride - n);
    }
  }
}
