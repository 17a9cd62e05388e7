// Numbers of fields, read to the nearest double. Of most, the digits and the power of ten are exact
// doubles, so that one operation rounds (Clinger 1990). The C library reads the others.
#define _GNU_SOURCE
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "CTables.h"

static const double powers[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t plain;

static void make_locale(void) { plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

// Any number that strtod reads whole; 0 where it is none, or not finite.
static int slow_number(const ct_field *field, uint8_t decimal, double *value) {
  char small[64], *text = small;
  if (field->count >= sizeof small) {
    text = malloc(field->count + 1);
    if (!text) return 0;
  }
  memcpy(text, field->start, field->count);
  text[field->count] = 0;
  int is_number = strlen(text) == field->count;
  if (decimal != '.') {
    if (strchr(text, '.')) is_number = 0;
    for (char *p = text; *p; p++)
      if ((uint8_t)*p == decimal) *p = '.';
  }
  if (is_number) {
    pthread_once(&once, make_locale);
    char *end;
    *value = plain ? strtod_l(text, &end, plain) : strtod(text, &end);
    is_number = end != text && !*end && isfinite(*value);
  }
  if (text != small) free(text);
  return is_number;
}

static int is_missing(const ct_field *f) {
  static const char *const words[] = {"na", "n/a", "nan", "null", "none", "?", ".",
                                      "<na>", "#n/a", "-nan", "+nan"};
  if (f->count == 0) return 1;
  if (f->count > 4) return 0;
  for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
    if (strlen(words[w]) != f->count) continue;
    uint32_t i = 0;
    while (i < f->count) {
      const uint8_t c = f->start[i];
      if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)words[w][i]) break;
      i++;
    }
    if (i == f->count) return 1;
  }
  return 0;
}

// Sets `value` where the digits and the power of ten are exact doubles; else returns 0.
static inline int fast_number(const ct_field *field, uint8_t decimal, double *value) {
  const uint8_t *p = field->start, *end = p + field->count;
  const int negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  uint64_t digits = 0;
  const uint8_t *first = p;
  while (p < end && (uint8_t)(*p - '0') < 10) digits = 10 * digits + (*p++ - '0');
  long count = p - first;
  int power = 0;
  if (p < end && *p == decimal) {
    const uint8_t *fraction = ++p;
    while (p < end && (uint8_t)(*p - '0') < 10) digits = 10 * digits + (*p++ - '0');
    power = -(int)(p - fraction);
    count += p - fraction;
  }
  // `digits` may have overflowed if the number has more than 19 digits.
  if (count == 0 || count > 19) return 0;
  if (p < end && (*p == 'e' || *p == 'E')) {
    if (++p == end) return 0;
    const int down = *p == '-';
    if (*p == '-' || *p == '+') p++;
    const uint8_t *exponent = p;
    int written = 0;
    while (p < end && p - exponent < 4 && (uint8_t)(*p - '0') < 10)
      written = 10 * written + (*p++ - '0');
    if (p == exponent) return 0;
    power += down ? -written : written;
  }
  if (p != end || digits > (1ull << 53) || power < -22 || power > 22) return 0;
  double number = (double)digits;
  number = power < 0 ? number / powers[-power] : number * powers[power];
  *value = negative ? -number : number;
  return 1;
}

ct_kind ct_number(const ct_field *field, uint8_t decimal, double *value) {
  if (field->count == 0) return CT_MISSING;
  if (fast_number(field, decimal, value)) return CT_NUMBER;
  if (is_missing(field)) return CT_MISSING;
  return slow_number(field, decimal, value) ? CT_NUMBER : CT_TEXT;
}
