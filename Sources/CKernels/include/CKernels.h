// The elementwise, reducing and moving parts of training, in plain C, compiled per instruction set.
// Everything is row-major and channels-last (NHWC), single precision unless said. Kernels work on
// the range that they are given and never allocate: who calls decides how work is cut, and with it
// the order of every sum.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "clones.h"

#ifdef __cplusplus
extern "C" {
#endif

// The instruction set whose kernels run on this machine: "avx512", "avx2" or "baseline".
const char *ck_instruction_set(void);
int ck_instruction_set_number(void);  // 2, 1 or 0
// For tests: no instruction set above this number on this thread from now on, where products and
// Winograd's transforms are concerned.
void ck_limit_instruction_set(int number);

// For benchmarks: multiplies and adds in registers for so many rounds, and says how many single
// products that were.
long ck_multiply_adds(long rounds);

// ---- products ----------------------------------------------------------------------------------

// Rows of a left operand: row i is, for each tap t in turn, the `depth` numbers from
// rows[t * tap_stride + i] + offset on.
typedef struct {
  const float *const *rows;
  long tap_stride, offset;
  int taps, depth;
} ck_rows;

// c[i][j] (+)= sum over k of a[i][k] * b[k][j] for i < count, lines of c `stride` apart. b is
// packed: panels of 16 columns, the last one filled up with zeros; in each panel all k, the columns
// side by side.
void ck_row_product(float *c, long stride, ck_rows a, int count, const float *packed, int columns,
                    int add);

// The same where line i of c is at places[i].
void ck_row_product_to(float *const *places, ck_rows a, int count, const float *packed,
                       int columns, int add);

// Panels [first, last) of what ck_row_product takes, from taps[t][depth][columns].
void ck_pack(float *packed, const float *const *from, int taps, int depth, int columns, int first,
             int last);

// One factor of each term of an outer product: the numbers from rows[t] + offset on.
typedef struct {
  const float *const *rows;
  long offset;
} ck_terms;

// c[i][j] (+)= sum over t < terms of a[t][i] * b[t][j], rows of b `b_stride` apart. May read, not
// use, up to 31 numbers behind a row of a.
void ck_outer_product(float *c, long stride, ck_terms a, int rows, const float *b, long b_stride,
                      int columns, int terms, int add);

// out[t][c][r] = w[taps - 1 - t][r][c] for columns [first, last): a convolution's weights as its
// gradient with respect to the input needs them.
void ck_transpose_taps(float *out, const float *w, int taps, int rows, int columns, int first,
                       int last);

// ---- input of convolutions ---------------------------------------------------------------------

// How a consumer sees a stored value: (x - mean) * scale + shift of each channel unless mean is
// null, and what is negative as zero when relu.
typedef struct {
  const float *mean, *scale, *shift;
  int relu;
} ck_view;

// A stretch of an image [height][width][image_channels]: so many lines, pixels and channels from
// the first ones on, every `line_step`th line and every `step`th pixel; they may lie outside.
// Pixels are written `stride` numbers apart.
typedef struct {
  int height, width, image_channels;
  int first_line, line_step, lines, first_pixel, step, pixels, first_channel, channels, stride;
} ck_frame;

// Writes band[lines][pixels][stride]; what is outside of the image is zero, as is the rest of each
// stride.
void ck_band(float *band, const float *image, ck_view view, ck_frame frame);

// Rows of x, `stride` apart, as they are seen.
void ck_view_rows(float *y, long y_stride, const float *x, long stride, ck_view view, long rows,
                  int channels);

// y = a + factor * b, both as they are seen.
void ck_sum_of_two(float *y, const float *a, ck_view view_a, const float *b, ck_view view_b,
                   float factor, long rows, int channels);

// ---- Winograd's F(4x4, 3x3) --------------------------------------------------------------------

// Of a line of tiles, the numbers of 6x6 positions, `position` apart; of each position the tiles,
// `tile_stride` apart; of each tile the channels. Channels are counted up to a multiple of 16, with
// room for that, except where whole pixels of an image are written.

// A tile has `tall` lines of `wide` outputs, 2, 3 or 4 of each. Those of 3 have no numbers at the
// fifth line or column of positions, those of 2 none at the fourth and fifth.

// Tiles of tall + 2 lines and wide + 2 pixels of a band, four pixels apart.
void ck_winograd_input(float *v, long position, long tile_stride, const float *band, long line,
                       long pixel, int tiles, int channels, int tall, int wide);
// The same of gradients of outputs. Tiles of two lines or pixels may have `lines` and `pixels` that
// are fewer; what they lack is zero.
void ck_winograd_gradient(float *m, long position, long tile_stride, const float *band, long line,
                          long pixel, int lines, int pixels, int tiles, int channels, int tall,
                          int wide);
// Outputs of a line of tiles; tiles of two lines or pixels may write fewer. Added when add.
void ck_winograd_output(float *y, long line, long pixel, int lines, int pixels, int channels,
                        const float *m, long position, long tile_stride, int tiles, int add,
                        int tall, int wide);
// Weights w[3][3][rows][columns], packed for ck_row_product at every position; rows [first, last).
void ck_winograd_weights(float *u, long position, const float *w, int rows, int columns, int first,
                         int last);
// The gradient dw[3][3] of weights, taps `tap` and rows `row` apart, from that of every position,
// u[rows][columns] with lines `stride` apart.
void ck_winograd_weight_gradient(float *dw, long tap, long row, const float *u, long position,
                                 long stride, int rows, int columns);

// ---- Winograd for 3x3 windows of stride 2 ------------------------------------------------------

// The same for tiles of 4x4 outputs of which each reads 9x9 pixels: 9x9 positions, the last four of
// a line (and of a column) with the same weights, so that there are 6x6 matrices of weights.

// Tiles of nine lines and nine pixels of a band, eight pixels apart.
void ck_polyphase_input(float *v, long position, long tile_stride, const float *band, long line,
                        long pixel, int tiles, int channels);
// Tiles of 5x5 gradients of outputs, four apart, for the gradient of 8x8 pixels of the input.
// `late` says that the phase of two taps starts a pixel before the other one.
void ck_polyphase_turned_input(float *v, long position, long tile_stride, const float *band,
                               long line, long pixel, int tiles, int channels, int late);
// Tiles of 4x4 gradients of outputs, for the gradient of weights.
void ck_polyphase_gradient(float *m, long position, long tile_stride, const float *band, long line,
                           long pixel, int tiles, int channels);
// 4x4 outputs a tile, as in ck_winograd_output.
void ck_polyphase_output(float *y, long line, long pixel, int lines, int pixels, int channels,
                         const float *m, long position, long tile_stride, int tiles, int add);
// 8x8 gradients of inputs a tile; `late` says that the first pixel is of the phase of one tap.
void ck_polyphase_data(float *dx, long line, long pixel, int lines, int pixels, int channels,
                       const float *m, long position, long tile_stride, int tiles, int add,
                       int late);
void ck_polyphase_weights(float *u, long position, const float *w, int rows, int columns,
                          int first, int last);
void ck_polyphase_weight_gradient(float *dw, long tap, long row, const float *u, long position,
                                  long stride, int rows, int columns);

// ---- windows -----------------------------------------------------------------------------------

typedef struct {
  int height, width, channels;          // of the input
  int out_height, out_width;            // of the output
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int pad_height, pad_width;
} ck_window;

// ---- batch norm --------------------------------------------------------------------------------

// Mean and sum of squared deviations of each channel, of `count` numbers. `work` holds twice as
// many numbers as there are channels.
typedef struct {
  double *mean, *deviation, *work;
  double count;
} ck_moments;

// Takes x[rows][channels] in.
void ck_add_moments(ck_moments *m, const float *x, long rows, int channels);
// Merges pieces as a balanced tree into the first one.
void ck_merge_moments(ck_moments *pieces, int count, int channels);

// The gradient g of a value as its consumers saw it becomes that before the ReLU, where the view
// has one; where it is normalized, the sums over rows of g and of g * (x - mean) are added up.
void ck_finish_gradient(double *sums, double *products, float *g, const float *x, ck_view view,
                        long rows, int channels);
// Adds up pieces of `count` numbers each as a balanced tree into the first one.
void ck_merge_sums(double *sums, int pieces, long count);

// What a norm's gradient takes of each channel: g * slope - level - (x - mean) * lean.
typedef struct {
  const float *mean, *slope, *level, *lean;
} ck_norm_gradient;

// dx (+)= the norm's gradient of g; dx may be g.
void ck_normalize_backward(float *dx, const float *g, const float *x, ck_norm_gradient n,
                           long rows, int channels, int add);

// ---- pooling -----------------------------------------------------------------------------------

// Of one image. Windows see their input through `view`.

// Largest value of each window, the first one where several are equal; `arg` remembers its place in
// the window (row-major). Padding never wins.
void ck_max_pool(float *y, uint8_t *arg, const float *x, ck_view view, ck_window w);
void ck_max_pool_backward(float *dx, const float *dy, const uint8_t *arg, ck_window w, int add);
// Lines [first, last) of the outputs of a pool before a norm with these gammas, and perhaps a ReLU.
// Norm and ReLU keep the order of a channel's values, and a negative gamma reverses it. So the pool
// takes the largest value of each window, or the smallest one where gamma is negative.
void ck_max_pool_before_norm(float *y, uint8_t *arg, const float *x, const float *gamma,
                             ck_window w, int first, int last);
// From the gradient dy of the pooled values behind that norm, lines [first, last) of that of x,
// written from dx on.
void ck_max_pool_norm_backward(float *dx, const float *dy, const uint8_t *arg, const float *x,
                               ck_norm_gradient n, ck_window w, int first, int last);
// Mean of the pixels of each window that are inside of the image.
void ck_average_pool(float *y, const float *x, ck_view view, ck_window w);
void ck_average_pool_backward(float *dx, const float *dy, ck_window w, int add);
void ck_global_mean(float *y, const float *x, long images, long pixels, int channels);
void ck_global_mean_backward(float *dx, const float *dy, long images, long pixels, int channels,
                             int add);

// ---- elementwise -------------------------------------------------------------------------------

// Row i of y[rows][n] becomes, or gets added, what is at x + i * stride.
void ck_gather_rows(float *y, const float *x, long stride, long rows, long n, int add);
void ck_copy_or_add(float *y, const float *x, size_t n, int add);
// y (+)= factor * x
void ck_add_scaled(float *y, const float *x, float factor, size_t n, int add);
void ck_scale(float *y, float factor, size_t n);
void ck_add_bias(float *y, const float *bias, long rows, int channels);
void ck_column_sums(float *sums, const float *x, long rows, int channels);
// out = the sum of `count` arrays of n elements, `stride` apart, as a balanced tree over the index.
void ck_tree_sum(float *out, const float *parts, size_t count, size_t stride, size_t n);
// Sum of squares in double precision, in blocks of 4096 from the left.
double ck_square_sum(const float *x, size_t n);

// ---- loss --------------------------------------------------------------------------------------

// Softmax cross-entropy of logits[n][classes] with target (1 - s) onehot + s / classes. Writes the
// loss of each row, whether its largest logit is the label, and, unless null, the gradient times
// `scale`.
void ck_softmax_cross_entropy(double *loss, uint8_t *correct, float *dlogits, const float *logits,
                              const int32_t *labels, long n, int classes, double smoothing,
                              double scale);

// ---- optimizers --------------------------------------------------------------------------------

// In all: g += decay * w first. Form of PyTorch: the rate stands outside the momentum buffer.
void ck_sgd(float *w, const float *g, size_t n, float rate, float decay);
void ck_momentum(float *w, float *v, const float *g, size_t n, float rate, float m, float decay);
void ck_nesterov(float *w, float *v, const float *g, size_t n, float rate, float m, float decay);
// v = m v + local (g + decay w), w -= rate v (You et al. 2017); `local` is the tensor's own rate.
void ck_lars(float *w, float *v, const float *g, size_t n, float rate, float m, float decay,
             float local);
// correction1 = 1 - beta1^t and correction2 = 1 - beta2^t, t counted from 1.
void ck_adam(float *w, float *p, float *q, const float *g, size_t n, double rate, double beta1,
             double beta2, double epsilon, double decay, double correction1, double correction2);

#ifdef __cplusplus
}
#endif
#endif
