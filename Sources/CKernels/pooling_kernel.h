// Pooling windows, for the instruction set that is being compiled: LANES channels of a line of
// outputs at a time. Windows see their input through batch norm and ReLU.
typedef uint8_t ISA(bytes) __attribute__((vector_size(LANES), aligned(1), may_alias));

INLINE void ISA(put_bytes)(uint8_t *p, ivec v, const int whole, int left) {
  if (whole) {
    *(ISA(bytes) *)p = __builtin_convertvector(v, ISA(bytes));
  } else {
    int32_t full[LANES];
    *(ivec *)full = v;
    for (int i = 0; i < left; i++) p[i] = (uint8_t)full[i];
  }
}

INLINE ivec ISA(get_bytes)(const uint8_t *p, const int whole, int left) {
  if (whole) return __builtin_convertvector(*(const ISA(bytes) *)p, ivec);
  int32_t full[LANES] = {0};
  for (int i = 0; i < left; i++) full[i] = p[i];
  return *(ivec *)full;
}

// The part of window (oy, ox) that lies inside of the image: taps [y0, y1) x [x0, x1).
typedef struct {
  int top, left, y0, y1, x0, x1;
} ISA(reach);

INLINE ISA(reach) ISA(reach_of)(ck_window w, int oy, int ox) {
  const int top = oy * w.stride_height - w.pad_height, left = ox * w.stride_width - w.pad_width;
  return (ISA(reach)){
      top,
      left,
      top < 0 ? -top : 0,
      w.height - top < w.kernel_height ? w.height - top : w.kernel_height,
      left < 0 ? -left : 0,
      w.width - left < w.kernel_width ? w.width - left : w.kernel_width,
  };
}

// How one vector of channels is looked at: a view's coefficients, and the sign bits to turn.
typedef struct {
  vec mean, scale, shift;
  ivec turned;
} ISA(lens);
#define lens ISA(lens)

INLINE lens ISA(focus)(ck_view view, int c) {
  lens l = {{0}, {0}, {0}, {0}};
  if (view.mean) {
    l.mean = load(view.mean + c);
    l.scale = load(view.scale + c);
    l.shift = load(view.shift + c);
  }
  return l;
}

// Numbers before a norm, so turned that the largest one is the largest one behind it.
INLINE lens ISA(focus_before)(const float *gamma, int c) {
  lens l = {{0}, {0}, {0}, {0}};
  l.turned = (load(gamma + c) < 0) & INT32_MIN;
  return l;
}

INLINE vec ISA(turn)(vec x, lens l) { return (vec)((ivec)x ^ l.turned); }

enum { ISA(AS_IT_IS), ISA(NORM), ISA(TURNED) };

INLINE vec ISA(look)(const float *p, const int how, const int relu, lens l) {
  vec x = load(p);
  if (how == ISA(NORM)) x = (x - l.mean) * l.scale + l.shift;
  if (how == ISA(TURNED)) x = ISA(turn)(x, l);
  return relu ? (vec)(~(x <= 0) & (ivec)x) : x;
}

// The maximum of taps [y0, y1) x [x0, x1); unrolled where these are constants.
INLINE void ISA(max_window)(float *y, uint8_t *arg, const float *x, const int how, const int relu,
                            lens l, ck_window w, int y0, int y1, int x0, int x1, const int whole,
                            int left) {
  vec best = {0};
  ivec place = {0};
  int first = 1;
  for (int ky = y0; ky < y1; ky++)
    for (int kx = x0; kx < x1; kx++) {
      const vec v = ISA(look)(x + ((long)ky * w.width + kx) * w.channels, how, relu, l);
      const ivec here = (ivec){0} + (ky * w.kernel_width + kx);
      if (first) {
        best = v;
        place = here;
        first = 0;
      } else {
        // A NaN wins, so that divergence is never hidden by a pool.
        const ivec wins = ~(v <= best);
        best = pick(wins, v, best);
        place = (wins & here) | (~wins & place);
      }
    }
  if (how == ISA(TURNED)) best = ISA(turn)(best, l);
  if (whole) store(y, best);
  else store_part(y, best, left);
  ISA(put_bytes)(arg, place, whole, left);
}

INLINE void ISA(max_line)(float *y, uint8_t *arg, const float *x, const int how, const int relu,
                          lens l, ck_window w, int oy, int c, const int whole, int left) {
  for (int ox = 0; ox < w.out_width; ox++) {
    const ISA(reach) r = ISA(reach_of)(w, oy, ox);
    const float *from = x + ((long)r.top * w.width + r.left) * w.channels + c;
    float *to = y + (long)ox * w.channels + c;
    uint8_t *place = arg + (long)ox * w.channels + c;
    const int inside = !r.y0 && !r.x0 && r.y1 == w.kernel_height && r.x1 == w.kernel_width &&
                       w.kernel_height == w.kernel_width && whole;
    if (inside && w.kernel_width == 2)
      ISA(max_window)(to, place, from, how, relu, l, w, 0, 2, 0, 2, 1, left);
    else if (inside && w.kernel_width == 3)
      ISA(max_window)(to, place, from, how, relu, l, w, 0, 3, 0, 3, 1, left);
    else
      ISA(max_window)(to, place, from, how, relu, l, w, r.y0, r.y1, r.x0, r.x1, whole, left);
  }
}

INLINE void ISA(max_lines)(float *y, uint8_t *arg, const float *x, const int how, const int relu,
                           ck_view view, const float *gamma, ck_window w, int first, int last) {
  for (int oy = first; oy < last; oy++) {
    const long line = (long)oy * w.out_width * w.channels;
    for (int c = 0; c < w.channels; c += LANES) {
      const lens l = how == ISA(TURNED) ? ISA(focus_before)(gamma, c) : ISA(focus)(view, c);
      const int left = w.channels - c;
      if (left >= LANES) ISA(max_line)(y + line, arg + line, x, how, relu, l, w, oy, c, 1, LANES);
      else ISA(max_line)(y + line, arg + line, x, how, relu, l, w, oy, c, 0, left);
    }
  }
}

static void ISA(max_pool)(float *y, uint8_t *arg, const float *x, ck_view view, ck_window w) {
  const int n = w.out_height;
  if (view.mean && view.relu) ISA(max_lines)(y, arg, x, ISA(NORM), 1, view, NULL, w, 0, n);
  else if (view.mean) ISA(max_lines)(y, arg, x, ISA(NORM), 0, view, NULL, w, 0, n);
  else if (view.relu) ISA(max_lines)(y, arg, x, ISA(AS_IT_IS), 1, view, NULL, w, 0, n);
  else ISA(max_lines)(y, arg, x, ISA(AS_IT_IS), 0, view, NULL, w, 0, n);
}

static void ISA(max_pool_before)(float *y, uint8_t *arg, const float *x, const float *gamma,
                                 ck_window w, int first, int last) {
  ISA(max_lines)(y, arg, x, ISA(TURNED), 0, (ck_view){0}, gamma, w, first, last);
}

// The gradient goes where the maximum came from.
INLINE void ISA(spread)(float *dx, ivec place, vec g, ck_window w, const int add, int y0, int y1,
                        int x0, int x1, const int whole, int left) {
  for (int ky = y0; ky < y1; ky++)
    for (int kx = x0; kx < x1; kx++) {
      float *to = dx + ((long)ky * w.width + kx) * w.channels;
      vec v = (vec)((place == ky * w.kernel_width + kx) & (ivec)g);
      if (add) v += load(to);
      if (whole) store(to, v);
      else store_part(to, v, left);
    }
}

// Of the windows of line oy what lies in lines [first, last) of the image.
INLINE void ISA(max_line_backward)(float *dx, const float *dy, const uint8_t *arg, ck_window w,
                                   int oy, int first, int last, const int add, int c,
                                   const int whole, int left) {
  for (int ox = 0; ox < w.out_width; ox++) {
    ISA(reach) r = ISA(reach_of)(w, oy, ox);
    if (r.y0 < first - r.top) r.y0 = first - r.top;
    if (r.y1 > last - r.top) r.y1 = last - r.top;
    const long out = (long)ox * w.channels + c;
    const ivec place = ISA(get_bytes)(arg + out, whole, left);
    const vec g = load(dy + out);
    float *to = dx + ((long)r.top * w.width + r.left) * w.channels + c;
    if (!add && whole && w.kernel_width == 2 && w.kernel_height == 2)
      ISA(spread)(to, place, g, w, 0, 0, 2, 0, 2, 1, left);
    else
      ISA(spread)(to, place, g, w, add, r.y0, r.y1, r.x0, r.x1, whole, left);
  }
}

// dx is where line 0 of the image would be.
static void ISA(max_pool_backward)(float *dx, const float *dy, const uint8_t *arg, ck_window w,
                                   int first, int last, int add) {
  for (int oy = 0; oy < w.out_height; oy++) {
    const int top = oy * w.stride_height - w.pad_height;
    if (top + w.kernel_height <= first || top >= last) continue;
    const long line = (long)oy * w.out_width * w.channels;
    for (int c = 0; c < w.channels; c += LANES) {
      const int left = w.channels - c;
      if (left < LANES)
        ISA(max_line_backward)(dx, dy + line, arg + line, w, oy, first, last, add, c, 0, left);
      else if (add)
        ISA(max_line_backward)(dx, dy + line, arg + line, w, oy, first, last, 1, c, 1, left);
      else ISA(max_line_backward)(dx, dy + line, arg + line, w, oy, first, last, 0, c, 1, left);
    }
  }
}

// The gradient of a norm in front of windows that tile the image: each pixel is written once.
INLINE void ISA(norm_line_backward)(float *dx, const float *dy, const uint8_t *arg, const float *x,
                                    ck_norm_gradient n, ck_window w, const int side, int c,
                                    const int whole, int left) {
  const vec mean = load(n.mean + c), slope = load(n.slope + c), level = load(n.level + c),
            lean = load(n.lean + c);
  const int height = side ? side : w.kernel_height, width = side ? side : w.kernel_width;
  for (int ox = 0; ox < w.out_width; ox++) {
    const long out = (long)ox * w.channels + c, in = (long)ox * width * w.channels + c;
    const ivec place = ISA(get_bytes)(arg + out, whole, left);
    const vec g = load(dy + out) * slope;
    for (int ky = 0; ky < height; ky++)
      for (int kx = 0; kx < width; kx++) {
        const long at = in + ((long)ky * w.width + kx) * w.channels;
        __builtin_prefetch(x + at + 2 * w.width * w.channels);
        const vec v = (vec)((place == ky * width + kx) & (ivec)g) - level -
                      (load(x + at) - mean) * lean;
        if (whole) store(dx + at, v);
        else store_part(dx + at, v, left);
      }
  }
}

// `lines` of the outputs, whose first is where dy and arg are.
static void ISA(max_pool_norm_backward)(float *dx, const float *dy, const uint8_t *arg,
                                        const float *x, ck_norm_gradient n, ck_window w,
                                        int lines) {
  const int is_two = w.kernel_height == 2 && w.kernel_width == 2;
  const long line = (long)w.out_width * w.channels;
  const long in = (long)w.kernel_height * w.width * w.channels;
  for (int i = 0; i < lines; i++, dx += in, x += in, dy += line, arg += line)
    for (int c = 0; c < w.channels; c += LANES) {
      const int left = w.channels - c;
      if (left >= LANES && is_two)
        ISA(norm_line_backward)(dx, dy, arg, x, n, w, 2, c, 1, LANES);
      else if (left >= LANES) ISA(norm_line_backward)(dx, dy, arg, x, n, w, 0, c, 1, LANES);
      else ISA(norm_line_backward)(dx, dy, arg, x, n, w, 0, c, 0, left);
    }
}

// Means over the pixels of a window that are inside of the image.
INLINE float ISA(share)(ISA(reach) r) {
  return 1.0f / (float)((r.y1 - r.y0) * (r.x1 - r.x0));
}

static void ISA(average_pool)(float *y, const float *x, ck_view view, ck_window w) {
  const int channels = w.channels;
  for (int oy = 0; oy < w.out_height; oy++)
    for (int ox = 0; ox < w.out_width; ox++, y += channels) {
      const ISA(reach) r = ISA(reach_of)(w, oy, ox);
      const float share = ISA(share)(r);
      for (int c = 0; c < channels; c += LANES) {
        const lens l = ISA(focus)(view, c);
        vec sum = {0};
        for (int ky = r.y0; ky < r.y1; ky++)
          for (int kx = r.x0; kx < r.x1; kx++)
            sum += ISA(look)(x + ((long)(r.top + ky) * w.width + r.left + kx) * channels + c,
                             view.mean ? ISA(NORM) : ISA(AS_IT_IS), view.relu, l);
        if (channels - c >= LANES) store(y + c, sum * share);
        else store_part(y + c, sum * share, channels - c);
      }
    }
}

static void ISA(average_pool_backward)(float *dx, const float *dy, ck_window w) {
  const int channels = w.channels;
  for (int oy = 0; oy < w.out_height; oy++)
    for (int ox = 0; ox < w.out_width; ox++, dy += channels) {
      const ISA(reach) r = ISA(reach_of)(w, oy, ox);
      const float share = ISA(share)(r);
      for (int ky = r.y0; ky < r.y1; ky++)
        for (int kx = r.x0; kx < r.x1; kx++) {
          float *to = dx + ((long)(r.top + ky) * w.width + r.left + kx) * channels;
          for (int c = 0; c < channels; c += LANES) {
            const vec v = load(to + c) + load(dy + c) * share;
            if (channels - c >= LANES) store(to + c, v);
            else store_part(to + c, v, channels - c);
          }
        }
    }
}
#undef lens
