// Update rules, one pass over the parameters each.
#include <math.h>

#include "CKernels.h"

CLONES void ck_sgd(float *w, const float *g, size_t n, float rate, float decay) {
  for (size_t i = 0; i < n; i++) w[i] -= rate * (g[i] + decay * w[i]);
}

CLONES void ck_momentum(float *w, float *v, const float *g, size_t n, float rate, float m,
                        float decay) {
  for (size_t i = 0; i < n; i++) {
    v[i] = m * v[i] + (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

CLONES void ck_nesterov(float *w, float *v, const float *g, size_t n, float rate, float m,
                        float decay) {
  for (size_t i = 0; i < n; i++) {
    const float d = g[i] + decay * w[i];
    v[i] = m * v[i] + d;
    w[i] -= rate * (d + m * v[i]);
  }
}

CLONES void ck_lars(float *w, float *v, const float *g, size_t n, float rate, float m,
                    float decay, float local) {
  for (size_t i = 0; i < n; i++) {
    v[i] = m * v[i] + local * (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

CLONES void ck_adam(float *w, float *p, float *q, const float *g, size_t n, double rate,
                    double beta1, double beta2, double epsilon, double decay, double correction1,
                    double correction2) {
  const float b1 = (float)beta1, c1 = (float)(1 - beta1);
  const float b2 = (float)beta2, c2 = (float)(1 - beta2);
  const float step = (float)(rate / correction1), root = (float)(1 / correction2);
  const float wd = (float)decay, eps = (float)epsilon;
  for (size_t i = 0; i < n; i++) {
    const float d = g[i] + wd * w[i];
    p[i] = b1 * p[i] + c1 * d;
    q[i] = b2 * q[i] + c2 * d * d;
    w[i] -= step * p[i] / (sqrtf(q[i] * root) + eps);
  }
}
