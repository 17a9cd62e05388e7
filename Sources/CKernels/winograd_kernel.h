// Transforms of F(4x4, 3x3), for the instruction set that is being compiled, LANES channels a step.
// The interpolation points are 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016).

// B^T d: six numbers of an input line.
INLINE void ISA(input_line)(vec out[6], const vec d[6]) {
  const vec p = d[4] - 4 * d[2], q = d[3] - 4 * d[1], r = d[4] - d[2], s = 2 * (d[3] - d[1]);
  out[0] = 4 * d[0] - 5 * d[2] + d[4];
  out[1] = p + q;
  out[2] = p - q;
  out[3] = r + s;
  out[4] = r - s;
  out[5] = 4 * d[1] - 5 * d[3] + d[5];
}

// A^T m: from six products to four outputs.
INLINE void ISA(output_line)(vec out[4], const vec m[6]) {
  const vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  out[0] = m[0] + a + c;
  out[1] = b + 2 * d;
  out[2] = a + 4 * c;
  out[3] = b + 8 * d + m[5];
}

// A y: the transpose of output_line, for gradients of outputs.
INLINE void ISA(gradient_line)(vec out[6], const vec y[4]) {
  const vec e = y[0] + y[2], o = y[1] + y[3];
  const vec e2 = y[0] + 4 * y[2], o2 = 2 * y[1] + 8 * y[3];
  out[0] = y[0];
  out[1] = e + o;
  out[2] = e - o;
  out[3] = e2 + o2;
  out[4] = e2 - o2;
  out[5] = y[3];
}

// G w: from three weights to six.
INLINE void ISA(weight_line)(vec out[6], const vec w[3]) {
  const vec e = w[0] + w[2], e2 = w[0] * (1.0f / 24) + w[2] * (1.0f / 6), o2 = w[1] * (1.0f / 12);
  out[0] = w[0] * 0.25f;
  out[1] = (e + w[1]) * (-1.0f / 6);
  out[2] = (w[1] - e) * (1.0f / 6);
  out[3] = e2 + o2;
  out[4] = e2 - o2;
  out[5] = w[2];
}

// G^T u: the transpose of weight_line, for gradients of weights.
INLINE void ISA(weight_gradient_line)(vec out[3], const vec u[6]) {
  const vec a = u[1] + u[2], b = u[2] - u[1], c = u[3] + u[4], d = u[3] - u[4];
  out[0] = u[0] * 0.25f - a * (1.0f / 6) + c * (1.0f / 24);
  out[1] = b * (1.0f / 6) + d * (1.0f / 12);
  out[2] = (c - a) * (1.0f / 6) + u[5];
}

static void ISA(winograd_input)(float *v, long position, long tile_stride, const float *band,
                                long line, long pixel, int tiles, int channels) {
  for (int t = 0; t < tiles; t++, band += 4 * pixel, v += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[6][6];
      UNROLL for (int j = 0; j < 6; j++) {
        vec in[6], out[6];
        UNROLL for (int i = 0; i < 6; i++) in[i] = load(band + i * line + j * pixel + c);
        ISA(input_line)(out, in);
        UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 6; i++) {
        vec out[6];
        ISA(input_line)(out, half[i]);
        UNROLL for (int j = 0; j < 6; j++) store(v + (6 * i + j) * position + c, out[j]);
      }
    }
}

static void ISA(winograd_gradient)(float *m, long position, long tile_stride, const float *band,
                                   long line, long pixel, int tiles, int channels) {
  for (int t = 0; t < tiles; t++, band += 4 * pixel, m += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[6][4];
      UNROLL for (int j = 0; j < 4; j++) {
        vec in[4], out[6];
        UNROLL for (int i = 0; i < 4; i++) in[i] = load(band + i * line + j * pixel + c);
        ISA(gradient_line)(out, in);
        UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 6; i++) {
        vec out[6];
        ISA(gradient_line)(out, half[i]);
        UNROLL for (int j = 0; j < 6; j++) store(m + (6 * i + j) * position + c, out[j]);
      }
    }
}

INLINE void ISA(put_pixel)(float *at, vec v, int left, int add) {
  if (left >= LANES) store(at, add ? load(at) + v : v);
  else store_part(at, add ? load_part(at, left) + v : v, left);
}

static void ISA(winograd_output)(float *y, long line, long pixel, int lines, int pixels,
                                 int channels, const float *m, long position, long tile_stride,
                                 int tiles, int add) {
  for (int t = 0; t < tiles; t++, y += 4 * pixel, m += tile_stride, pixels -= 4) {
    const int width = pixels < 4 ? pixels : 4;
    for (int c = 0; c < channels; c += LANES) {
      vec half[4][6];
      UNROLL for (int j = 0; j < 6; j++) {
        vec in[6], out[4];
        UNROLL for (int i = 0; i < 6; i++) in[i] = load(m + (6 * i + j) * position + c);
        ISA(output_line)(out, in);
        UNROLL for (int i = 0; i < 4; i++) half[i][j] = out[i];
      }
      const int left = channels - c;
      UNROLL for (int i = 0; i < 4; i++) {
        // Tiles that reach over the edge of the image write what lies inside.
        if (i >= lines) continue;
        float *to = y + c + i * line;
        vec out[4];
        ISA(output_line)(out, half[i]);
        if (width == 4 && left >= LANES) {
          UNROLL for (int j = 0; j < 4; j++)
            store(to + j * pixel, add ? load(to + j * pixel) + out[j] : out[j]);
        } else {
          UNROLL for (int j = 0; j < 4; j++)
            if (j < width) ISA(put_pixel)(to + j * pixel, out[j], left, add);
        }
      }
    }
  }
}

static void ISA(winograd_weights)(float *u, long position, const float *w, int rows, int columns,
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

static void ISA(winograd_weight_gradient)(float *dw, long tap, long row, const float *u,
                                          long position, long stride, int rows, int columns) {
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
        UNROLL for (int j = 0; j < 3; j++) {
          float *to = dw + (3 * i + j) * tap + k * row + c;
          if (left >= LANES) store(to, out[j]);
          else store_part(to, out[j], left);
        }
      }
    }
}
