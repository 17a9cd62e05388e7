// Which decoder a file needs, by its first bytes: names of files are often wrong.
#include "decoders.h"

#include <stdio.h>
#include <jpeglib.h>
#include <spng.h>
#include <string.h>

#define WORDS(x) #x
#define TEXT(x) WORDS(x)

const char *cp_decoders(void) {
  static char words[64];
  // libjpeg-turbo tells its version to the compiler only.
  snprintf(words, sizeof words, "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION) ", libspng %s",
           spng_version_string());
  return words;
}

static cp_type type_of(const uint8_t *bytes, long count) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) return CP_JPEG;
  if (count >= 8 && !memcmp(bytes, png, 8)) return CP_PNG;
  return CP_UNKNOWN;
}

// A sentence about a file that is neither a JPEG nor a PNG: it names the type where it is known.
static const char *other_type(const uint8_t *bytes, long count) {
  if (count == 0) return "is empty";
  if (count >= 4 && !memcmp(bytes, "GIF8", 4)) return "is a GIF; convert it to JPEG or PNG";
  if (count >= 2 && !memcmp(bytes, "BM", 2)) return "is a BMP; convert it to JPEG or PNG";
  if (count >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4))
    return "is a WebP; convert it to JPEG or PNG";
  if (count >= 4 && (!memcmp(bytes, "II*\0", 4) || !memcmp(bytes, "MM\0*", 4)))
    return "is a TIFF; convert it to JPEG or PNG";
  if (count >= 12 && !memcmp(bytes + 4, "ftyp", 4))
    return "is a HEIF or AVIF; convert it to JPEG or PNG";
  return "is neither a JPEG nor a PNG";
}

cp_status cp_probe(const uint8_t *bytes, long count, cp_facts *facts, char *message,
                   int message_size) {
  cp_status status = CP_NO_PICTURE;
  switch (type_of(bytes, count)) {
    case CP_JPEG: status = jpeg_probe(bytes, count, facts, message, message_size); break;
    case CP_PNG: status = png_probe(bytes, count, facts, message, message_size); break;
    case CP_UNKNOWN: snprintf(message, message_size, "%s", other_type(bytes, count));
  }
  return status ? status : check_size(facts, message, message_size);
}

cp_status check_size(const cp_facts *facts, char *message, int message_size) {
  if (facts->width < 1 || facts->height < 1) {
    snprintf(message, message_size, "has no pixels");
    return CP_DAMAGED;
  }
  if ((long)facts->width * facts->height > CP_MOST_PIXELS) {
    snprintf(message, message_size, "has %d x %d pixels; at most %ld are read", facts->width,
             facts->height, CP_MOST_PIXELS);
    return CP_TOO_LARGE;
  }
  return CP_OK;
}

cp_status check_box(const cp_facts *facts, cp_box box, char *message, int message_size) {
  if (box.x < 0 || box.y < 0 || box.width < 1 || box.height < 1 ||
      box.x > facts->width - box.width || box.y > facts->height - box.height) {
    snprintf(message, message_size, "has %d x %d pixels, other than when it was indexed",
             facts->width, facts->height);
    return CP_DAMAGED;
  }
  return CP_OK;
}

cp_status cp_decode(const uint8_t *bytes, long count, cp_box box, int out_width, int out_height,
                    int most_scale, uint8_t **pixels, int *width, int *height, double at[4],
                    char *message, int message_size) {
  // A JPEG's header is read once: of a small picture, that is a good part of the work.
  if (type_of(bytes, count) == CP_JPEG)
    return jpeg_decode(bytes, count, box, out_width, out_height, most_scale, pixels, width, height,
                       at, message, message_size);
  cp_facts facts;
  cp_status status = cp_probe(bytes, count, &facts, message, message_size);
  if (!status) status = check_box(&facts, box, message, message_size);
  if (status) return status;
  return png_decode(bytes, count, box, pixels, width, height, at, message, message_size);
}

cp_status cp_verify(const uint8_t *bytes, long count, char *message, int message_size) {
  cp_facts facts;
  const cp_status status = cp_probe(bytes, count, &facts, message, message_size);
  if (status) return status;
  return facts.type == CP_JPEG ? jpeg_verify(bytes, count, message, message_size)
                               : png_verify(bytes, count, message, message_size);
}
