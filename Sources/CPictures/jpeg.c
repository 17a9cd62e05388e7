// JPEG by libjpeg-turbo, of whose pixels only those that are wanted are decoded.
#include "decoders.h"

#include <setjmp.h>
#include <stdio.h>
#include <jerror.h>
#include <jpeglib.h>

typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
} error_manager;

static void stop(j_common_ptr info) {
  error_manager *errors = (error_manager *)info->err;
  info->err->format_message(info, errors->message);
  longjmp(errors->escape, 1);
}

// Warnings are of two kinds: data that end too early or are broken, which is damage, and bytes too
// many, which is none.
static void warn(j_common_ptr info, int level) {
  if (level >= 0) return;
  info->err->num_warnings++;
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
      code == JWRN_MUST_RESYNC)
    stop(info);
}

static void quiet(j_common_ptr info) { (void)info; }

typedef cp_status (*step)(struct jpeg_decompress_struct *jpeg, void *context);

// Opens a file, reads its header and takes a step. Where libjpeg finds an error, at whatever depth,
// the message has its words; what the step has allocated is in its context.
static cp_status with_jpeg(const uint8_t *bytes, long count, char *message, int size, step body,
                           void *context) {
  struct jpeg_decompress_struct jpeg;
  error_manager errors;
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = stop;
  errors.base.emit_message = warn;
  errors.base.output_message = quiet;
  if (setjmp(errors.escape)) {
    snprintf(message, size, "%s", errors.message);
    jpeg_destroy_decompress(&jpeg);
    return CP_DAMAGED;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, bytes, (unsigned long)count);
  jpeg_read_header(&jpeg, TRUE);
  const cp_status status = body(&jpeg, context);
  jpeg_destroy_decompress(&jpeg);
  if (status == CP_DAMAGED) snprintf(message, size, "has fewer lines than it says");
  if (status == CP_NO_MEMORY) snprintf(message, size, "there is no memory for its pixels");
  return status;
}

static cp_status take_facts(struct jpeg_decompress_struct *jpeg, void *context) {
  *(cp_facts *)context = (cp_facts){.type = CP_JPEG,
                                    .width = (int)jpeg->image_width,
                                    .height = (int)jpeg->image_height,
                                    .channels = jpeg->num_components,
                                    .bits = jpeg->data_precision,
                                    .is_progressive = jpeg->progressive_mode};
  return CP_OK;
}

cp_status jpeg_probe(const uint8_t *bytes, long count, cp_facts *facts, char *message, int size) {
  return with_jpeg(bytes, count, message, size, take_facts, facts);
}

// All coefficients, without the transform: what can be damaged is read.
static cp_status read_all(struct jpeg_decompress_struct *jpeg, void *context) {
  (void)context;
  jpeg_read_coefficients(jpeg);
  jpeg_finish_decompress(jpeg);
  return CP_OK;
}

cp_status jpeg_verify(const uint8_t *bytes, long count, char *message, int size) {
  return with_jpeg(bytes, count, message, size, read_all, NULL);
}

static int multiplied(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// Adobe's files hold inverted inks.
static void from_cmyk(uint8_t *line, long pixels, int is_inverted) {
  for (long i = 0; i < pixels; i++, line += 4) {
    const int black = is_inverted ? line[3] : 255 - line[3];
    for (int c = 0; c < 3; c++) {
      const int ink = is_inverted ? 255 - line[c] : line[c];
      const int value = black - multiplied(ink, black);
      line[c] = (uint8_t)(value < 0 ? 0 : value);
    }
  }
}

// The filter reads so many pixels around a box, and one more for rounding.
static int margin(double pixels, int out) { return pixels <= out ? 2 : (int)(pixels / out) + 3; }

typedef struct {
  cp_box box;
  int out_width, out_height, most_scale;
  uint8_t *pixels;
  int width, height;
  double *at;
  char *message;
  int message_size;
  // The status of a picture that must not be decoded; the message says why.
  cp_status refused;
} part;

static cp_status decode_part(struct jpeg_decompress_struct *jpeg, void *context) {
  part *p = context;
  const cp_box box = p->box;
  cp_facts facts;
  take_facts(jpeg, &facts);
  p->refused = check_size(&facts, p->message, p->message_size);
  if (!p->refused) p->refused = check_box(&facts, box, p->message, p->message_size);
  if (p->refused) return CP_OK;
  int scale = p->most_scale;
  while (scale > 1 && (box.width < p->out_width * scale || box.height < p->out_height * scale))
    scale /= 2;
  jpeg->scale_num = 1;
  jpeg->scale_denom = (unsigned)scale;
  jpeg->dct_method = JDCT_ISLOW;
  const int is_cmyk =
      jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
  jpeg->out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_RGBX;
  jpeg_start_decompress(jpeg);

  // The box in pixels of the scaled picture, with a margin for the filter, and with a block at
  // either side: the upsampling of colours begins anew where decoding begins.
  const double left = (double)box.x / scale, top = (double)box.y / scale;
  const double right = (double)(box.x + box.width) / scale,
               bottom = (double)(box.y + box.height) / scale;
  const int around = margin(right - left, p->out_width),
            above = margin(bottom - top, p->out_height);
  int first = (int)top - above, last = (int)bottom + above;
  if (first < 0) first = 0;
  if (last > (int)jpeg->output_height) last = (int)jpeg->output_height;
  const int block = jpeg->max_h_samp_factor * 8;
  int from = (int)left - around - block, until = (int)right + around + block;
  if (from < 0) from = 0;
  if (until > (int)jpeg->output_width) until = (int)jpeg->output_width;
  JDIMENSION offset = (JDIMENSION)from, span = (JDIMENSION)(until - from);
  // A progressive file is read whole anyway, and a part of it is not exact.
  if (!jpeg->progressive_mode && span < jpeg->output_width)
    jpeg_crop_scanline(jpeg, &offset, &span);
  else
    offset = 0, span = jpeg->output_width;

  const long row = 4L * span;
  p->pixels = malloc((size_t)(row * (last - first)));
  if (!p->pixels) return CP_NO_MEMORY;
  if (first > 0 && jpeg_skip_scanlines(jpeg, (JDIMENSION)first) != (JDIMENSION)first)
    return CP_DAMAGED;
  while ((int)jpeg->output_scanline < last) {
    JSAMPROW line = p->pixels + row * ((long)jpeg->output_scanline - first);
    if (jpeg_read_scanlines(jpeg, &line, 1) != 1) return CP_DAMAGED;
  }
  if (is_cmyk) from_cmyk(p->pixels, (long)span * (last - first), jpeg->saw_Adobe_marker);
  // The lines below the box are not decoded.
  jpeg_abort_decompress(jpeg);
  p->width = (int)span;
  p->height = last - first;
  p->at[0] = left - offset;
  p->at[1] = top - first;
  p->at[2] = right - left;
  p->at[3] = bottom - top;
  return CP_OK;
}

cp_status jpeg_decode(const uint8_t *bytes, long count, cp_box box, int out_width, int out_height,
                      int most_scale, uint8_t **pixels, int *width, int *height, double at[4],
                      char *message, int size) {
  part p = {.box = box,
            .out_width = out_width,
            .out_height = out_height,
            .most_scale = most_scale,
            .at = at,
            .message = message,
            .message_size = size};
  cp_status status = with_jpeg(bytes, count, message, size, decode_part, &p);
  if (!status) status = p.refused;
  if (status) {
    free(p.pixels);
    return status;
  }
  *pixels = p.pixels;
  *width = p.width;
  *height = p.height;
  return CP_OK;
}
