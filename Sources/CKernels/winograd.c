// Winograd's minimal filtering F(4x4, 3x3): 36 products where a direct convolution takes 144.
#define PANEL 16  // as products take their right operand
#define KERNELS "winograd_kernel.h"
#include "instruction_sets.h"

void ck_winograd_input(float *v, long position, long tile_stride, const float *band, long line,
                       long pixel, int tiles, int channels, int tall, int wide) {
  DISPATCH(winograd_input, v, position, tile_stride, band, line, pixel, tiles, channels, tall,
           wide);
}

void ck_winograd_gradient(float *m, long position, long tile_stride, const float *band, long line,
                          long pixel, int lines, int pixels, int tiles, int channels, int tall,
                          int wide) {
  DISPATCH(winograd_gradient, m, position, tile_stride, band, line, pixel, lines, pixels, tiles,
           channels, tall, wide);
}

void ck_winograd_output(float *y, long line, long pixel, int lines, int pixels, int channels,
                        const float *m, long position, long tile_stride, int tiles, int add,
                        int tall, int wide) {
  DISPATCH(winograd_output, y, line, pixel, lines, pixels, channels, m, position, tile_stride,
           tiles, add, tall, wide);
}

void ck_winograd_weights(float *u, long position, const float *w, int rows, int columns, int first,
                         int last) {
  DISPATCH(weights, u, position, w, rows, columns, first, last);
}

void ck_winograd_weight_gradient(float *dw, long tap, long row, const float *u, long position,
                                 long stride, int rows, int columns) {
  DISPATCH(weight_gradient, dw, tap, row, u, position, stride, rows, columns);
}
