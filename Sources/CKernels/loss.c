// Softmax cross-entropy, in double precision: it is cheap, and all gradients depend on it.
#include <math.h>

#include "CKernels.h"

void ck_softmax_cross_entropy(double *loss, uint8_t *correct, float *dlogits, const float *logits,
                              const int32_t *labels, long n, int classes, double smoothing,
                              double scale) {
  for (long r = 0; r < n; r++) {
    const float *z = logits + r * classes;
    const int label = labels[r];
    int largest = 0;
    double total = 0, mean = 0;
    for (int k = 1; k < classes; k++)
      if (z[k] > z[largest]) largest = k;
    for (int k = 0; k < classes; k++) {
      total += exp((double)z[k] - z[largest]);
      mean += (double)z[k] - z[largest];
    }
    mean /= classes;
    const double log_total = log(total);
    // -sum target log p, with log p = z - z_max - log_total.
    loss[r] = log_total - (1 - smoothing) * ((double)z[label] - z[largest]) - smoothing * mean;
    correct[r] = largest == label && isfinite(loss[r]);
    if (!dlogits) continue;
    for (int k = 0; k < classes; k++) {
      const double p = exp((double)z[k] - z[largest] - log_total);
      const double target = (k == label ? 1 - smoothing : 0) + smoothing / classes;
      dlogits[r * classes + k] = (float)((p - target) * scale);
    }
  }
}
