// Vectors of LANES floats, the widest registers of the instruction set that is being compiled.
typedef float vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec broadcast(float x) { return x - (vec){0}; }
// a where the mask is set, else b.
INLINE vec pick(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
// The first n floats, and zeros.
INLINE vec load_part(const float *p, int n) {
  float full[LANES] = {0};
  for (int i = 0; i < n && i < LANES; i++) full[i] = p[i];
  return load(full);
}
INLINE void store_part(float *p, vec v, int n) {
  float full[LANES];
  store(full, v);
  for (int i = 0; i < n && i < LANES; i++) p[i] = full[i];
}
