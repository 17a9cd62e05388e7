// Products of matrices whose rows are found by pointers: windows of images, lines of tiles.
#define KERNELS "product_kernel.h"
#include "instruction_sets.h"

void ck_row_product(float *c, long stride, ck_rows a, int count, const float *packed, int columns,
                    int add) {
  DISPATCH(row_product, c, stride, a, count, packed, columns, add);
}

void ck_outer_product(float *c, long stride, ck_terms a, int rows, ck_terms b, int columns,
                      int terms, int add) {
  DISPATCH(outer_product, c, stride, a, rows, b, columns, terms, add);
}

void ck_pack(float *packed, const float *const *from, int taps, int depth, int columns, int first,
             int last) {
  packed += 32L * taps * depth * first;
  for (int panel = first; panel < last; panel++) {
    const int n0 = 32 * panel, width = columns - n0 > 16 ? 32 : 16;
    const int n = columns - n0 < width ? columns - n0 : width;
    for (int t = 0; t < taps; t++)
      for (long k = 0; k < depth; k++, packed += width) {
        memcpy(packed, from[t] + k * columns + n0, sizeof(float) * n);
        for (int j = n; j < width; j++) packed[j] = 0;
      }
  }
}

void ck_transpose_taps(float *out, const float *w, int taps, int rows, int columns, int first,
                       int last) {
  enum { BLOCK = 16 };
  for (int t = 0; t < taps; t++) {
    const float *from = w + (long)(taps - 1 - t) * rows * columns;
    float *to = out + (long)t * rows * columns;
    for (int c0 = first; c0 < last; c0 += BLOCK) {
      const int c1 = c0 + BLOCK < last ? c0 + BLOCK : last;
      for (int r = 0; r < rows; r++)
        for (int c = c0; c < c1; c++) to[(long)c * rows + r] = from[(long)r * columns + c];
    }
  }
}
