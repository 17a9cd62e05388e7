// The two micro-kernels under all products, for the instruction set that is being compiled: tiles
// of up to ROWS rows and two vectors of columns, whose sums stay in registers for the whole depth.
#define STRIP (2 * LANES)

INLINE void ISA(begin)(const int count, const int vectors, vec sums[ROWS][2], const float *c,
                       long stride, int add) {
  UNROLL for (int r = 0; r < count; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      sums[r][v] = add ? load(c + r * stride + v * LANES) : (vec){0};
}

INLINE void ISA(end)(const int count, const int vectors, vec sums[ROWS][2], float *c,
                     long stride) {
  UNROLL for (int r = 0; r < count; r++)
    UNROLL for (int v = 0; v < vectors; v++) store(c + r * stride + v * LANES, sums[r][v]);
}

INLINE void ISA(row_tile)(const int count, const int vectors, const int width, float *c,
                          long stride, ck_rows a, int first, const float *b, int add) {
  vec sums[ROWS][2];
  ISA(begin)(count, vectors, sums, c, stride, add);
  const float *const *rows = a.rows + first;
  for (int t = 0; t < a.taps; t++, rows += a.tap_stride) {
    const float *row[ROWS];
    UNROLL for (int r = 0; r < count; r++) row[r] = rows[r] + a.offset;
    for (long k = 0; k < a.depth; k++, b += width) {
      vec w[2];
      UNROLL for (int v = 0; v < vectors; v++) w[v] = load(b + v * LANES);
      UNROLL for (int r = 0; r < count; r++) {
        const vec x = broadcast(row[r][k]);
        UNROLL for (int v = 0; v < vectors; v++) sums[r][v] += x * w[v];
      }
    }
  }
  ISA(end)(count, vectors, sums, c, stride);
}

INLINE void ISA(outer_tile)(const int count, const int vectors, float *c, long stride,
                            ck_terms a, ck_terms b, int terms, int add) {
  vec sums[ROWS][2];
  ISA(begin)(count, vectors, sums, c, stride, add);
  for (long t = 0; t < terms; t++) {
    const float *x = a.rows[t] + a.offset, *y = b.rows[t] + b.offset;
    vec w[2];
    UNROLL for (int v = 0; v < vectors; v++) w[v] = load(y + v * LANES);
    UNROLL for (int r = 0; r < count; r++) {
      const vec s = broadcast(x[r]);
      UNROLL for (int v = 0; v < vectors; v++) sums[r][v] += s * w[v];
    }
  }
  ISA(end)(count, vectors, sums, c, stride);
}

#define EACH_COUNT(CASE)                                                                           \
  CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11)        \
  CASE(12) CASE(13) CASE(14)
#define AT_MOST(N) ((N) > ROWS ? ROWS : (N))

static void ISA(row_tiles)(int count, int vectors, int width, float *c, long stride, ck_rows a,
                           int first, const float *b, int add) {
#define CASE(N)                                                                                    \
  case N:                                                                                          \
    if (vectors == 2 && width == 32) ISA(row_tile)(AT_MOST(N), 2, 32, c, stride, a, first, b, add);\
    else if (vectors == 2) ISA(row_tile)(AT_MOST(N), 2, 16, c, stride, a, first, b, add);          \
    else ISA(row_tile)(AT_MOST(N), 1, 16, c, stride, a, first, b, add);                            \
    break;
  switch (count) { EACH_COUNT(CASE) }
#undef CASE
}

static void ISA(outer_tiles)(int count, int vectors, float *c, long stride, ck_terms a, ck_terms b,
                             int terms, int add) {
#define CASE(N)                                                                                    \
  case N:                                                                                          \
    if (vectors == 2) ISA(outer_tile)(AT_MOST(N), 2, c, stride, a, b, terms, add);                 \
    else ISA(outer_tile)(AT_MOST(N), 1, c, stride, a, b, terms, add);                              \
    break;
  switch (count) { EACH_COUNT(CASE) }
#undef CASE
}
#undef EACH_COUNT
#undef AT_MOST

INLINE void ISA(copy_tile)(float *to, long to_stride, const float *from, long stride, int rows,
                           int columns) {
  for (int r = 0; r < rows; r++)
    memcpy(to + r * to_stride, from + r * stride, sizeof(float) * columns);
}

static void ISA(row_product)(float *c, long stride, ck_rows a, int count, const float *packed,
                             int columns, int add) {
  const int groups = (count + ROWS - 1) / ROWS;
  for (int n0 = 0; n0 < columns; n0 += 32) {
    const int width = columns - n0 > 16 ? 32 : 16;
    for (int s = 0; s < width && n0 + s < columns; s += STRIP) {
      const int vectors = width - s >= STRIP ? 2 : 1, left = columns - n0 - s;
      for (int g = 0; g < groups; g++) {
        const int first = (long)count * g / groups;
        const int rows = (long)count * (g + 1) / groups - first;
        float *out = c + first * stride + n0 + s;
        if (left >= vectors * LANES) {
          ISA(row_tiles)(rows, vectors, width, out, stride, a, first, packed + s, add);
        } else {
          // The columns end inside of the tile.
          float edge[ROWS * STRIP] = {0};
          if (add) ISA(copy_tile)(edge, STRIP, out, stride, rows, left);
          ISA(row_tiles)(rows, vectors, width, edge, STRIP, a, first, packed + s, add);
          ISA(copy_tile)(out, stride, edge, STRIP, rows, left);
        }
      }
    }
    packed += (long)a.taps * a.depth * width;
  }
}

static void ISA(outer_product)(float *c, long stride, ck_terms a, int rows, ck_terms b,
                               int columns, int terms, int add) {
  const int groups = (rows + ROWS - 1) / ROWS;
  for (int n0 = 0; n0 < columns; n0 += STRIP) {
    const int vectors = columns - n0 > LANES ? 2 : 1, left = columns - n0;
    for (int g = 0; g < groups; g++) {
      const int first = (long)rows * g / groups, count = (long)rows * (g + 1) / groups - first;
      const ck_terms x = {a.rows, a.offset + first}, y = {b.rows, b.offset + n0};
      float *out = c + first * stride + n0;
      if (left >= vectors * LANES) {
        ISA(outer_tiles)(count, vectors, out, stride, x, y, terms, add);
      } else {
        float edge[ROWS * STRIP] = {0};
        if (add) ISA(copy_tile)(edge, STRIP, out, stride, count, left);
        ISA(outer_tiles)(count, vectors, edge, STRIP, x, y, terms, add);
        ISA(copy_tile)(out, stride, edge, STRIP, count, left);
      }
    }
  }
}
#undef STRIP
