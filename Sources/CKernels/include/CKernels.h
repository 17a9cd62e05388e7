// The elementwise, reducing and moving parts of training, in plain C, compiled per instruction set.
// Everything is row-major and channels-last (NHWC), single precision unless said. Kernels work on
// the range that they are given and never allocate: who calls decides how work is cut, and with it
// the order of every sum.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The instruction set whose kernels run on this machine: "avx512", "avx2" or "baseline".
const char *ck_instruction_set(void);

// ---- convolution -------------------------------------------------------------------------------

typedef struct {
  int height, width, channels;          // of the input
  int out_height, out_width;            // of the output
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int pad_height, pad_width;
} ck_window;

// Output lines [first, last), numbered n * out_height + y, of x[n][height][width][channels] become
// rows of columns[(last - first) * out_width][kernel_height * kernel_width * channels].
void ck_im2col(float *columns, const float *x, ck_window w, long first, long last);

// The transpose of ck_im2col: adds the rows onto dx, which the caller has set.
void ck_col2im_add(float *dx, const float *columns, ck_window w, long first, long last);

// ---- batch norm --------------------------------------------------------------------------------

// Mean and sum of squared deviations of each channel of x[rows][channels], in two passes.
void ck_moments(double *mean, double *deviation, const float *x, long rows, int channels);

// y = (x - mean) * scale + beta, and max(0, .) of it when relu.
void ck_normalize(float *y, const float *x, const float *mean, const float *scale,
                  const float *beta, long rows, int channels, int relu);

// Sums over rows of dy and of dy * (x - mean), where y > 0 when relu (y is then not null).
void ck_normalize_sums(double *sum_dy, double *sum_dy_x, const float *dy, const float *x,
                       const float *y, const float *mean, long rows, int channels, int relu);

// dx (+)= dy * a - b - (x - mean) * c, with dy masked where y <= 0 when relu.
void ck_normalize_backward(float *dx, const float *dy, const float *x, const float *y,
                           const float *mean, const float *a, const float *b, const float *c,
                           long rows, int channels, int relu, int add);

// ---- pooling -----------------------------------------------------------------------------------

// Largest value of each window, the first one where several are equal; `arg` remembers its place in
// the window (row-major). Padding never wins.
void ck_max_pool(float *y, uint8_t *arg, const float *x, ck_window w, long images);
void ck_max_pool_backward(float *dx, const float *dy, const uint8_t *arg, ck_window w, long images,
                          int add);
void ck_global_mean(float *y, const float *x, long images, long pixels, int channels);
void ck_global_mean_backward(float *dx, const float *dy, long images, long pixels, int channels,
                             int add);

// ---- elementwise -------------------------------------------------------------------------------

void ck_relu(float *y, const float *x, size_t n);
void ck_relu_backward(float *dx, const float *dy, const float *y, size_t n, int add);
void ck_sum_of_two(float *y, const float *a, const float *b, size_t n);
void ck_copy_or_add(float *y, const float *x, size_t n, int add);
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
// correction1 = 1 - beta1^t and correction2 = 1 - beta2^t, t counted from 1.
void ck_adam(float *w, float *p, float *q, const float *g, size_t n, double rate, double beta1,
             double beta2, double epsilon, double decay, double correction1, double correction2);

// ---- input -------------------------------------------------------------------------------------

// One image of bytes [height][width][channels] becomes floats (v - mean) / deviation, shifted by
// (dy, dx) with reflection at the border, mirrored left to right when flip.
void ck_image(float *out, const uint8_t *image, int height, int width, int channels,
              const float *mean, const float *inverse_deviation, int dy, int dx, int flip);

#ifdef __cplusplus
}
#endif
#endif
