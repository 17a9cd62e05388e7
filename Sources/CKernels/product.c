// Products of matrices whose rows are found by pointers: windows of images, lines of tiles.
#define PANEL 16  // columns of a packed right operand that lie side by side
// Terms and columns of an outer product that are worked on together: they stay in the second-level
// cache.
#define OUTER_TERMS 168
#define OUTER_COLUMNS 256
#define KERNELS "product_kernel.h"
#include "instruction_sets.h"

void ck_row_product(float *c, long stride, ck_rows a, int count, const float *packed, int columns,
                    int add) {
  DISPATCH(row_product, c, stride, NULL, a, count, packed, columns, add);
}

void ck_row_product_to(float *const *places, ck_rows a, int count, const float *packed,
                       int columns, int add) {
  DISPATCH(row_product, NULL, 0, places, a, count, packed, columns, add);
}

void ck_outer_product(float *c, long stride, ck_terms a, int rows, const float *b, long b_stride,
                      int columns, int terms, int add) {
  DISPATCH(outer_product, c, stride, a, rows, b, b_stride, columns, terms, add);
}

void ck_pack(float *packed, const float *const *from, int taps, int depth, int columns, int first,
             int last) {
  packed += (long)PANEL * taps * depth * first;
  for (int panel = first; panel < last; panel++) {
    const int n0 = PANEL * panel, n = columns - n0 < PANEL ? columns - n0 : PANEL;
    for (int t = 0; t < taps; t++)
      for (long k = 0; k < depth; k++, packed += PANEL) {
        const float *row = from[t] + k * columns + n0;
        if (n == PANEL) {
          memcpy(packed, row, sizeof(float) * PANEL);
        } else {
          memset(packed, 0, sizeof(float) * PANEL);
          memcpy(packed, row, sizeof(float) * n);
        }
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
