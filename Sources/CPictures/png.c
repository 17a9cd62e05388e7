// PNG by libspng. A picture is always decoded whole: PNG has no way into its middle.
#include "decoders.h"

#include <spng.h>
#include <stdio.h>

static spng_ctx *open_png(const uint8_t *bytes, long count, struct spng_ihdr *header, char *message,
                          int size) {
  spng_ctx *png = spng_ctx_new(0);
  if (!png) {
    snprintf(message, size, "there is no memory for its pixels");
    return NULL;
  }
  // Chunks besides the picture may not fill the memory.
  spng_set_chunk_limits(png, 1 << 24, 1 << 24);
  spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
  int code = spng_set_png_buffer(png, bytes, (size_t)count);
  if (!code) code = spng_get_ihdr(png, header);
  if (code) {
    snprintf(message, size, "%s", spng_strerror(code));
    spng_ctx_free(png);
    return NULL;
  }
  return png;
}

cp_status png_probe(const uint8_t *bytes, long count, cp_facts *facts, char *message, int size) {
  static const int channels[7] = {1, 0, 3, 3, 2, 0, 4};
  struct spng_ihdr header;
  spng_ctx *png = open_png(bytes, count, &header, message, size);
  if (!png) return CP_DAMAGED;
  *facts = (cp_facts){.type = CP_PNG,
                      .width = (int)header.width,
                      .height = (int)header.height,
                      .channels = header.color_type < 7 ? channels[header.color_type] : 0,
                      .bits = header.bit_depth,
                      .is_progressive = header.interlace_method != 0};
  spng_ctx_free(png);
  return CP_OK;
}

static cp_status decoded(const uint8_t *bytes, long count, uint8_t **pixels,
                         struct spng_ihdr *header, char *message, int size) {
  spng_ctx *png = open_png(bytes, count, header, message, size);
  if (!png) return CP_DAMAGED;
  const size_t all = (size_t)header->width * header->height * 4;
  uint8_t *result = malloc(all);
  if (!result) {
    spng_ctx_free(png);
    snprintf(message, size, "there is no memory for its pixels");
    return CP_NO_MEMORY;
  }
  const int code = spng_decode_image(png, result, all, SPNG_FMT_RGBA8, 0);
  spng_ctx_free(png);
  if (code) {
    free(result);
    snprintf(message, size, "%s", spng_strerror(code));
    return CP_DAMAGED;
  }
  *pixels = result;
  return CP_OK;
}

cp_status png_decode(const uint8_t *bytes, long count, cp_box box, uint8_t **pixels, int *width,
                     int *height, double at[4], char *message, int size) {
  struct spng_ihdr header;
  const cp_status status = decoded(bytes, count, pixels, &header, message, size);
  if (status) return status;
  *width = (int)header.width;
  *height = (int)header.height;
  at[0] = box.x;
  at[1] = box.y;
  at[2] = box.width;
  at[3] = box.height;
  return CP_OK;
}

cp_status png_verify(const uint8_t *bytes, long count, char *message, int size) {
  struct spng_ihdr header;
  uint8_t *pixels = NULL;
  const cp_status status = decoded(bytes, count, &pixels, &header, message, size);
  free(pixels);
  return status;
}
