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
INLINE void ISA(weight_line)(vec out[6], const vec w[3]) {
  out[0] = w[0] * 0.5f;
  out[1] = (w[0] + w[2]) * -0.5f;
  out[2] = (w[2] - w[0]) * (1.0f / 6);
  out[3] = (w[0] + 2 * w[2]) * (1.0f / 6);
  out[4] = w[2];
  out[5] = w[1];
}

// The transpose of weight_line, for gradients of weights.
INLINE void ISA(weight_gradient_line)(vec out[3], const vec u[6]) {
  const vec a = u[1] * 0.5f, b = u[2] * (1.0f / 6);
  out[0] = u[0] * 0.5f - a - b + u[3] * (1.0f / 6);
  out[1] = u[5];
  out[2] = b - a + u[3] * (1.0f / 3) + u[4];
}

#include "weight_kernel.h"

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
