// Transforms of 3x3 windows with stride 2, for the instruction set that is being compiled, LANES
// channels a step. Pixels of even place meet two taps of a window's line, those of odd place one:
// the even ones of a tile of four outputs are transformed by F(4, 2) at the points 0, 1, -1, 2 and
// infinity, the odd ones taken as they are, which makes nine positions a line. All four odd
// positions have the same weights: six of a line.

// B^T d: five numbers of a phase.
INLINE void ISA(phase_line)(vec out[5], const vec d[5]) {
  const vec a = d[3] - d[1], b = d[2] - d[1];
  out[0] = 2 * d[0] - d[1] - 2 * d[2] + d[3];
  out[1] = d[3] - d[2] - 2 * d[1];
  out[2] = d[3] - d[2] - 2 * b;
  out[3] = a;
  out[4] = d[4] - d[2] - 2 * a;
}

// A^T m and the numbers of the other phase: four outputs.
INLINE void ISA(phases_output)(vec out[4], const vec m[9]) {
  const vec a = m[1] + m[2], b = m[1] - m[2];
  out[0] = m[0] + a + m[3] + m[5];
  out[1] = b + 2 * m[3] + m[6];
  out[2] = a + 4 * m[3] + m[7];
  out[3] = b + 8 * m[3] + m[4] + m[8];
}

// A y, and y itself: the transpose of phases_output, for gradients of outputs.
INLINE void ISA(phases_gradient)(vec out[9], const vec y[4]) {
  const vec e = y[0] + y[2], o = y[1] + y[3];
  out[0] = y[0];
  out[1] = e + o;
  out[2] = e - o;
  out[3] = y[0] + 2 * y[1] + 4 * y[2] + 8 * y[3];
  out[4] = y[3];
  UNROLL for (int k = 0; k < 4; k++) out[5 + k] = y[k];
}

// G of the outer taps, and the middle one.
INLINE void ISA(phases_weight)(vec out[6], const vec w[3]) {
  out[0] = w[0] * 0.5f;
  out[1] = (w[0] + w[2]) * -0.5f;
  out[2] = (w[2] - w[0]) * (1.0f / 6);
  out[3] = (w[0] + 2 * w[2]) * (1.0f / 6);
  out[4] = w[2];
  out[5] = w[1];
}

// The transpose of phases_weight, for gradients of weights.
INLINE void ISA(phases_weight_gradient)(vec out[3], const vec u[6]) {
  const vec a = u[1] * 0.5f, b = u[2] * (1.0f / 6);
  out[0] = u[0] * 0.5f - a - b + u[3] * (1.0f / 6);
  out[1] = u[5];
  out[2] = b - a + u[3] * (1.0f / 3) + u[4];
}

static void ISA(polyphase_input)(float *v, long position, long tile_stride, const float *band,
                                 long line, long pixel, int tiles, int channels) {
  for (int t = 0; t < tiles; t++, band += 8 * pixel, v += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[9][9];
      UNROLL for (int j = 0; j < 9; j++) {
        vec even[5], out[5];
        UNROLL for (int i = 0; i < 5; i++) even[i] = load(band + 2 * i * line + j * pixel + c);
        ISA(phase_line)(out, even);
        UNROLL for (int i = 0; i < 5; i++) half[i][j] = out[i];
        UNROLL for (int i = 0; i < 4; i++)
          half[5 + i][j] = load(band + (2 * i + 1) * line + j * pixel + c);
      }
      for (int i = 0; i < 9; i++) {
        vec even[5], out[5];
        float *to = v + 9 * i * position + c;
        UNROLL for (int j = 0; j < 5; j++) even[j] = half[i][2 * j];
        ISA(phase_line)(out, even);
        UNROLL for (int j = 0; j < 5; j++) store(to + j * position, out[j]);
        UNROLL for (int j = 0; j < 4; j++) store(to + (5 + j) * position, half[i][2 * j + 1]);
      }
    }
}

static void ISA(polyphase_turned_input)(float *v, long position, long tile_stride,
                                        const float *band, long line, long pixel, int tiles,
                                        int channels, int late) {
  for (int t = 0; t < tiles; t++, band += 4 * pixel, v += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[9][5];
      UNROLL for (int j = 0; j < 5; j++) {
        vec in[5], out[5];
        UNROLL for (int i = 0; i < 5; i++) in[i] = load(band + i * line + j * pixel + c);
        ISA(phase_line)(out, in);
        UNROLL for (int i = 0; i < 5; i++) half[i][j] = out[i];
        UNROLL for (int i = 0; i < 4; i++) half[5 + i][j] = late ? in[i + 1] : in[i];
      }
      for (int i = 0; i < 9; i++) {
        vec out[5];
        float *to = v + 9 * i * position + c;
        ISA(phase_line)(out, half[i]);
        UNROLL for (int j = 0; j < 5; j++) store(to + j * position, out[j]);
        UNROLL for (int j = 0; j < 4; j++)
          store(to + (5 + j) * position, late ? half[i][j + 1] : half[i][j]);
      }
    }
}

static void ISA(polyphase_gradient)(float *m, long position, long tile_stride, const float *band,
                                    long line, long pixel, int tiles, int channels) {
  for (int t = 0; t < tiles; t++, band += 4 * pixel, m += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[9][4];
      UNROLL for (int j = 0; j < 4; j++) {
        vec in[4], out[9];
        UNROLL for (int i = 0; i < 4; i++) in[i] = load(band + i * line + j * pixel + c);
        ISA(phases_gradient)(out, in);
        UNROLL for (int i = 0; i < 9; i++) half[i][j] = out[i];
      }
      for (int i = 0; i < 9; i++) {
        vec out[9];
        ISA(phases_gradient)(out, half[i]);
        UNROLL for (int j = 0; j < 9; j++) store(m + (9 * i + j) * position + c, out[j]);
      }
    }
}

INLINE void ISA(put_output)(float *at, vec v, int left, int add) {
  if (left >= LANES) store(at, add ? load(at) + v : v);
  else store_part(at, add ? load_part(at, left) + v : v, left);
}

static void ISA(polyphase_output)(float *y, long line, long pixel, int lines, int pixels,
                                  int channels, const float *m, long position, long tile_stride,
                                  int tiles, int add) {
  for (int t = 0; t < tiles; t++, y += 4 * pixel, m += tile_stride, pixels -= 4) {
    const int width = pixels < 4 ? pixels : 4;
    for (int c = 0; c < channels; c += LANES) {
      vec half[4][9];
      UNROLL for (int j = 0; j < 9; j++) {
        vec in[9], out[4];
        UNROLL for (int i = 0; i < 9; i++) in[i] = load(m + (9 * i + j) * position + c);
        ISA(phases_output)(out, in);
        UNROLL for (int i = 0; i < 4; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 4; i++) {
        if (i >= lines) continue;
        vec out[4];
        ISA(phases_output)(out, half[i]);
        UNROLL for (int j = 0; j < 4; j++)
          if (j < width) ISA(put_output)(y + c + i * line + j * pixel, out[j], channels - c, add);
      }
    }
  }
}

// A^T m of the even phase; pixels of the two phases take turns, the even one's first unless `late`.
INLINE void ISA(interleaved)(vec out[8], const vec m[9], const int late) {
  const vec a = m[1] + m[2], b = m[1] - m[2];
  out[late] = m[0] + a + m[3];
  out[2 + late] = b + 2 * m[3];
  out[4 + late] = a + 4 * m[3];
  out[6 + late] = b + 8 * m[3] + m[4];
  UNROLL for (int k = 0; k < 4; k++) out[2 * k + 1 - late] = m[5 + k];
}

INLINE void ISA(data_tile)(float *y, long line, long pixel, int lines, int width, int left,
                           const float *m, long position, int add, const int late) {
  vec half[8][9];
  UNROLL for (int j = 0; j < 9; j++) {
    vec in[9], out[8];
    UNROLL for (int i = 0; i < 9; i++) in[i] = load(m + (9 * i + j) * position);
    ISA(interleaved)(out, in, late);
    UNROLL for (int i = 0; i < 8; i++) half[i][j] = out[i];
  }
  for (int i = 0; i < 8 && i < lines; i++) {
    vec out[8];
    ISA(interleaved)(out, half[i], late);
    UNROLL for (int j = 0; j < 8; j++)
      if (j < width) ISA(put_output)(y + i * line + j * pixel, out[j], left, add);
  }
}

static void ISA(polyphase_data)(float *y, long line, long pixel, int lines, int pixels,
                                int channels, const float *m, long position, long tile_stride,
                                int tiles, int add, int late) {
  for (int t = 0; t < tiles; t++, y += 8 * pixel, m += tile_stride, pixels -= 8) {
    const int width = pixels < 8 ? pixels : 8;
    for (int c = 0; c < channels; c += LANES) {
      if (late)
        ISA(data_tile)(y + c, line, pixel, lines, width, channels - c, m + c, position, add, 1);
      else
        ISA(data_tile)(y + c, line, pixel, lines, width, channels - c, m + c, position, add, 0);
    }
  }
}

static void ISA(polyphase_weights)(float *u, long position, const float *w, int rows, int columns,
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
        ISA(phases_weight)(out, in);
        UNROLL for (int i = 0; i < 6; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 6; i++) {
        vec out[6];
        ISA(phases_weight)(out, half[i]);
        UNROLL for (int j = 0; j < 6; j++) store(to + (6 * i + j) * position, out[j]);
      }
    }
}

static void ISA(polyphase_weight_gradient)(float *dw, long tap, long row, const float *u,
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
        ISA(phases_weight_gradient)(out, in);
        UNROLL for (int i = 0; i < 3; i++) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 3; i++) {
        vec out[3];
        ISA(phases_weight_gradient)(out, half[i]);
        UNROLL for (int j = 0; j < 3; j++)
          ISA(put_output)(dw + (3 * i + j) * tap + k * row + c, out[j], left, 0);
      }
    }
}
