// From stored bytes to a network's input: normalization, crop and flip in one pass.
#include "CPictures.h"

static int reflect(int i, int n) {
  // 0 1 2 3 with one pixel of padding reads 1 | 0 1 2 3 | 2; wider paddings go back and forth.
  if (n == 1) return 0;
  const int period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

void cp_image(float *out, const uint8_t *image, int height, int width, int channels,
              const float *mean, const float *inverse_deviation, int dy, int dx, int flip) {
  for (int y = 0; y < height; y++) {
    const uint8_t *line = image + (long)reflect(y + dy, height) * width * channels;
    for (int x = 0; x < width; x++, out += channels) {
      const int from = flip ? width - 1 - x : x;
      const uint8_t *pixel = line + (long)reflect(from + dx, width) * channels;
      for (int c = 0; c < channels; c++)
        out[c] = ((float)pixel[c] - mean[c]) * inverse_deviation[c];
    }
  }
}

void cp_image_floats(float *out, const float *image, int height, int width, int channels, int dy,
                     int dx, int flip) {
  for (int y = 0; y < height; y++) {
    const float *line = image + (long)reflect(y + dy, height) * width * channels;
    for (int x = 0; x < width; x++, out += channels) {
      const int from = flip ? width - 1 - x : x;
      const float *pixel = line + (long)reflect(from + dx, width) * channels;
      for (int c = 0; c < channels; c++) out[c] = pixel[c];
    }
  }
}
