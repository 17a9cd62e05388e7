// The two micro-kernels under all products, for the instruction set that is being compiled: tiles
// of up to ROWS rows and two vectors of columns, whose sums stay in registers for a whole block of
// the depth. The blocks are fixed: they can change bits.
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

// A block of the depth: taps [tap, tap + taps), of each the numbers [from, from + depth).
typedef struct {
  int tap, taps;
  long from, depth;
} ISA(span);

// Vectors of b are `apart` numbers apart, rows of a vector's panel PANEL numbers.
INLINE void ISA(row_tile)(const int count, const int vectors, float *c, long stride, ck_rows a,
                          int first, ISA(span) s, const float *b, long apart, int add) {
  vec sums[ROWS][2];
  ISA(begin)(count, vectors, sums, c, stride, add);
  const float *const *rows = a.rows + first + s.tap * a.tap_stride;
  for (int t = 0; t < s.taps; t++, rows += a.tap_stride) {
    const float *row[ROWS];
    UNROLL for (int r = 0; r < count; r++) row[r] = rows[r] + a.offset + s.from;
    for (long k = 0; k < s.depth; k++, b += PANEL) {
      vec w[2];
      UNROLL for (int v = 0; v < vectors; v++) w[v] = load(b + v * apart);
      UNROLL for (int r = 0; r < count; r++) {
        const vec x = broadcast(row[r][k]);
        UNROLL for (int v = 0; v < vectors; v++) sums[r][v] += x * w[v];
      }
    }
  }
  ISA(end)(count, vectors, sums, c, stride);
}

// The numbers of a term follow each other in a and in b: terms are ROWS numbers apart in a where
// `packed`, and wherever a.rows says where not.
INLINE void ISA(outer_tile)(const int count, const int vectors, const int packed, float *c,
                            long stride, ck_terms a, const float *left, const float *b,
                            long b_stride, int terms, int add) {
  vec sums[ROWS][2];
  ISA(begin)(count, vectors, sums, c, stride, add);
  for (long t = 0; t < terms; t++, b += b_stride) {
    const float *x = packed ? left + t * ROWS : a.rows[t] + a.offset;
    vec w[2];
    UNROLL for (int v = 0; v < vectors; v++) w[v] = load(b + v * LANES);
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

static void ISA(row_tiles)(int count, int vectors, float *c, long stride, ck_rows a, int first,
                           ISA(span) s, const float *b, long apart, int add) {
#define CASE(N)                                                                                    \
  case N:                                                                                          \
    if (vectors == 2) ISA(row_tile)(AT_MOST(N), 2, c, stride, a, first, s, b, apart, add);         \
    else ISA(row_tile)(AT_MOST(N), 1, c, stride, a, first, s, b, apart, add);                      \
    break;
  switch (count) { EACH_COUNT(CASE) }
#undef CASE
}

// Tiles of two vectors, one under the other. Full ones and those that lack a row, which most are,
// go without a detour: where the depth is small, it would take as long as the tile.
INLINE void ISA(row_strip)(const int one, int groups, int count, float *c, long stride, ck_rows a,
                           ISA(span) s, const float *b, long apart, int add) {
  if (one) s.taps = 1;
  const int least = count / groups, more = count % groups;
  for (int g = 0, first = 0, rows; g < groups; g++, first += rows) {
    rows = least + (g < more);
    float *out = c + first * stride;
    if (add || rows < ROWS - 1) ISA(row_tiles)(rows, 2, out, stride, a, first, s, b, apart, add);
    else if (rows == ROWS) ISA(row_tile)(ROWS, 2, out, stride, a, first, s, b, apart, 0);
    else ISA(row_tile)(ROWS - 1, 2, out, stride, a, first, s, b, apart, 0);
  }
}

static void ISA(outer_tiles)(int count, int vectors, float *c, long stride, ck_terms a,
                             const float *left, const float *b, long b_stride, int terms,
                             int add) {
#define TILE(N, vectors, packed)                                                                   \
  ISA(outer_tile)(AT_MOST(N), vectors, packed, c, stride, a, left, b, b_stride, terms, add)
#define CASE(N)                                                                                    \
  case N:                                                                                          \
    if (!left) vectors == 2 ? TILE(N, 2, 0) : TILE(N, 1, 0);                                       \
    else vectors == 2 ? TILE(N, 2, 1) : TILE(N, 1, 1);                                             \
    break;
  switch (count) { EACH_COUNT(CASE) }
#undef CASE
#undef TILE
}
#undef EACH_COUNT
#undef AT_MOST

INLINE void ISA(copy_tile)(float *to, long to_stride, const float *from, long stride, int rows,
                           int columns) {
  for (int r = 0; r < rows; r++)
    memcpy(to + r * to_stride, from + r * stride, sizeof(float) * columns);
}

// A tile to or from rows that lie wherever `places` says.
INLINE void ISA(fetch_tile)(float *tile, float *const *places, int n0, int rows, int columns) {
  for (int r = 0; r < rows; r++) memcpy(tile + r * STRIP, places[r] + n0, sizeof(float) * columns);
}
INLINE void ISA(place_tile)(float *const *places, int n0, const float *tile, int rows,
                            int columns) {
  for (int r = 0; r < rows; r++) {
    if (columns == STRIP) {
      store(places[r] + n0, load(tile + r * STRIP));
      store(places[r] + n0 + LANES, load(tile + r * STRIP + LANES));
    } else {
      memcpy(places[r] + n0, tile + r * STRIP, sizeof(float) * columns);
    }
  }
}

// All rows and columns over one block of the depth. Rows of c are `stride` apart, or where `places`
// says unless that is null.
static void ISA(row_span)(float *c, long stride, float *const *places, ck_rows a, int count,
                          ISA(span) s, const float *packed, int columns, int add) {
  const long whole = (long)a.taps * a.depth * PANEL;  // numbers of a panel
  const int groups = (count + ROWS - 1) / ROWS;
  packed += (s.tap * (long)a.depth + s.from) * PANEL;
  for (int n0 = 0; n0 < columns; n0 += STRIP) {
    const int left = columns - n0, vectors = left > LANES ? 2 : 1;
    const float *b = packed + n0 / PANEL * whole + n0 % PANEL;
    const long apart = LANES < PANEL ? LANES : whole;
    if (!places && left >= STRIP) {
      if (s.taps == 1) ISA(row_strip)(1, groups, count, c + n0, stride, a, s, b, apart, add);
      else ISA(row_strip)(0, groups, count, c + n0, stride, a, s, b, apart, add);
      continue;
    }
    for (int g = 0; g < groups; g++) {
      const int first = (long)count * g / groups;
      const int rows = (long)count * (g + 1) / groups - first;
      if (places) {
        const int n = left < STRIP ? left : STRIP;
        float tile[ROWS * STRIP];
        if (add) ISA(fetch_tile)(tile, places + first, n0, rows, n);
        ISA(row_tiles)(rows, vectors, tile, STRIP, a, first, s, b, apart, add);
        ISA(place_tile)(places + first, n0, tile, rows, n);
        continue;
      }
      float *out = c + first * stride + n0;
      if (left >= vectors * LANES) {
        ISA(row_tiles)(rows, vectors, out, stride, a, first, s, b, apart, add);
      } else {
        // The columns end inside of the tile.
        float edge[ROWS * STRIP] = {0};
        if (add) ISA(copy_tile)(edge, STRIP, out, stride, rows, left);
        ISA(row_tiles)(rows, vectors, edge, STRIP, a, first, s, b, apart, add);
        ISA(copy_tile)(out, stride, edge, STRIP, rows, left);
      }
    }
  }
}

static void ISA(row_product)(float *c, long stride, float *const *places, ck_rows a, int count,
                             const float *packed, int columns, int add) {
  // A strip of so many rows of b stays in the first-level cache while all rows of a pass by.
  enum { DEPTH = 256 };
  if (a.taps == 0 || a.depth == 0) {
    for (int i = 0; i < count && !add; i++)
      memset(places ? places[i] : c + i * stride, 0, sizeof(float) * columns);
  } else if (a.depth <= DEPTH) {
    const int taps = DEPTH / a.depth;
    for (int t = 0; t < a.taps; t += taps) {
      const int now = a.taps - t < taps ? a.taps - t : taps;
      const ISA(span) s = {t, now, 0, a.depth};
      ISA(row_span)(c, stride, places, a, count, s, packed, columns, add || t > 0);
    }
  } else {
    const int parts = (a.depth + DEPTH - 1) / DEPTH;
    for (int t = 0; t < a.taps; t++)
      for (int p = 0; p < parts; p++) {
        const long from = (long)a.depth * p / parts, end = (long)a.depth * (p + 1) / parts;
        const ISA(span) s = {t, 1, from, end - from};
        ISA(row_span)(c, stride, places, a, count, s, packed, columns, add || t > 0 || p > 0);
      }
  }
}

// Columns that take more than two tiles: both factors are copied into the order in which tiles read
// them. Rows a power of two apart would compete for the same few places of the cache.
static void ISA(outer_block)(float *c, long stride, ck_terms a, int rows, const float *b,
                             long b_stride, int columns, int terms, int add) {
  float right[OUTER_TERMS * (OUTER_COLUMNS + STRIP)], copy[OUTER_TERMS * ROWS + LANES];
  const float *left = columns > 2 * STRIP ? copy : NULL;
  for (int n0 = 0; n0 < columns && (left || columns % LANES); n0 += STRIP) {
    const int n = columns - n0 < STRIP ? columns - n0 : STRIP;
    float *to = right + n0 * terms;
    for (int t = 0; t < terms; t++, to += STRIP) {
      const float *from = b + t * b_stride + n0;
      if (n == STRIP) {
        store(to, load(from));
        store(to + LANES, load(from + LANES));
      } else {
        memset(to, 0, sizeof(float) * STRIP);
        memcpy(to, from, sizeof(float) * n);
      }
    }
  }
  const int is_copied = left || columns % LANES;
  const int groups = (rows + ROWS - 1) / ROWS;
  for (int g = 0; g < groups; g++) {
    const int first = (long)rows * g / groups, count = (long)rows * (g + 1) / groups - first;
    const ck_terms x = {a.rows, a.offset + first};
    for (int t = 0; t < terms && left; t++)
      for (int v = 0; v < ROWS; v += LANES)
        // Numbers behind the last row are read and never used.
        store(copy + t * ROWS + v, load(x.rows[t] + x.offset + v));
    for (int n0 = 0; n0 < columns; n0 += STRIP) {
      const int rest = columns - n0, vectors = rest > LANES ? 2 : 1;
      float *out = c + first * stride + n0;
      const float *strip = is_copied ? right + n0 * terms : b + n0;
      const long apart = is_copied ? STRIP : b_stride;
      if (rest >= vectors * LANES) {
        ISA(outer_tiles)(count, vectors, out, stride, x, left, strip, apart, terms, add);
      } else {
        float edge[ROWS * STRIP] = {0};
        if (add) ISA(copy_tile)(edge, STRIP, out, stride, count, rest);
        ISA(outer_tiles)(count, vectors, edge, STRIP, x, left, strip, apart, terms, add);
        ISA(copy_tile)(out, stride, edge, STRIP, count, rest);
      }
    }
  }
}

static void ISA(outer_product)(float *c, long stride, ck_terms a, int rows, const float *b,
                               long b_stride, int columns, int terms, int add) {
  if (terms == 0 && !add)
    for (int k = 0; k < rows; k++) memset(c + k * stride, 0, columns * sizeof(float));
  for (int t = 0; t < terms; t += OUTER_TERMS) {
    const int now = terms - t < OUTER_TERMS ? terms - t : OUTER_TERMS;
    const ck_terms part = {a.rows + t, a.offset};
    for (int n0 = 0; n0 < columns; n0 += OUTER_COLUMNS) {
      const int n = columns - n0 < OUTER_COLUMNS ? columns - n0 : OUTER_COLUMNS;
      ISA(outer_block)(c + n0, stride, part, rows, b + t * b_stride + n0, b_stride, n, now,
                       add || t > 0);
    }
  }
}
#undef STRIP
