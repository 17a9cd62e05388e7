// The three functions that pictures.c calls for each type of file. A new type needs the same three.
// Two checks are common to all.
#ifndef CPICTURES_DECODERS_H
#define CPICTURES_DECODERS_H

#include <stdlib.h>

#include "CPictures.h"

// check_size refuses pictures that may not be decoded at all; check_box refuses a box that does not
// lie in the picture. The message gets the reason.
cp_status check_size(const cp_facts *facts, char *message, int size);
cp_status check_box(const cp_facts *facts, cp_box box, char *message, int size);

cp_status jpeg_probe(const uint8_t *bytes, long count, cp_facts *facts, char *message, int size);
cp_status jpeg_decode(const uint8_t *bytes, long count, cp_box box, int out_width, int out_height,
                      int most_scale, uint8_t **pixels, int *width, int *height, double at[4],
                      char *message, int size);
cp_status jpeg_verify(const uint8_t *bytes, long count, char *message, int size);

cp_status png_probe(const uint8_t *bytes, long count, cp_facts *facts, char *message, int size);
cp_status png_decode(const uint8_t *bytes, long count, cp_box box, uint8_t **pixels, int *width,
                     int *height, double at[4], char *message, int size);
cp_status png_verify(const uint8_t *bytes, long count, char *message, int size);

#endif
