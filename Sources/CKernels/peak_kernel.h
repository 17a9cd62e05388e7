// As many multiply-adds as the registers allow, and nothing else.
static float ISA(multiply_adds)(long rounds) {
  enum { CHAINS = 10 };  // more than the latency times the width of any unit in use
  vec sums[CHAINS];
  UNROLL for (int i = 0; i < CHAINS; i++) sums[i] = broadcast((float)i);
  vec x = broadcast(0.999f), y = broadcast(1e-3f);
  for (long r = 0; r < rounds; r++) {
    __asm__ volatile("" : REGISTER(x), REGISTER(y));
    UNROLL for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * x + y;
  }
  vec total = sums[0];
  UNROLL for (int i = 1; i < CHAINS; i++) total += sums[i];
  float out[LANES];
  store(out, total);
  return out[0];
}
