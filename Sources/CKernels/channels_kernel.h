// What is done to every channel by itself, for the instruction set that is being compiled: two
// vectors of channels at a time, their coefficients in registers, down the rows.
//
// Sums run in single precision over blocks of 32 rows and in double precision over the blocks:
// fast, and as exact as the data deserve.
enum { ISA(BLOCK) = 32, ISA(TILE) = 2 * LANES };

// A view's coefficients of one or two vectors of channels.
typedef struct {
  vec mean[2], scale[2], shift[2];
} ISA(seer);
#define seer ISA(seer)

// Loads behind the last channel read what follows, and never use it.
INLINE seer ISA(see)(const int vectors, ck_view view, int c) {
  seer s = {0};
  if (view.mean)
    UNROLL for (int v = 0; v < vectors; v++) {
      s.mean[v] = load(view.mean + c + v * LANES);
      s.scale[v] = load(view.scale + c + v * LANES);
      s.shift[v] = load(view.shift + c + v * LANES);
    }
  return s;
}

INLINE vec ISA(rectified)(vec x) {
  // What is negative as zero. NaN passes: divergence must show.
  return (vec)(~(x <= 0) & (ivec)x);
}

INLINE vec ISA(seen)(const int norm, const int relu, const seer *s, const int v, vec x) {
  if (norm) x = (x - s->mean[v]) * s->scale[v] + s->shift[v];
  return relu ? ISA(rectified)(x) : x;
}

// Of a tile of channels, calls f(..., vectors, whole, left): whole says that the tile's vectors are
// full, else only `left` numbers of one vector are.
#define EACH_TILE(channels, f, ...)                                                                \
  for (int c = 0; c < (channels);) {                                                               \
    const int left = (channels) - c;                                                               \
    if (left >= 2 * LANES) {                                                                       \
      f(__VA_ARGS__, c, 2, 1, left);                                                               \
      c += 2 * LANES;                                                                              \
    } else {                                                                                       \
      if (left >= LANES) f(__VA_ARGS__, c, 1, 1, left);                                            \
      else f(__VA_ARGS__, c, 1, 0, left);                                                          \
      c += LANES;                                                                                  \
    }                                                                                              \
  }

INLINE void ISA(put)(float *p, vec v, const int whole, int left) {
  if (whole) store(p, v);
  else store_part(p, v, left);
}

// ---- seen pixels -------------------------------------------------------------------------------

INLINE void ISA(view_tile)(const int norm, const int relu, float *to, long to_stride,
                           const float *x, long stride, long pixels, ck_view view, int c,
                           const int vectors, const int whole, int left) {
  const seer s = ISA(see)(vectors, view, c);
  to += c;
  x += c;
  for (long i = 0; i < pixels; i++, to += to_stride, x += stride)
    UNROLL for (int v = 0; v < vectors; v++)
      ISA(put)(to + v * LANES, ISA(seen)(norm, relu, &s, v, load(x + v * LANES)), whole, left);
}

static void ISA(view_pixels)(float *to, long to_stride, const float *x, long stride, long pixels,
                             int channels, ck_view view) {
  if (view.mean && view.relu)
    EACH_TILE(channels, ISA(view_tile), 1, 1, to, to_stride, x, stride, pixels, view)
  else if (view.mean)
    EACH_TILE(channels, ISA(view_tile), 1, 0, to, to_stride, x, stride, pixels, view)
  else if (view.relu)
    EACH_TILE(channels, ISA(view_tile), 0, 1, to, to_stride, x, stride, pixels, view)
  else
    EACH_TILE(channels, ISA(view_tile), 0, 0, to, to_stride, x, stride, pixels, view)
}

INLINE void ISA(sum_tile)(const int norm, float *y, const float *a, ck_view view_a, const float *b,
                          ck_view view_b, float factor, long rows, int channels, int c,
                          const int vectors, const int whole, int left) {
  const seer s = ISA(see)(vectors, view_a, c), t = ISA(see)(vectors, view_b, c);
  y += c;
  a += c;
  b += c;
  for (long r = 0; r < rows; r++, y += channels, a += channels, b += channels)
    UNROLL for (int v = 0; v < vectors; v++) {
      vec p = load(a + v * LANES), q = load(b + v * LANES);
      if (norm && view_a.mean) p = ISA(seen)(1, 0, &s, v, p);
      if (norm && view_b.mean) q = ISA(seen)(1, 0, &t, v, q);
      if (view_a.relu) p = ISA(rectified)(p);
      if (view_b.relu) q = ISA(rectified)(q);
      ISA(put)(y + v * LANES, p + factor * q, whole, left);
    }
}

static void ISA(sum_of_two)(float *y, const float *a, ck_view view_a, const float *b,
                            ck_view view_b, float factor, long rows, int channels) {
  if (view_a.mean || view_b.mean)
    EACH_TILE(channels, ISA(sum_tile), 1, y, a, view_a, b, view_b, factor, rows, channels)
  else
    EACH_TILE(channels, ISA(sum_tile), 0, y, a, view_a, b, view_b, factor, rows, channels)
}

// ---- statistics --------------------------------------------------------------------------------

// Sums are about the mean of the first rows. Since these are among those summed, the true variance
// is at least about 8 / rows of what is summed, whatever the data: little is lost when the one is
// taken from the other.
enum { ISA(PIVOT) = 8 };

INLINE void ISA(moments_tile)(double *mean, double *deviation, const float *x, long rows,
                              int channels, int c, const int vectors, const int whole, int left) {
  (void)whole;
  const long peek = rows < ISA(PIVOT) ? rows : ISA(PIVOT);
  vec pivot[2] = {{0}};
  for (long r = 0; r < peek; r++)
    UNROLL for (int v = 0; v < vectors; v++) pivot[v] += load(x + r * channels + c + v * LANES);
  UNROLL for (int v = 0; v < vectors; v++) pivot[v] *= 1.0f / (float)peek;
  double sum[ISA(TILE)] = {0}, square[ISA(TILE)] = {0};
  const int n = left < vectors * LANES ? left : vectors * LANES;
  for (long r0 = 0; r0 < rows; r0 += ISA(BLOCK)) {
    const long r1 = r0 + ISA(BLOCK) < rows ? r0 + ISA(BLOCK) : rows;
    vec part[2] = {{0}}, squares[2] = {{0}};
    for (long r = r0; r < r1; r++)
      UNROLL for (int v = 0; v < vectors; v++) {
        const vec d = load(x + r * channels + c + v * LANES) - pivot[v];
        part[v] += d;
        squares[v] += d * d;
      }
    float out[2][ISA(TILE)];
    UNROLL for (int v = 0; v < vectors; v++) {
      store(out[0] + v * LANES, part[v]);
      store(out[1] + v * LANES, squares[v]);
    }
    for (int i = 0; i < n; i++) {
      sum[i] += out[0][i];
      square[i] += out[1][i];
    }
  }
  float center[ISA(TILE)];
  UNROLL for (int v = 0; v < vectors; v++) store(center + v * LANES, pivot[v]);
  const double each = 1 / (double)rows;
  for (int i = 0; i < n; i++) {
    const double shift = sum[i] * each;
    mean[c + i] = (double)center[i] + shift;
    deviation[c + i] = square[i] - shift * sum[i];
  }
}

static void ISA(moments)(double *mean, double *deviation, const float *x, long rows,
                         int channels) {
  EACH_TILE(channels, ISA(moments_tile), mean, deviation, x, rows, channels)
}

// ---- gradients ---------------------------------------------------------------------------------

INLINE void ISA(finish_tile)(const int relu, double *sums, double *products, float *g,
                             const float *x, ck_view view, long rows, int channels, int c,
                             const int vectors, const int whole, int left) {
  const seer s = ISA(see)(vectors, view, c);
  const int n = left < vectors * LANES ? left : vectors * LANES;
  for (long r0 = 0; r0 < rows; r0 += ISA(BLOCK)) {
    const long r1 = r0 + ISA(BLOCK) < rows ? r0 + ISA(BLOCK) : rows;
    vec part[2] = {{0}}, part_x[2] = {{0}};
    for (long r = r0; r < r1; r++)
      UNROLL for (int v = 0; v < vectors; v++) {
        float *at = g + r * channels + c + v * LANES;
        const vec d = load(x + r * channels + c + v * LANES) - s.mean[v];
        vec value = load(at);
        if (relu) {
          value = (vec)((ivec)value & (d * s.scale[v] + s.shift[v] > 0));
          ISA(put)(at, value, whole, left);
        }
        part[v] += value;
        part_x[v] += value * d;
      }
    float out[2][ISA(TILE)];
    UNROLL for (int v = 0; v < vectors; v++) {
      store(out[0] + v * LANES, part[v]);
      store(out[1] + v * LANES, part_x[v]);
    }
    for (int i = 0; i < n; i++) {
      sums[c + i] += out[0][i];
      products[c + i] += out[1][i];
    }
  }
}

static void ISA(finish_gradient)(double *sums, double *products, float *g, const float *x,
                                 ck_view view, long rows, int channels) {
  if (!view.mean) {
    const long count = rows * channels;
    long i = 0;
    for (; i + LANES <= count; i += LANES)
      store(g + i, (vec)((ivec)load(g + i) & (load(x + i) > 0)));
    for (; i < count; i++) g[i] = x[i] > 0 ? g[i] : 0;
  } else if (view.relu) {
    EACH_TILE(channels, ISA(finish_tile), 1, sums, products, g, x, view, rows, channels)
  } else {
    EACH_TILE(channels, ISA(finish_tile), 0, sums, products, g, x, view, rows, channels)
  }
}

INLINE void ISA(normalize_tile)(const int add, float *dx, const float *g, const float *x,
                                ck_norm_gradient n, long rows, int channels, int c,
                                const int vectors, const int whole, int left) {
  vec center[2], slope[2], level[2], lean[2];
  UNROLL for (int v = 0; v < vectors; v++) {
    center[v] = load(n.mean + c + v * LANES);
    slope[v] = load(n.slope + c + v * LANES);
    level[v] = load(n.level + c + v * LANES);
    lean[v] = load(n.lean + c + v * LANES);
  }
  dx += c;
  g += c;
  x += c;
  for (long r = 0; r < rows; r++, dx += channels, g += channels, x += channels)
    UNROLL for (int v = 0; v < vectors; v++) {
      const vec away = load(x + v * LANES) - center[v];
      vec d = load(g + v * LANES) * slope[v] - level[v] - away * lean[v];
      if (add) d += load(dx + v * LANES);
      ISA(put)(dx + v * LANES, d, whole, left);
    }
}

static void ISA(normalize_backward)(float *dx, const float *g, const float *x, ck_norm_gradient n,
                                    long rows, int channels, int add) {
  if (add) EACH_TILE(channels, ISA(normalize_tile), 1, dx, g, x, n, rows, channels)
  else EACH_TILE(channels, ISA(normalize_tile), 0, dx, g, x, n, rows, channels)
}
#undef EACH_TILE
#undef seer
