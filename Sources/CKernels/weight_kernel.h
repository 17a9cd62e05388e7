// The parts that the transforms of all 3x3 windows share, for the instruction set that is being
// compiled. The including file has defined weight_line (G: three taps to six positions) and
// weight_gradient_line, its transpose.

// Stores one pixel's channels, or adds them to what is there; `left` of them where the channels
// end.
INLINE void ISA(put_output)(float *at, vec v, int left, int add) {
  if (left >= LANES) store(at, add ? load(at) + v : v);
  else store_part(at, add ? load_part(at, left) + v : v, left);
}

// Weights [3][3][rows][columns] to six by six positions, each as products take their right operand;
// of the rows from `first` to `last`.
static void ISA(weights)(float *u, long position, const float *w, int rows, int columns,
                         int first, int last) {
  const long tap = (long)rows * columns;
  for (int k = first; k < last; k++)
    for (int n = 0; n < (columns + PANEL - 1) / PANEL * PANEL; n += LANES) {
      const int left = columns - n;
      const float *from = w + (long)k * columns + n;
      float *to = u + (long)(n / PANEL) * rows * PANEL + (long)k * PANEL + n % PANEL;
      vec half[6][3];
      UNROLL for (int j = 0; j < 3; j++) {
        vec in[3], out[6];
        UNROLL for (int i = 0; i < 3; i++)
          in[i] = left >= LANES ? load(from + (3 * i + j) * tap)
                                : load_part(from + (3 * i + j) * tap, left);
        ISA(weight_line)(out, in);
        UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 6; i++) {
        vec out[6];
        ISA(weight_line)(out, half[i]);
        UNROLL for (int j = 0; j < 6; j++) store(to + (6 * i + j) * position, out[j]);
      }
    }
}

// The gradient of the weights, from that of their six by six positions.
static void ISA(weight_gradient)(float *dw, long tap, long row, const float *u, long position,
                                 long stride, int rows, int columns) {
  for (int k = 0; k < rows; k++)
    for (int c = 0; c < columns; c += LANES) {
      const int left = columns - c;
      vec half[3][6];
      UNROLL for (int j = 0; j < 6; j++) {
        vec in[6], out[3];
        UNROLL for (int i = 0; i < 6; i++) {
          const float *from = u + (6 * i + j) * position + k * stride + c;
          in[i] = left >= LANES ? load(from) : load_part(from, left);
        }
        ISA(weight_gradient_line)(out, in);
        UNROLL for (int i = 0; i < 3; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 3; i++) {
        vec out[3];
        ISA(weight_gradient_line)(out, half[i]);
        UNROLL for (int j = 0; j < 3; j++)
          ISA(put_output)(dw + (3 * i + j) * tap + k * row + c, out[j], left, 0);
      }
    }
}
