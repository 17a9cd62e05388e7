// 3x3 windows of stride 2 by Winograd's minimal filtering of their phases: 81 products a tile of
// 4x4 outputs where windows take 144.
#define PANEL 16  // as products take their right operand
#define KERNELS "polyphase_kernel.h"
#include "instruction_sets.h"

void ck_polyphase_input(float *v, long position, long tile_stride, const float *band, long line,
                        long pixel, int tiles, int channels) {
  DISPATCH(polyphase_input, v, position, tile_stride, band, line, pixel, tiles, channels);
}

void ck_polyphase_turned_input(float *v, long position, long tile_stride, const float *band,
                               long line, long pixel, int tiles, int channels, int late) {
  DISPATCH(polyphase_turned_input, v, position, tile_stride, band, line, pixel, tiles, channels,
           late);
}

void ck_polyphase_gradient(float *m, long position, long tile_stride, const float *band, long line,
                           long pixel, int tiles, int channels) {
  DISPATCH(polyphase_gradient, m, position, tile_stride, band, line, pixel, tiles, channels);
}

void ck_polyphase_output(float *y, long line, long pixel, int lines, int pixels, int channels,
                         const float *m, long position, long tile_stride, int tiles, int add) {
  DISPATCH(polyphase_output, y, line, pixel, lines, pixels, channels, m, position, tile_stride,
           tiles, add);
}

void ck_polyphase_data(float *dx, long line, long pixel, int lines, int pixels, int channels,
                       const float *m, long position, long tile_stride, int tiles, int add,
                       int late) {
  DISPATCH(polyphase_data, dx, line, pixel, lines, pixels, channels, m, position, tile_stride,
           tiles, add, late);
}

void ck_polyphase_weights(float *u, long position, const float *w, int rows, int columns,
                          int first, int last) {
  DISPATCH(weights, u, position, w, rows, columns, first, last);
}

void ck_polyphase_weight_gradient(float *dw, long tap, long row, const float *u, long position,
                                  long stride, int rows, int columns) {
  DISPATCH(weight_gradient, dw, tap, row, u, position, stride, rows, columns);
}
