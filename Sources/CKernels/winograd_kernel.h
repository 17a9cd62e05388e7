// Transforms of F(4x4, 3x3), for the instruction set that is being compiled, LANES channels a step.
// The interpolation points are 0, 1, -1, 2, -2 and infinity (Lavin and Gray 2016).
//
// Tiles at an edge may have 3 or 2 outputs a line instead of 4: F(3, 3) leaves out the point -2,
// and F(2, 3) leaves out both 2 and -2. All tiles use the transformed weights of F(4, 3). The
// weights of F(3, 3) and F(2, 3) would be scaled otherwise, so the transforms of their inputs
// contain the missing factors. M(x) is the product of (x - a) over the finite points
// a of a transform. The rows of the input transform are the coefficients of M(x)/(x - a) for each
// finite point, and of M(x) for infinity.
#define SKIPPED(position, outputs)                                                                \
  (((outputs) < 4 && (position) == 4) || ((outputs) < 3 && (position) == 3))

// B^T d: six numbers of an input line, of which outputs + 2 are read.
INLINE void ISA(input_line)(vec out[6], const vec d[6], const int outputs) {
  if (outputs == 2) {
    out[0] = 4 * (d[0] - d[2]);
    out[1] = -3 * (d[1] + d[2]);
    out[2] = 3 * (d[1] - d[2]);
    out[5] = d[3] - d[1];
  } else if (outputs == 3) {
    const vec a = d[3] - d[1], b = d[2] - d[1];
    out[0] = 4 * (d[0] - d[2]) + 2 * a;
    out[1] = 3 * (a - b) - 6 * d[1];
    out[2] = a - 3 * b;
    out[3] = 4 * a;
    out[5] = d[4] - d[2] - 2 * a;
  } else {
    const vec p = d[4] - 4 * d[2], q = d[3] - 4 * d[1], r = d[4] - d[2], s = 2 * (d[3] - d[1]);
    out[0] = 4 * d[0] - 5 * d[2] + d[4];
    out[1] = p + q;
    out[2] = p - q;
    out[3] = r + s;
    out[4] = r - s;
    out[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
}

// A^T m: from six products to the outputs.
INLINE void ISA(output_line)(vec out[4], const vec m[6], const int outputs) {
  const vec a = m[1] + m[2], b = m[1] - m[2];
  if (outputs == 2) {
    out[0] = m[0] + a;
    out[1] = b + m[5];
  } else if (outputs == 3) {
    out[0] = m[0] + a + m[3];
    out[1] = b + 2 * m[3];
    out[2] = a + 4 * m[3] + m[5];
  } else {
    const vec c = m[3] + m[4], d = m[3] - m[4];
    out[0] = m[0] + a + c;
    out[1] = b + 2 * d;
    out[2] = a + 4 * c;
    out[3] = b + 8 * d + m[5];
  }
}

// A y: the transpose of output_line, for gradients of outputs.
INLINE void ISA(gradient_line)(vec out[6], const vec y[4], const int outputs) {
  const vec e = outputs > 2 ? y[0] + y[2] : y[0], o = outputs > 3 ? y[1] + y[3] : y[1];
  out[0] = y[0];
  out[1] = e + o;
  out[2] = e - o;
  if (outputs == 3) out[3] = y[0] + 2 * y[1] + 4 * y[2];
  if (outputs == 4) {
    const vec e2 = y[0] + 4 * y[2], o2 = 2 * y[1] + 8 * y[3];
    out[3] = e2 + o2;
    out[4] = e2 - o2;
  }
  out[5] = y[outputs - 1];
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

#include "weight_kernel.h"

// Calls with `tall` and `wide`, the outputs of a tile, as constants.
#define FOR_TILES(name, ...)                                                                      \
  switch (3 * tall + wide) {                                                                      \
    case 8: name(__VA_ARGS__, 2, 2); break;                                                       \
    case 9: name(__VA_ARGS__, 2, 3); break;                                                       \
    case 10: name(__VA_ARGS__, 2, 4); break;                                                      \
    case 11: name(__VA_ARGS__, 3, 2); break;                                                      \
    case 12: name(__VA_ARGS__, 3, 3); break;                                                      \
    case 13: name(__VA_ARGS__, 3, 4); break;                                                      \
    case 14: name(__VA_ARGS__, 4, 2); break;                                                      \
    case 15: name(__VA_ARGS__, 4, 3); break;                                                      \
    default: name(__VA_ARGS__, 4, 4);                                                             \
  }

INLINE void ISA(input_tiles)(float *v, long position, long tile_stride, const float *band,
                             long line, long pixel, int tiles, int channels, const int tall,
                             const int wide) {
  for (int t = 0; t < tiles; t++, band += 4 * pixel, v += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[6][6];
      UNROLL for (int j = 0; j < 6; j++) {
        if (j >= wide + 2) continue;
        vec in[6], out[6];
        UNROLL for (int i = 0; i < 6; i++)
          if (i < tall + 2) in[i] = load(band + i * line + j * pixel + c);
        ISA(input_line)(out, in, tall);
        UNROLL for (int i = 0; i < 6; i++)
          if (!SKIPPED(i, tall)) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 6; i++) {
        if (SKIPPED(i, tall)) continue;
        vec out[6];
        ISA(input_line)(out, half[i], wide);
        UNROLL for (int j = 0; j < 6; j++)
          if (!SKIPPED(j, wide)) store(v + (6 * i + j) * position + c, out[j]);
      }
    }
}

static void ISA(winograd_input)(float *v, long position, long tile_stride, const float *band,
                                long line, long pixel, int tiles, int channels, int tall,
                                int wide) {
  FOR_TILES(ISA(input_tiles), v, position, tile_stride, band, line, pixel, tiles, channels)
}

INLINE void ISA(gradient_tiles)(float *m, long position, long tile_stride, const float *band,
                                long line, long pixel, int lines, int pixels, int tiles,
                                int channels, const int tall, const int wide) {
  for (int t = 0; t < tiles; t++, band += 4 * pixel, m += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[6][4];
      UNROLL for (int j = 0; j < 4; j++) {
        if (j >= wide) continue;
        vec in[4], out[6];
        UNROLL for (int i = 0; i < 4; i++)
          if (i < tall)
            in[i] = (tall > 2 || i < lines) && (wide > 2 || j < pixels)
                        ? load(band + i * line + j * pixel + c)
                        : broadcast(0);
        ISA(gradient_line)(out, in, tall);
        UNROLL for (int i = 0; i < 6; i++)
          if (!SKIPPED(i, tall)) half[i][j] = out[i];
      }
      UNROLL for (int i = 0; i < 6; i++) {
        if (SKIPPED(i, tall)) continue;
        vec out[6];
        ISA(gradient_line)(out, half[i], wide);
        UNROLL for (int j = 0; j < 6; j++)
          if (!SKIPPED(j, wide)) store(m + (6 * i + j) * position + c, out[j]);
      }
    }
}

static void ISA(winograd_gradient)(float *m, long position, long tile_stride, const float *band,
                                   long line, long pixel, int lines, int pixels, int tiles,
                                   int channels, int tall, int wide) {
  FOR_TILES(ISA(gradient_tiles), m, position, tile_stride, band, line, pixel, lines, pixels, tiles,
            channels)
}

INLINE void ISA(output_tiles)(float *y, long line, long pixel, int lines, int pixels, int channels,
                              const float *m, long position, long tile_stride, int tiles, int add,
                              const int tall, const int wide) {
  for (int t = 0; t < tiles; t++, y += 4 * pixel, m += tile_stride)
    for (int c = 0; c < channels; c += LANES) {
      vec half[4][6];
      UNROLL for (int j = 0; j < 6; j++) {
        if (SKIPPED(j, wide)) continue;
        vec in[6], out[4];
        UNROLL for (int i = 0; i < 6; i++)
          if (!SKIPPED(i, tall)) in[i] = load(m + (6 * i + j) * position + c);
        ISA(output_line)(out, in, tall);
        UNROLL for (int i = 0; i < 4; i++)
          if (i < tall) half[i][j] = out[i];
      }
      const int left = channels - c;
      UNROLL for (int i = 0; i < 4; i++) {
        // A tile of two outputs may have one inside of the image.
        if (i >= tall || (tall == 2 && i >= lines)) continue;
        float *to = y + c + i * line;
        vec out[4];
        ISA(output_line)(out, half[i], wide);
        UNROLL for (int j = 0; j < 4; j++)
          if (j < wide && (wide > 2 || j < pixels))
            ISA(put_output)(to + j * pixel, out[j], left, add);
      }
    }
}

static void ISA(winograd_output)(float *y, long line, long pixel, int lines, int pixels,
                                 int channels, const float *m, long position, long tile_stride,
                                 int tiles, int add, int tall, int wide) {
  FOR_TILES(ISA(output_tiles), y, line, pixel, lines, pixels, channels, m, position, tile_stride,
            tiles, add)
}

#undef SKIPPED
#undef FOR_TILES
