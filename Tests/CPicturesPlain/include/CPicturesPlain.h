// The resize and the change of colours of CPictures, compiled for any processor of the family: their
// bits are compared with those of the vectorized clones.
#ifndef CPICTURESPLAIN_H
#define CPICTURESPLAIN_H

#include <CPictures.h>

void plain_resize(uint8_t *out, int out_width, int out_height, const uint8_t *pixels, int width,
                  int height, const double at[4], int mirrored, void *scratch);
void plain_jitter(uint8_t *pixels, long count, const int32_t factors[3], const int order[3]);

#endif
