// Records and fields: RFC 4180, and what people write besides.
#include <string.h>

#include "CTables.h"

#define MOST_FIELD (1u << 20)

static inline int is_blank(uint8_t c, uint8_t separator) {
  return (c == ' ' || c == '\t') && c != separator;
}

static inline int is_end(uint8_t c) { return c == '\n' || c == '\r'; }

static inline int is_space(uint8_t c) { return c == ' ' || c == '\t' || is_end(c); }

// Behind the line end at `at`, which may be two bytes.
static inline size_t behind_end(const ct_text *t, size_t at) {
  if (t->bytes[at] == '\r' && at + 1 < t->count && t->bytes[at + 1] == '\n') return at + 2;
  return at + 1;
}

// Behind blank lines and comments, at the first byte of a record; `count` where none is left.
static size_t begin_of_record(const ct_text *t, size_t at) {
  while (at < t->count) {
    size_t place = at;
    while (place < t->count && is_blank(t->bytes[place], t->dialect.separator)) place++;
    if (place == t->count) return place;
    if (is_end(t->bytes[place])) {
      at = behind_end(t, place);
    } else if (t->dialect.comment && t->bytes[place] == t->dialect.comment) {
      while (place < t->count && !is_end(t->bytes[place])) place++;
      if (place == t->count) return place;
      at = behind_end(t, place);
    } else {
      return at;
    }
  }
  return at;
}

// Reads a quoted field whose first quote is at `at`; returns the place behind the last one.
static ct_status quoted(const ct_text *t, size_t *at, ct_field *field) {
  const uint8_t *end = t->bytes + t->count;
  const uint8_t *start = t->bytes + *at + 1, *p = start;
  field->is_quoted = 1;
  field->is_escaped = 0;
  for (;;) {
    p = memchr(p, '"', end - p);
    if (!p) return CT_QUOTE_OPEN;
    if (p + 1 == end || p[1] != '"') break;
    field->is_escaped = 1;
    p += 2;
    if (p == end) return CT_QUOTE_OPEN;
  }
  if ((size_t)(p - start) > MOST_FIELD) return CT_FIELD_LARGE;
  *at = p + 1 - t->bytes;
  while (start < p && is_space(*start)) start++;
  while (start < p && is_space(p[-1])) p--;
  field->start = start;
  field->count = (uint32_t)(p - start);
  return CT_OK;
}

// Reads a field that begins at `*at`, and moves `*at` to the separator, line end or end behind it.
static inline ct_status field_at(const ct_text *t, size_t *at, ct_field *field) {
  const uint8_t separator = t->dialect.separator, *bytes = t->bytes;
  const size_t count = t->count;
  size_t place = *at;
  while (place < count && is_blank(bytes[place], separator)) place++;
  if (place < count && bytes[place] == '"') {
    const ct_status status = quoted(t, &place, field);
    if (status) return status;
    while (place < count && is_blank(bytes[place], separator)) place++;
    if (place < count && bytes[place] != separator && !is_end(bytes[place]))
      return CT_QUOTE_TRAILED;
    *at = place;
    return CT_OK;
  }
  const size_t start = place;
  while (place < count && bytes[place] != separator && !is_end(bytes[place])) place++;
  size_t last = place;
  while (last > start && is_blank(bytes[last - 1], separator)) last--;
  if (last - start > MOST_FIELD) return CT_FIELD_LARGE;
  *field = (ct_field){bytes + start, (uint32_t)(last - start), 0, 0};
  *at = place;
  return CT_OK;
}

ct_status ct_record(const ct_text *t, size_t *place, size_t *begin, ct_field *fields, long most,
                    long *found) {
  size_t at = begin_of_record(t, *place);
  *begin = at;
  *found = 0;
  if (at == t->count) {
    *place = at;
    return CT_END;
  }
  for (;;) {
    ct_field field;
    const ct_status status = field_at(t, &at, &field);
    if (status) return status;
    if (*found < most) fields[*found] = field;
    ++*found;
    if (at == t->count) break;
    if (t->bytes[at] != t->dialect.separator) {
      at = behind_end(t, at);
      break;
    }
    at++;
  }
  *place = at;
  return CT_OK;
}

long ct_line(const ct_text *t, size_t place) {
  long line = 1;
  size_t at = 0;
  while (at < place && at < t->count) {
    if (is_end(t->bytes[at])) {
      at = behind_end(t, at);
      line++;
    } else {
      at++;
    }
  }
  return line;
}

// Bytes that follow the first one of a character, and the bounds of the first that follows (Unicode
// 15, table 3-7); 0 where no character begins so.
static int followers(uint8_t first, uint8_t *low, uint8_t *high) {
  *low = 0x80;
  *high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) return 1;
  if (first >= 0xE0 && first <= 0xEF) {
    if (first == 0xE0) *low = 0xA0;
    if (first == 0xED) *high = 0x9F;
    return 2;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (first == 0xF0) *low = 0x90;
    if (first == 0xF4) *high = 0x8F;
    return 3;
  }
  return 0;
}

size_t ct_invalid(const uint8_t *bytes, size_t count) {
  size_t at = 0;
  while (at < count) {
    uint64_t word;
    while (at + 8 <= count) {
      memcpy(&word, bytes + at, 8);
      if (word & 0x8080808080808080u) break;
      at += 8;
    }
    if (at == count) break;
    if (bytes[at] < 0x80) {
      at++;
      continue;
    }
    uint8_t low, high;
    const int more = followers(bytes[at], &low, &high);
    if (!more || count - at <= (size_t)more) return at;
    if (bytes[at + 1] < low || bytes[at + 1] > high) return at;
    for (int i = 2; i <= more; i++)
      if ((bytes[at + i] & 0xC0) != 0x80) return at;
    at += more + 1;
  }
  return count;
}
