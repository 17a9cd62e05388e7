// Pictures of files: what a JPEG or a PNG holds, the pixels of a part of it, and those at another
// size.
// Every function is pure and keeps nothing; bytes from outside never end the process.
#ifndef CPICTURES_H
#define CPICTURES_H

#include <stdint.h>

typedef enum { CP_UNKNOWN = 0, CP_JPEG = 1, CP_PNG = 2 } cp_type;

// The reasons why a file is no picture that can be used.
typedef enum {
  CP_OK = 0,
  CP_NO_PICTURE,   // neither a JPEG nor a PNG, by its first bytes
  CP_DAMAGED,      // the file is cut or broken; the message says how
  CP_TOO_LARGE,    // more pixels than are allowed
  CP_NO_MEMORY
} cp_status;

typedef struct {
  cp_type type;
  int width, height;
  // As stored: 1 grey, 3 colour, 4 CMYK or colour with alpha, 2 grey with alpha.
  int channels;
  int bits;
  int is_progressive;
} cp_facts;

// A rectangle of a picture's pixels.
typedef struct {
  int x, y, width, height;
} cp_box;

// The most pixels that a picture may have: larger ones are refused before they are decoded.
#define CP_MOST_PIXELS (1L << 26)

// The libraries that decode, with their versions: other ones may give other bits.
const char *cp_decoders(void);

// Reads what a file says of itself. `message` gets a sentence where the status is not CP_OK.
cp_status cp_probe(const uint8_t *bytes, long count, cp_facts *facts, char *message,
                   int message_size);

// Decodes what `box` shows, to be resized to `out_width` x `out_height` pixels. A JPEG is decoded
// at a scale of 1, 1/2, 1/4 or 1/8: the smallest one at which the box still has so many pixels, and
// not below 1 / `most_scale`. Gives pixels of four bytes: red, green, blue, and one that means
// nothing.
// `at` gets the box in pixels of the result, which has those around the box too that the filter
// reads: at[0], at[1] its corner, at[2], at[3] its size. Free the result.
//
// Rules: grey becomes three equal channels; CMYK and YCCK become colour as by Pillow; an alpha
// channel is left out; of 16 bits the upper 8 are used; EXIF's orientation is not applied, as in
// torchvision's ImageFolder.
cp_status cp_decode(const uint8_t *bytes, long count, cp_box box, int out_width, int out_height,
                    int most_scale, uint8_t **pixels, int *width, int *height, double at[4],
                    char *message, int message_size);

// Decodes a file whole and throws the pixels away: says whether it is undamaged.
cp_status cp_verify(const uint8_t *bytes, long count, char *message, int message_size);

// Resizes a box of a picture (four bytes a pixel) to `out_width` x `out_height` pixels of three
// bytes, mirrored left and right on request. A triangle as wide as a pixel of the result is the
// filter, so nothing is aliased (Pillow's BILINEAR). Arithmetic is in fixed point: the bits do not
// depend on the machine. `scratch` has cp_resize_scratch() bytes.
void cp_resize(uint8_t *out, int out_width, int out_height, const uint8_t *pixels, int width,
               int height, const double at[4], int mirrored, void *scratch);
long cp_resize_scratch(int out_width, int out_height, int width, int height, const double at[4]);

// Changes brightness (0), contrast (1) and saturation (2) of `count` pixels of three bytes, in the
// given order, each by its factor in units of 1/65536: a blend with black, with the mean grey, with
// each pixel's own grey.
void cp_jitter(uint8_t *pixels, long count, const int32_t factors[3], const int order[3]);

// One picture of bytes [height][width][channels] becomes floats (v - mean) / deviation, shifted by
// (dy, dx) with reflection at the border, mirrored left and right when flip.
void cp_image(float *out, const uint8_t *image, int height, int width, int channels,
              const float *mean, const float *inverse_deviation, int dy, int dx, int flip);
// The same of pixels that are normalized already.
void cp_image_floats(float *out, const float *image, int height, int width, int channels, int dy,
                     int dx, int flip);

#endif
