// Windows of an image as rows of a matrix: what turns a convolution into a product.
#include <string.h>

#include "CKernels.h"
#include "clones.h"

CLONES void ck_im2col(float *columns, const float *x, ck_window w, long first, long last) {
  const int c = w.channels;
  const size_t row = (size_t)w.kernel_height * w.kernel_width * c;
  for (long line = first; line < last; line++) {
    const long image = line / w.out_height;
    const int top = (int)(line % w.out_height) * w.stride_height - w.pad_height;
    const float *source = x + (size_t)image * w.height * w.width * c;
    for (int ox = 0; ox < w.out_width; ox++) {
      const int left = ox * w.stride_width - w.pad_width;
      for (int ky = 0; ky < w.kernel_height; ky++) {
        float *to = columns + (size_t)ky * w.kernel_width * c;
        const int iy = top + ky;
        if (iy < 0 || iy >= w.height) {
          memset(to, 0, sizeof(float) * w.kernel_width * c);
          continue;
        }
        // The part of the window's line that lies inside the image, copied at once.
        int from = left < 0 ? -left : 0;
        int until = left + w.kernel_width > w.width ? w.width - left : w.kernel_width;
        if (until < from) until = from = 0;
        for (int i = 0; i < from * c; i++) to[i] = 0;
        const float *in = source + ((long)iy * w.width + left) * c;
        for (int i = from * c; i < until * c; i++) to[i] = in[i];
        for (int i = until * c; i < w.kernel_width * c; i++) to[i] = 0;
      }
      columns += row;
    }
  }
}
